"""Why one task waits, in full, for a person who asks.

It walks over agents and tasks, within bounds, and changes nothing. What is told of all groups, without being asked, is
in `unplaceable.py`; where tasks would go is tried out in `rehearsal.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice

import msgspec

from services.domain.capacity import AgentRecord, Capacity
from services.domain.needs import Group, Needs
from services.domain.policy import QueuePolicy
from services.domain.requirements import AgentProfile, FilterReason, Requirements, WaitReason, fits, selects
from services.domain.schedule import ReadyTask, TaskGroup, UnplaceableReason
from services.domain.schedule_view import ScheduleView
from services.domain.unplaceable import free_for, left_out, reasons_against, wait_of
from services.domain.wait_message import near_miss_message, wait_message

# Agents that are named since they lack least: the contract's limit. Enough to see what to change.
NEAR_MISSES_MAX = 10

# Agents and tasks that are looked at for one answer: some ten milliseconds, in which nothing is placed.
AGENTS_LOOKED_AT_MAX = 2_000
TASKS_LOOKED_AT_MAX = 10_000


class NearMiss(msgspec.Struct, frozen=True):
    """An agent and everything that it lacks."""

    agent_id: str
    lacks: tuple[UnplaceableReason, ...]


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a task waits, as the wire has it. `promote_time` is microseconds since 1970 UTC, 0 for "never"."""

    reason: WaitReason = WaitReason.NONE
    never: bool = False
    message: str = ""
    filtered: tuple[UnplaceableReason, ...] = ()
    agents: int = 0
    eligible: int = 0
    free: int = 0
    near_misses: tuple[NearMiss, ...] = ()
    lane: str = ""
    ahead: int = 0
    promote_time: int = 0


def find_group(view: ScheduleView, told: TaskGroup, task_id: str) -> Group | None:
    """The group of a task in the view: the one that it is in, or, if it is behind the window, the first like it."""
    waiting = view.tasks.get(task_id)
    if waiting is not None:
        return view.backlog.groups.get(waiting.task.group_id)
    for group in view.backlog.groups.values():
        needs = group.needs
        like = (needs.namespace, needs.queue, group.priority, needs.name[-1])
        if like == (told.namespace, told.queue, told.priority, told.needs_id):
            return group
    return None


def explain(view: ScheduleView, group: Group, task: ReadyTask, *, policy: QueuePolicy, now: int) -> Explanation:
    """Why a task of the group waits, or would wait; with NONE nothing is known that keeps it."""
    needs, capacity = group.needs, view.capacity
    avoided = _avoided(needs, capacity, task, now)
    free = 0 if needs.gate.closed else free_for(needs, capacity)
    filtered = left_out(needs, capacity) if free else reasons_against(needs, capacity)
    if free & avoided:
        filtered = (*filtered, UnplaceableReason(FilterReason.AVOIDED, "", (free & avoided).bit_count()))
    free &= ~avoided
    ahead = _ahead(view, group, task)
    lane = policy.lanes[policy.lane_of(group.priority)] if policy.lanes else None
    reason = wait_of(filtered) if not free else WaitReason.TURN if ahead else WaitReason.NONE
    misses = _near_misses(needs, capacity, free=free, avoided=avoided)
    return Explanation(
        reason=reason,
        never=not needs.eligible and not needs.gate.closed,
        message=_message(needs, reason, filtered, misses),
        filtered=filtered,
        agents=needs.eligible.bit_count() + sum(needs.mismatches.values()),
        eligible=needs.eligible.bit_count(),
        free=free.bit_count(),
        near_misses=misses,
        lane=lane.name if lane is not None else "",
        ahead=ahead,
        promote_time=task.queued_time + lane.max_wait_micros if lane is not None and lane.max_wait_micros else 0,
    )


