"""Where tasks would go, tried out with `plan` itself on a view that is thrown away.

The view is made anew, of values that the real one holds: nothing that is tried in it can leave a trace in the real one.
It has the agents of one namespace, with what is reserved on them, and the tasks that wait in one queue; those of other
queues wait since nobody is free for them, or since their queue is closed. Both are bounded, so that the answer takes
some ten milliseconds however large the fleet is. Of more agents, those that could take the tasks come first; what is
counted is then counted among these.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import msgspec

from services.domain.capacity import AgentRecord, Capacity
from services.domain.explain import Explanation, explain
from services.domain.placement import plan
from services.domain.policy import QueuePolicy
from services.domain.requirements import mismatch
from services.domain.schedule import (
    QueueRule,
    ReadyTask,
    SchedulableAgent,
    ScheduleChanges,
    TaskGroup,
    group_id_of,
    source_of,
)
from services.domain.schedule_view import ScheduleView

# As many agents as tasks may be tried out.
AGENTS_MAX = 1_000
AGENTS_LOOKED_AT_MAX = 5_000
TASKS_MAX = 1_000

# The stream that tells of what is tried out, and its group's number: no coordinator's stream has them.
SOURCE = 0
NUMBER = 2**64 - 1


class Simulated(msgspec.Struct, frozen=True):
    """Where a simulated task went, and how many leases the agent has after that."""

    agent_id: str
    leases: int


def rehearse(
    view: ScheduleView, told: TaskGroup, task: ReadyTask, *, policy: QueuePolicy, count: int, now: int
) -> tuple[Explanation, list[Simulated]]:
    """Place `count` such tasks, behind those that wait, and say why the first one that was not placed waits.

    If all were placed, it says that nothing keeps them. The queue is taken for open. With a count of 0 nothing is
    placed, and it says why one would wait.
    """
    group = msgspec.structs.replace(told, id=group_id_of(SOURCE, NUMBER), unsent=0)
    tasks = [
        ReadyTask(group.id, f"{SOURCE}:{number}", task.queued_time, task.avoid, task.affinity_key)
        for number in range(max(count, 1))
    ]
    trial = ScheduleView()
    rule = QueueRule(told.namespace, told.queue, policy=policy)
    agents = tuple(_loaded(record) for record in _agents(view.capacity, told))
    trial.apply(ScheduleChanges(source=SOURCE, queues=(rule,), groups=(group,), agents=agents), now)
    for changes in _waiting(view, told):
        trial.apply(changes, now)
    trial.apply(ScheduleChanges(source=SOURCE, ready=tuple(tasks)), now)
    placed = _placed(trial, tasks, now) if count else []
    first = tasks[min(len(placed), len(tasks) - 1)]
    if count and len(placed) == count:
        return Explanation(message=f"{'it' if count == 1 else f'all {count}'} would be placed now"), placed
    known = trial.backlog.groups[group.id]
    return explain(trial, known, first, policy=policy, now=now), placed


def _placed(trial: ScheduleView, tasks: list[ReadyTask], now: int) -> list[Simulated]:
    """Where the simulated tasks went, in order, among those that wait in front of them."""
    ours = {task.task_id for task in tasks}
    placements = plan(trial, now, placements_max=len(trial.tasks))
    leases: dict[str, int] = {}
    found = []
    for placement in placements:
        agent_id = placement.agent_id
        if agent_id not in leases:
            leases[agent_id] = trial.capacity.by_key[f"{placement.namespace}/{agent_id}"].agent.leases
        leases[agent_id] += 1
        if placement.task_id in ours:
            found.append(Simulated(agent_id, leases[agent_id]))
    return found


def _agents(capacity: Capacity, told: TaskGroup) -> list[AgentRecord]:
    """The agents of the namespace, the least loaded first; if there are too many, those that could run the tasks."""
    found = (record for record in _by_load(capacity) if record.agent.namespace == told.namespace)
    looked_at = list(islice(found, AGENTS_LOOKED_AT_MAX))
    if len(looked_at) > AGENTS_MAX:
        looked_at.sort(key=lambda record: not _is_able(record, told))
    return looked_at[:AGENTS_MAX]


def _by_load(capacity: Capacity) -> Iterator[AgentRecord]:
    for band in capacity.bands:
        bits = band
        while bits:
            record = capacity.record_at(bits.bit_length() - 1)
            bits ^= record.bit
            yield record


def _is_able(record: AgentRecord, told: TaskGroup) -> bool:
    return mismatch(record.agent.profile, told.kind, queue=told.queue, requirements=told.requirements) is None


def _loaded(record: AgentRecord) -> SchedulableAgent:
    """An agent as it is, with what is reserved on it."""
    if not record.reserved and not record.refused:
        return record.agent
    return msgspec.structs.replace(
        record.agent,
        accepting=record.agent.accepting and not record.refused,
        leases=record.agent.leases + record.reserved,
        resources_used=dict(record.held),
    )


def _waiting(view: ScheduleView, told: TaskGroup) -> Iterator[ScheduleChanges]:
    """The groups of the queue with waiting tasks, by the streams that told of them, and the tasks."""
    room = TASKS_MAX
    for group in view.backlog.groups.values():
        needs = group.needs
        if needs.queue != told.queue or needs.namespace != told.namespace:
            continue
        tasks = tuple(waiting.task for waiting in islice(group.tasks, room))
        room -= len(tasks)
        if tasks:
            again = TaskGroup(
                id=group.id,
                namespace=needs.namespace,
                queue=needs.queue,
                priority=group.priority,
                kind=needs.kind,
                requirements=needs.requirements,
                needs_id=needs.name[-1],
            )
            yield ScheduleChanges(source=source_of(group.id), groups=(again,), ready=tasks)
