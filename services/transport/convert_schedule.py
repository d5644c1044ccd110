"""The coordinator's end of the Schedule stream, between the domain and the wire.

Hot: a ready task costs one field-wise add.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from missioncontrol.v1 import scheduler_service_pb2 as wire
from missioncontrol.v1 import task_pb2

from services.domain.agent import Agent
from services.domain.commands import PlacementOutcome
from services.domain.queue import Queue
from services.domain.requirements import Preference, Requirements
from services.domain.schedule import LeaseLoad
from services.domain.task import Avoided
from services.transport import convert_queue, convert_selector
from services.transport.convert_time import timestamp

NONE_WARM: Mapping[str, int] = {}


class Group(Protocol):
    """A group of ready tasks, as the window keeps it."""

    number: int
    key: tuple[str, str, int, str, int, str]
    kind: str
    requirements: Requirements
    unsent: int


class Ready(Protocol):
    """A ready task, as the backlog gives it."""

    @property
    def task_id(self) -> str:
        """Its id."""

    @property
    def queued_time(self) -> int:
        """When it was first ready."""

    @property
    def affinity_key(self) -> str:
        """Its affinity key."""

    @property
    def avoid(self) -> tuple[Avoided, ...]:
        """Agents that it must not go to for a while."""


def queue(value: Queue) -> Any:
    """A queue for the scheduler: whole."""
    return convert_queue.queue(value)


def group(value: Group) -> wire.TaskGroup:
    """A group for the scheduler."""
    namespace, name, priority, needs_id, _, fairness_key = value.key
    return wire.TaskGroup(
        id=value.number,
        namespace=namespace,
        queue=name,
        priority=priority,
        kind=value.kind,
        requirements=requirements(value.requirements),
        needs_id=needs_id,
        unsent=value.unsent,
        fairness_key=fairness_key,
        preferences=[preference(each) for each in value.requirements.preferences],
        run_time_limit_millis=value.requirements.run_limit_millis,
    )


def requirements(value: Requirements) -> task_pb2.Requirements:
    """A set of requirements for the wire."""
    return task_pb2.Requirements(
        capabilities=value.capabilities,
        resources=value.resources,
        selectors=map(convert_selector.message, value.selectors),
    )


def preference(value: Preference) -> task_pb2.Preference:
    """A preference for the wire."""
    return task_pb2.Preference(selector=convert_selector.message(value.selector), weight=value.weight)


def add_ready(request: wire.ScheduleRequest, group_id: int, tasks: Iterable[Ready]) -> None:
    """Adds ready tasks of one group."""
    add = request.ready.add(group_id=group_id).tasks.add
    for task in tasks:
        message = add(task_id=task.task_id, queued_time_micros=task.queued_time)
        if task.affinity_key:
            message.affinity_key = task.affinity_key
        for avoided in task.avoid:
            message.avoid.add(
                agent_id=avoided.agent_id, until_time=timestamp(avoided.until_time), if_others=avoided.if_others
            )


def agent(
    value: Agent, *, loads: Iterable[LeaseLoad] = (), warm_keys: Mapping[str, int] = NONE_WARM, last_grant_time: int = 0
) -> wire.SchedulableAgent:
    """An agent for the scheduler: whole, with its load by the last commit.

    `warm_keys` have the instants of their last use, and are empty if they are as they were told last. Instants are
    microseconds since 1970 UTC.
    """
    declared = value.declared
    labels: Mapping[str, str] = declared.labels
    message = wire.SchedulableAgent(
        namespace=value.namespace,
        agent_id=value.id,
        session=value.session,
        accepting=value.accepting,
        labels=labels,
        capabilities=declared.capabilities,
        kinds=declared.kinds,
        queues=declared.queues,
        slots=declared.slots,
        queue_limit=declared.queue_limit,
        resources=declared.resources,
        leases=value.leases,
        started=value.started,
        resources_used=value.resources_used,
        last_grant_micros=last_grant_time,
    )
    for load in loads:
        message.loads.add(queue=load.queue, priority=load.priority, fairness_key=load.fairness_key, leases=load.leases)
    for key, used_time in warm_keys.items():
        message.warm_keys.add(key=key, time_micros=used_time)
    return message


def outcome(value: PlacementOutcome) -> wire.PlacementOutcome.ValueType:
    """The outcome of a placement for the wire."""
    return wire.PlacementOutcome.ValueType(value)
