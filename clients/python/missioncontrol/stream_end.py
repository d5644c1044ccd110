"""What the end of a stream means: connect again, or give up and say why. Pure."""

from __future__ import annotations

import grpc

from missioncontrol.agent_errors import AgentError, AgentRefused, AgentSuperseded
from missioncontrol.errors import CallError

INCARNATION_SUPERSEDED = "INCARNATION_SUPERSEDED"
# What an answer to a Hello says about the agent itself: asking again, anywhere, gives the same answer.
_FATAL = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)


def verdict(error: CallError, *, agent_id: str, welcomed: bool) -> AgentError | None:
    """Why the agent must end, if it must; None if it is to connect again.

    After Welcome only a superseded incarnation is fatal: everything else a later stream, or another coordinator, may
    mend.
    """
    if error.reason == INCARNATION_SUPERSEDED:
        return AgentSuperseded(
            f'a newer process has the agent id "{agent_id}", so this one ends: give each process an id of its own'
        )
    if welcomed or error.code not in _FATAL:
        return None
    return AgentRefused(f'the coordinator does not take the agent "{agent_id}": {error}')
