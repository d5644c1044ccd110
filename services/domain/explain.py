"""Why one task waits, in full, for a person who asks.

It walks over agents and tasks, within bounds, and changes nothing. What is told of all groups, without being asked, is
in `unplaceable.py`; where tasks would go is tried out in `rehearsal.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import NamedTuple

import msgspec

from services.domain.capacity import CLOSED, AgentRecord, Capacity
from services.domain.needs import Needs
from services.domain.placement import best_for, shunned_by, wait_until
from services.domain.requirements import FilterReason, WaitReason, fits, mismatches
from services.domain.schedule import ReadyTask, TaskGroup, UnplaceableReason
from services.domain.schedule_view import ScheduleView
from services.domain.task_order import Place
from services.domain.turns import Group
from services.domain.unplaceable import held_back, left_out, reasons_against, reserved, wait_of, with_room
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
    return next((group for group in view.backlog.groups.values() if _alike(group.told) == _alike(told)), None)


def _alike(told: TaskGroup) -> tuple[str, str, int, str, str]:
    return (told.namespace, told.queue, told.priority, told.needs_id, told.fairness_key)


def explain(view: ScheduleView, group: Group, task: ReadyTask, *, now: int) -> Explanation:
    """Why a task of the group waits, or would wait; with NONE nothing is known that keeps it."""
    needs, capacity, policy = group.needs, view.capacity, group.needs.gate.policy
    held = held_back(needs.gate, group.fairness_key)
    passed = _passed_over(view, needs, task, now)
    free = 0 if held else needs.free(capacity) & ~passed.avoided & ~passed.cold
    filtered = _filtered(needs, capacity, passed, held)
    ahead = _ahead(view, group, task)
    if free:
        reason = WaitReason.TURN if ahead else WaitReason.NONE
    else:
        reason = _reason(needs, filtered, held, aside=_aside(view, task, passed))
    misses = _near_misses(needs, capacity, free=free, passed=passed)
    lane = policy.lanes[needs.lane_place] if policy.lanes else None
    return Explanation(
        reason=reason,
        never=not needs.eligible and held is not WaitReason.QUEUE_PAUSED,
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


class PassedOver(NamedTuple):
    """Agents, one bit each, that are not for one task, whatever is free on them: it avoids them, or waits for warm."""

    avoided: int
    cold: int
    waits_for_best: bool


def _passed_over(view: ScheduleView, needs: Needs, task: ReadyTask, now: int) -> PassedOver:
    active = [avoided for avoided in task.avoid if avoided.until_time > now]
    avoided = shunned_by(view, needs, active) if active else 0
    best = best_for(view, needs, task.affinity_key, now)[1] & ~avoided
    until_time = wait_until(needs.gate.policy.affinity, task.queued_time, now)
    waits = bool(best & ~view.capacity.bands[CLOSED]) and until_time > now
    return PassedOver(avoided, needs.eligible & ~best & ~avoided if waits else 0, waits)


def _filtered(needs: Needs, capacity: Capacity, passed: PassedOver, held: WaitReason) -> tuple[UnplaceableReason, ...]:
    """The first reason against each agent, counted; of a paused queue there is but one."""
    if held is WaitReason.QUEUE_PAUSED:
        return (UnplaceableReason(FilterReason.QUEUE_PAUSED),)
    free = needs.free(capacity)
    if not free:
        return reasons_against(needs, capacity)
    for_others = (
        UnplaceableReason(FilterReason.AVOIDED, "", (free & passed.avoided).bit_count()),
        UnplaceableReason(FilterReason.NOT_WARM, "", (free & passed.cold).bit_count()),
    )
    return (*left_out(needs, capacity), *(each for each in for_others if each.agents))


def _reason(
    needs: Needs, filtered: tuple[UnplaceableReason, ...], held: WaitReason, *, aside: WaitReason
) -> WaitReason:
    """What a task waits for that nobody is free for. That nobody can run it is more than that its queue is at a limit.

    It is what is told of its group: one that was put aside waits for the same, whether others are free or not.
    """
    if held is WaitReason.QUEUE_PAUSED:
        return held
    if not needs.eligible:
        return WaitReason.NO_AGENT
    return held or aside or wait_of(filtered)


def _aside(view: ScheduleView, task: ReadyTask, passed: PassedOver) -> WaitReason:
    """What a task was put aside for; NONE if it was not."""
    waiting = view.tasks.get(task.task_id)
    if waiting is None or waiting.place is not Place.ASIDE:
        return WaitReason.NONE
    return WaitReason.AFFINITY if passed.waits_for_best else WaitReason.AVOIDED


def _message(
    needs: Needs, reason: WaitReason, filtered: tuple[UnplaceableReason, ...], misses: tuple[NearMiss, ...]
) -> str:
    nearest = ""
    if reason is WaitReason.NO_AGENT and misses:
        nearest = near_miss_message(misses[0].agent_id, misses[0].lacks, queue=needs.queue)
    return wait_message(reason, filtered, queue=needs.queue, counted=True, nearest=nearest)


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


def _near_misses(needs: Needs, capacity: Capacity, *, free: int, passed: PassedOver) -> tuple[NearMiss, ...]:
    """The agents that lack least, of those that were looked at: those that meet the requirements are among them."""
    able = capacity.records_of(needs.eligible & ~free)
    unable = (
        record
        for record in capacity.by_key.values()
        if record.agent.namespace == needs.namespace and not record.bit & needs.eligible
    )
    looked_at = islice(chain(able, unable), AGENTS_LOOKED_AT_MAX)
    misses = [NearMiss(record.agent.agent_id, tuple(_lacks(needs, capacity, record, passed))) for record in looked_at]
    misses = [miss for miss in misses if miss.lacks]  # if it is the queue that keeps it, others lack nothing
    return tuple(sorted(misses, key=lambda miss: (len(miss.lacks), miss.agent_id))[:NEAR_MISSES_MAX])


def _lacks(needs: Needs, capacity: Capacity, record: AgentRecord, passed: PassedOver) -> Iterator[UnplaceableReason]:
    """Everything that keeps one agent from running such a task: for good, and now."""
    profile = record.agent.profile
    for found in mismatches(profile, needs.kind, queue=needs.queue, requirements=needs.requirements):
        yield UnplaceableReason(found.reason, found.subject)
    if record.bit & capacity.bands[CLOSED]:
        yield UnplaceableReason(FilterReason.NOT_ACCEPTING)
    elif not record.bit & with_room(needs, capacity):
        yield UnplaceableReason(FilterReason.SLOTS_FULL)
    yield from _in_use(needs, record)
    for reason, bits in (
        (FilterReason.RESERVED, reserved(needs, capacity)),
        (FilterReason.AVOIDED, passed.avoided),
        (FilterReason.NOT_WARM, passed.cold),
    ):
        if record.bit & bits:
            yield UnplaceableReason(reason)


def _in_use(needs: Needs, record: AgentRecord) -> Iterator[UnplaceableReason]:
    """The resources that it has, and that are in use."""
    for name, amount in needs.resources.items():
        declared = record.agent.profile.resources.get(name, 0.0)
        able = fits(amount, declared=declared, used=0.0)
        if able and not fits(amount, declared=declared, used=record.held.get(name, 0.0)):
            yield UnplaceableReason(FilterReason.RESOURCES_FULL, name)
