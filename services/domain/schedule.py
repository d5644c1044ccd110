"""What coordinator and scheduler tell each other, as values: the counterpart of scheduler_service.proto.

Only values live here, no rules; `Placement` and its outcomes are with the commands, where the grant is. They are
msgspec structs, because tens of thousands of them are made a second.

Several coordinators tell their part, each on a stream of its own; a `source` is the number of such a stream. A group's
number is its stream's own, so the id of a group is made of both.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from services.domain.commands import PlacementOutcome
from services.domain.policy import QueuePolicy
from services.domain.requirements import AgentProfile, FilterReason, Requirements
from services.domain.task import Avoided

# The bits of a group's number; the stream's number is above them.
_NUMBER_BITS = 64
_NUMBER_MASK = (1 << _NUMBER_BITS) - 1


def group_id_of(source: int, number: int) -> int:
    """Return the id of the group that a stream knows by that number."""
    return source << _NUMBER_BITS | number


def source_of(group_id: int) -> int:
    """Return the stream that told of a group."""
    return group_id >> _NUMBER_BITS


def number_of(group_id: int) -> int:
    """Return the number of a group on its stream."""
    return group_id & _NUMBER_MASK


class QueueRule(msgspec.Struct, frozen=True):
    """What scheduling must know of a queue. One that was never sent is not paused. Version 0: not known."""

    namespace: str
    name: str
    paused: bool = False
    version: int = 0
    policy: QueuePolicy = QueuePolicy()


class TaskGroup(msgspec.Struct, frozen=True):
    """Tasks with the same queue, priority, needs and fairness key. `unsent` more of them wait at the coordinator."""

    id: int
    namespace: str
    queue: str
    priority: int
    kind: str
    requirements: Requirements
    needs_id: str
    unsent: int = 0
    fairness_key: str = ""


class ReadyTask(msgspec.Struct, frozen=True, gc=False):
    """One task that is ready. Within a group, the earlier `queued_time` goes first."""

    group_id: int
    task_id: str
    queued_time: int
    avoid: tuple[Avoided, ...] = ()
    affinity_key: str = ""


class LeaseLoad(msgspec.Struct, frozen=True, gc=False):
    """Leases of one queue, priority and fairness key that an agent holds."""

    queue: str
    priority: int
    fairness_key: str
    leases: int


class SchedulableAgent(msgspec.Struct, frozen=True):
    """An agent and its load by the last commit. `key` is "<namespace>/<agent_id>".

    `loads` says what its leases are of, where the queue's policy needs it. `warm_keys` has the instant of the last use,
    as `last_grant_time`, in microseconds since 1970 UTC.
    """

    key: str
    namespace: str
    agent_id: str
    session: int
    accepting: bool
    profile: AgentProfile
    slots: int
    leases: int = 0
    resources_used: Mapping[str, float] = {}
    started: int = 0
    queue_limit: int = 0
    loads: tuple[LeaseLoad, ...] = ()
    warm_keys: Mapping[str, int] = {}
    last_grant_time: int = 0


class Recall(msgspec.Struct, frozen=True):
    """Leases of a queue to take back from an agent, as far as they have not started. `source` is its stream."""

    namespace: str
    agent_id: str
    session: int
    queue: str
    count: int
    source: int


class PlacementResult(msgspec.Struct, frozen=True, gc=False):
    """What became of the placement with that number."""

    number: int
    outcome: PlacementOutcome


class ScheduleChanges(msgspec.Struct, frozen=True):
    """One message of a coordinator: what changed with one of its commits, or a part of the snapshot."""

    source: int = 0
    queues: tuple[QueueRule, ...] = ()
    groups: tuple[TaskGroup, ...] = ()
    ready: tuple[ReadyTask, ...] = ()
    removed_task_ids: tuple[str, ...] = ()
    agents: tuple[SchedulableAgent, ...] = ()
    removed_agents: tuple[str, ...] = ()
    results: tuple[PlacementResult, ...] = ()
    removed_groups: tuple[int, ...] = ()


class UnplaceableReason(msgspec.Struct, frozen=True):
    """One reason, what was missing, and how many agents it was the first reason for."""

    reason: FilterReason
    subject: str = ""
    agents: int = 0


class Unplaceable(msgspec.Struct, frozen=True):
    """A group that cannot be placed now; `never`: by no known agent as it is. No reasons: it can be placed again."""

    group_id: int
    reasons: tuple[UnplaceableReason, ...] = ()
    never: bool = False
