"""What coordinator and scheduler tell each other, as values: the counterpart of scheduler_service.proto.

Only values live here, no rules; `Placement` and its outcomes are with the commands, where the grant is. They are
msgspec structs, because tens of thousands of them are made a second.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from services.domain.commands import PlacementOutcome
from services.domain.requirements import AgentProfile, FilterReason, Requirements
from services.domain.task import Avoided


class QueueRule(msgspec.Struct, frozen=True):
    """What scheduling must know of a queue. One that was never sent is not paused."""

    namespace: str
    name: str
    paused: bool = False


class TaskGroup(msgspec.Struct, frozen=True):
    """Tasks with the same queue, priority, kind and requirements. `unsent` more of them wait at the coordinator."""

    id: int
    namespace: str
    queue: str
    priority: int
    kind: str
    requirements: Requirements
    needs_id: str
    unsent: int = 0


class ReadyTask(msgspec.Struct, frozen=True, gc=False):
    """One task that is ready. Within a group, the earlier `queued_time` goes first."""

    group_id: int
    task_id: str
    queued_time: int
    avoid: tuple[Avoided, ...] = ()


class SchedulableAgent(msgspec.Struct, frozen=True):
    """An agent and its load by the last commit. `key` is "<namespace>/<agent_id>"."""

    key: str
    namespace: str
    agent_id: str
    session: int
    accepting: bool
    profile: AgentProfile
    slots: int
    leases: int = 0
    resources_used: Mapping[str, float] = {}


class PlacementResult(msgspec.Struct, frozen=True, gc=False):
    """What became of the placement with that number."""

    number: int
    outcome: PlacementOutcome


class ScheduleChanges(msgspec.Struct, frozen=True):
    """One message of the coordinator: what changed with one of its commits, or a part of the snapshot."""

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
