"""Why tasks wait, from the domain to the wire and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from missioncontrol.v1 import scheduler_service_pb2 as pb
from missioncontrol.v1 import task_pb2

from services.domain.explain import Explanation
from services.domain.rehearsal import Simulated
from services.domain.requirements import FilterReason, WaitReason
from services.domain.schedule import UnplaceableReason
from services.domain.stuck_group import StuckGroup
from services.transport.convert_time import optional_timestamp

_FILTERS = {int(reason): reason for reason in FilterReason}
_WAITS = {int(reason): reason for reason in WaitReason}


def answer(number: int, explanation: Explanation, placed: Iterable[Simulated] = ()) -> pb.RoutingAnswer:
    """The answer to a question."""
    message = pb.RoutingAnswer(number=number, explanation=explanation_message(explanation))
    for each in placed:
        message.placements.add(agent_id=each.agent_id, leases=each.leases)
    return message


def explanation_message(value: Explanation) -> pb.Explanation:
    """An explanation for the wire."""
    make: Any = pb.Explanation
    message: pb.Explanation = make(
        reason=value.reason,
        never=value.never,
        message=value.message,
        filtered=map(reason_message, value.filtered),
        agents=value.agents,
        eligible=value.eligible,
        free=value.free,
        lane=value.lane,
        ahead=value.ahead,
        promote_time=optional_timestamp(value.promote_time),
    )
    for miss in value.near_misses:
        message.near_misses.add(agent_id=miss.agent_id, lacks=map(reason_message, miss.lacks))
    return message


def reason_message(value: UnplaceableReason) -> pb.UnplaceableReason:
    """Why agents were left out, for the wire."""
    reason = pb.FilterReason.ValueType(value.reason)
    return pb.UnplaceableReason(reason=reason, subject=value.subject, agents=value.agents)


def reasons(messages: Iterable[pb.UnplaceableReason]) -> tuple[UnplaceableReason, ...]:
    """Why agents were left out, from the wire; without reasons of a later version."""
    return tuple(
        UnplaceableReason(_FILTERS[each.reason], each.subject, each.agents)
        for each in messages
        if each.reason in _FILTERS
    )


def wait_reason(number: int) -> WaitReason:
    """What is waited for, from the wire; one of a later version is none."""
    return _WAITS.get(number, WaitReason.NONE)


def waiting(group: StuckGroup) -> task_pb2.Waiting:
    """Why the tasks of a group wait, for the wire."""
    return waiting_message(group.reason, never=group.never, message=group.message, since_time=group.since_time)


def history(group: StuckGroup) -> list[task_pb2.Waiting]:
    """What they waited for before, newest first."""
    return [
        waiting_message(past.reason, never=past.never, message=past.message, since_time=past.since_time)
        for past in group.history
    ]


def waiting_message(reason: WaitReason, *, never: bool, message: str, since_time: int) -> task_pb2.Waiting:
    """Why tasks wait, for the wire."""
    make: Any = task_pb2.Waiting
    made: task_pb2.Waiting = make(
        reason=reason, never=never, message=message, since_time=optional_timestamp(since_time)
    )
    return made
