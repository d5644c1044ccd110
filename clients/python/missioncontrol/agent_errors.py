"""What the agent raises, and what its handlers may raise to say how they failed.

MissionControlError
├── AgentError               the agent cannot go on
│   ├── AgentSuperseded      a newer process has this agent's id
│   └── AgentRefused         the coordinator does not take this agent as it is
└── HandlerError             raised by a handler: the attempt failed, with a code and perhaps for good
    └── PermanentError       trying again is pointless
"""

from __future__ import annotations

import asyncio

from missioncontrol.errors import MissionControlError
from missioncontrol.v1 import task_pb2


class AgentError(MissionControlError):
    """The agent cannot go on. `exit_code` is what its process ends with."""

    exit_code = 1


class AgentSuperseded(AgentError):
    """A newer process has this agent's id. This one must end and not come back: two would fight for ever."""

    exit_code = 70


class AgentRefused(AgentError):
    """The coordinator does not take this agent as it is: a wrong id, label or kind, or a version too far apart."""

    exit_code = 78


class HandlerError(MissionControlError):
    """Raise it in a handler to fail the attempt with a `code` of your own, on which retry policies can select.

    With `permanent` the task is not tried again, whatever its policy says. `output` is kept with the attempt.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        permanent: bool = False,
        output: object = None,
        reason: task_pb2.FailureReason.ValueType = task_pb2.FAILURE_REASON_ERROR,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.permanent = permanent
        self.output = output
        self.reason = reason


class PermanentError(HandlerError):
    """The attempt failed, and trying again is pointless."""

    def __init__(self, message: str, *, code: str = "", output: object = None) -> None:
        super().__init__(message, code=code, permanent=True, output=output)


class StoppedWithOutput(asyncio.CancelledError):
    """A handler stopped as it was told to, and has something to show all the same."""

    def __init__(self, message: str, output: object) -> None:
        super().__init__(message)
        self.output = output
