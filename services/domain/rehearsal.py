"""Where tasks would go, tried out with `plan` itself on a view that is thrown away.

The view is made anew, of values that the real one holds: nothing that is tried in it can leave a trace in the real one.
It has the agents of one namespace, with what is reserved on them, and the tasks that wait in one queue; those of other
queues wait since nobody is free for them, or since their queue is closed. Both are bounded, so that the answer takes
some ten milliseconds however large the fleet is. Of more agents, those that could take the tasks come first; what is
counted is then counted among these.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from services.domain.capacity import AgentRecord, Capacity
from services.domain.explain import Explanation, explain
from services.domain.outstanding import Outstanding
from services.domain.placement import plan
from services.domain.policy import QueuePolicy
from services.domain.requirements import mismatch
from services.domain.schedule import (
    LeaseLoad,
    QueueRule,
    ReadyTask,
    SchedulableAgent,
    ScheduleChanges,
    TaskGroup,
    group_id_of,
    source_of,
)
from services.domain.schedule_view import ScheduleView
from services.domain.turns import QueueGate

# As many agents as tasks may be tried out.
AGENTS_MAX = 1_000
AGENTS_LOOKED_AT_MAX = 5_000
TASKS_MAX = 1_000

# What was placed a moment ago makes its agent warm, however the instants are told.
WARM_NOW = 2**63 - 1

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
    loads = _reserved_loads(view)
    agents = tuple(_loaded(record, loads.get(record, ())) for record in _agents(view.capacity, told))
    rules = (rule, *_rules_of_pools(view, told))
    trial.apply(ScheduleChanges(source=SOURCE, queues=rules, groups=(group,), agents=agents), now)
    _copy_rate(view.backlog.gates.get((told.namespace, told.queue)), trial.backlog.gate(told.namespace, told.queue))
    for changes in _waiting(view, told):
        trial.apply(changes, now)
    trial.apply(ScheduleChanges(source=SOURCE, ready=tuple(tasks)), now)
    placed = _placed(trial, tasks, now) if count else []
    first = tasks[min(len(placed), len(tasks) - 1)]
    if count and len(placed) == count:
        return Explanation(message=f"{'it' if count == 1 else f'all {count}'} would be placed now"), placed
    known = trial.backlog.groups[group.id]
    return explain(trial, known, first, now=now), placed


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


def _loaded(record: AgentRecord, reserved: Iterable[Outstanding]) -> SchedulableAgent:
    """An agent as it is, with what is reserved on it."""
    if not record.reserved and not record.refused:
        return record.agent
    agent = record.agent
    loads, warm_keys = list(agent.loads), dict(agent.warm_keys)
    for known in reserved:
        told = known.group.told
        loads.append(LeaseLoad(told.queue, told.priority, told.fairness_key, 1))
        if known.waiting.task.affinity_key:
            warm_keys[known.waiting.task.affinity_key] = WARM_NOW
    return msgspec.structs.replace(
        agent,
        accepting=agent.accepting and not record.refused,
        leases=agent.leases + record.reserved,
        resources_used=dict(record.held),
        loads=tuple(loads),
        warm_keys=warm_keys,
    )


def _reserved_loads(view: ScheduleView) -> dict[AgentRecord, list[Outstanding]]:
    """What is reserved on agents, by the placements whose results have not come."""
    found: dict[AgentRecord, list[Outstanding]] = {}
    for known in view.outstanding.values():
        if known.voids == known.record.voids:
            found.setdefault(known.record, []).append(known)
    return found


def _rules_of_pools(view: ScheduleView, told: TaskGroup) -> Iterator[QueueRule]:
    """The other queues of the namespace that keep agents for themselves."""
    gates = {pool.gate.queue: pool.gate for pool in view.backlog.pools.all_of(told.namespace)}
    for gate in gates.values():
        if gate.queue != told.queue:
            yield QueueRule(gate.namespace, gate.queue, policy=gate.policy)


def _copy_rate(real: QueueGate | None, trial: QueueGate) -> None:
    """What the rate limit of the queue lets through now, if it is the same one that is tried out."""
    if real is not None and real.policy.limits == trial.policy.limits:
        trial.tokens, trial.tokens_time, trial.rate_until = real.tokens, real.tokens_time, real.rate_until


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
            again = msgspec.structs.replace(group.told, unsent=0)
            yield ScheduleChanges(source=source_of(group.id), groups=(again,), ready=tasks)