def shortfalls(
    profile: AgentProfile, kind: str, *, queue: str, requirements: Requirements
) -> Iterator[UnplaceableReason]:
    """Everything that keeps the agent from ever running such a task: what `mismatch` gives the first of."""
    if kind not in profile.kinds:
        yield UnplaceableReason(FilterReason.KIND, kind)
    if profile.queues and queue not in profile.queues:
        yield UnplaceableReason(FilterReason.QUEUE, queue)
    for capability in requirements.capabilities:
        if capability not in profile.capabilities:
            yield UnplaceableReason(FilterReason.CAPABILITY, capability)
    for selector in requirements.selectors:
        if not selects(selector, profile.labels):
            yield UnplaceableReason(FilterReason.LABEL, selector.key)
    for name, amount in requirements.resources.items():
        if not fits(amount, declared=profile.resources.get(name, 0.0), used=0.0):
            yield UnplaceableReason(FilterReason.RESOURCE, name)


def _message(
    needs: Needs, reason: WaitReason, filtered: tuple[UnplaceableReason, ...], misses: tuple[NearMiss, ...]
) -> str:
    nearest = ""
    if reason is WaitReason.NO_AGENT and misses:
        nearest = near_miss_message(misses[0].agent_id, misses[0].lacks, queue=needs.queue)
    return wait_message(reason, filtered, queue=needs.queue, counted=True, nearest=nearest)


def _avoided(needs: Needs, capacity: Capacity, task: ReadyTask, now: int) -> int:
    """The agents, one bit each, that the task must not go to now."""
    bits = 0
    for avoided in task.avoid:
        record = capacity.by_key.get(f"{needs.namespace}/{avoided.agent_id}")
        if record is not None and avoided.until_time > now:
            bits |= record.bit
    return bits


def _ahead(view: ScheduleView, group: Group, task: ReadyTask) -> int:
    """How many tasks of the queue in the view, placed ones excluded, go before a task of this group by their order."""
    queue, namespace = group.needs.queue, group.needs.namespace
    ahead = 0
    looked_at = TASKS_LOOKED_AT_MAX
    for needs in view.backlog.needs.values():
        if needs.queue != queue or needs.namespace != namespace:
            continue
        for other in needs.groups.values():
            if other.priority < group.priority or looked_at <= 0:
                continue
            for waiting in islice(other.tasks, looked_at):
                looked_at -= 1
                same = waiting.task.task_id == task.task_id
                earlier = other.priority > group.priority or waiting.task.queued_time < task.queued_time
                ahead += earlier and not same
    return ahead


def _near_misses(needs: Needs, capacity: Capacity, *, free: int, avoided: int) -> tuple[NearMiss, ...]:
    """The agents that lack least, of those that were looked at: those that meet the requirements are among them."""
    able = (record for record in _records(needs.eligible & ~free, capacity))
    unable = (
        record
        for record in capacity.by_key.values()
        if record.agent.namespace == needs.namespace and not record.bit & needs.eligible
    )
    looked_at = islice(chain(able, unable), AGENTS_LOOKED_AT_MAX)
    misses = [NearMiss(record.agent.agent_id, tuple(_lacks(needs, record, avoided))) for record in looked_at]
    misses = [miss for miss in misses if miss.lacks]  # of a closed queue, others lack nothing
    return tuple(sorted(misses, key=lambda miss: (len(miss.lacks), miss.agent_id))[:NEAR_MISSES_MAX])


def _records(bits: int, capacity: Capacity) -> Iterable[AgentRecord]:
    while bits:
        record = capacity.record_at(bits.bit_length() - 1)
        bits ^= record.bit
        yield record


def _lacks(needs: Needs, record: AgentRecord, avoided: int) -> Iterator[UnplaceableReason]:
    """Everything that keeps one agent from running such a task: for good, and now."""
    agent = record.agent
    yield from shortfalls(agent.profile, needs.kind, queue=needs.queue, requirements=needs.requirements)
    if not agent.accepting:
        yield UnplaceableReason(FilterReason.NOT_ACCEPTING)
    elif not record.slots_free:
        yield UnplaceableReason(FilterReason.SLOTS_FULL)
    for name, amount in needs.resources.items():
        declared = agent.profile.resources.get(name, 0.0)
        if fits(amount, declared=declared, used=0.0) and not fits(
            amount, declared=declared, used=record.held.get(name, 0.0)
        ):
            yield UnplaceableReason(FilterReason.RESOURCES_FULL, name)
    if record.bit & avoided:
        yield UnplaceableReason(FilterReason.AVOIDED)
