"""Why tasks wait: the answer for a set of needs, and what is worth telling of it.

The answer is read off the indexes and costs no walk over agents or tasks. It is asked for when somebody wants it, never
while placing; `report` looks at a bounded number of needs with each call and goes round. What a person who asks about
one task is told is in `explain.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from services.domain.capacity import CLOSED, Capacity
from services.domain.needs import Needs
from services.domain.requirements import FilterReason, WaitReason
from services.domain.schedule import Unplaceable, UnplaceableReason
from services.domain.schedule_view import ScheduleView
from services.domain.turns import Group, QueueGate, Report

# In a busy fleet the counts change all the time; a report in which nothing else is new waits for so long.
COUNTS_REPORT_MICROS = 10_000_000

# Orders of tasks aside that are looked at for each set of needs: with affinity keys there may be very many.
ASIDES_LOOKED_AT_MAX = 100

# What a task waits for if agents were left out for several reasons: for those that need least to be able to run it.
_WAITS = (
    (FilterReason.QUEUE_PAUSED, WaitReason.QUEUE_PAUSED),
    (FilterReason.AVOIDED, WaitReason.AVOIDED),
    (FilterReason.NOT_WARM, WaitReason.AFFINITY),
    (FilterReason.RESERVED, WaitReason.RESERVED),
    (FilterReason.RESOURCES_FULL, WaitReason.RESOURCES),
    (FilterReason.SLOTS_FULL, WaitReason.SLOTS),
    (FilterReason.NOT_ACCEPTING, WaitReason.AGENTS_NOT_ACCEPTING),
)


def wait_of(reasons: Sequence[UnplaceableReason]) -> WaitReason:
    """What tasks wait for that agents were left out for these reasons; NONE if there are none."""
    found = {reason.reason for reason in reasons}
    for reason, wait in _WAITS:
        if reason in found:
            return wait
    return WaitReason.NO_AGENT if found else WaitReason.NONE


def held_back(gate: QueueGate, key: str) -> WaitReason:
    """What keeps tasks of this queue and fairness key, whoever is free: it is paused, or at a limit. NONE: nothing."""
    if gate.wait is WaitReason.NONE and gate.at_key_limit(key):
        return WaitReason.KEY_LIMIT
    return gate.wait


def reasons_against(needs: Needs, capacity: Capacity) -> tuple[UnplaceableReason, ...]:
    """Return the first reason against each agent of the namespace, counted. Empty: an agent is free for it."""
    if needs.free(capacity):
        return ()
    return left_out(needs, capacity) or (UnplaceableReason(FilterReason.NO_AGENT),)


def left_out(needs: Needs, capacity: Capacity) -> tuple[UnplaceableReason, ...]:
    """Return the first reason against each agent of the namespace that is not free for it, counted."""
    has_room = with_room(needs, capacity)
    counts = Counter({(reason, subject): agents for (reason, subject), agents in needs.mismatches.items()})
    counts[FilterReason.NOT_ACCEPTING, ""] = (needs.eligible & capacity.bands[CLOSED]).bit_count()
    counts[FilterReason.SLOTS_FULL, ""] = (needs.eligible & ~has_room & ~capacity.bands[CLOSED]).bit_count()
    counts[FilterReason.RESERVED, ""] = reserved(needs, capacity).bit_count()
    for index, missing in needs.shut.items():
        if capacity.record_at(index).bit & has_room:
            counts[FilterReason.RESOURCES_FULL, missing] += 1
    return tuple(
        UnplaceableReason(reason, subject, agents) for (reason, subject), agents in sorted(counts.items()) if agents
    )


def with_room(needs: Needs, capacity: Capacity) -> int:
    """The agents, one bit each, that have room for tasks of this queue: a slot, or a place in their own queue."""
    return capacity.roomy if needs.early else capacity.ready


def reserved(needs: Needs, capacity: Capacity) -> int:
    """The agents, one bit each, that could take a task with these needs if what they have left were not kept."""
    return needs.room(capacity) & ~needs.free(capacity)


def report(view: ScheduleView, now: int, *, needs_max: int) -> list[Unplaceable]:
    """Return what is new about groups that cannot be placed, of the next `needs_max` needs. Call it after `plan`.

    A group is reported if nothing of it was placed since its needs were looked at last, so that a group that only
    shares a busy fleet with others is not. One that was reported stays so until an agent is free for it or none of its
    tasks waits: a task that gets a slot now and then is no news.
    """
    unexplained = view.backlog.unexplained
    news: list[Unplaceable] = []
    for needs in list(islice(unexplained, needs_max)):
        del unexplained[needs]
        news.extend(_news_of(needs, view.capacity, now))
        if any(group.size or group.unsent or group.reported for group in needs.groups.values()):
            unexplained[needs] = None
    return news


def _news_of(needs: Needs, capacity: Capacity, now: int) -> Iterator[Unplaceable]:
    reasons = reasons_against(needs, capacity)
    asides = _groups_aside(needs)
    for group in needs.groups.values():
        found = _why(group, capacity, asides.get(group.id, WaitReason.NONE), reasons, now)
        fresh = None if group.placed and group.reported is None else found
        group.placed = False
        if _is_news(group, fresh):
            group.reported = fresh
            yield _told(group.id, fresh)


def _told(group_id: int, fresh: Report | None) -> Unplaceable:
    if fresh is None:
        return Unplaceable(group_id)
    return Unplaceable(group_id, fresh.reasons, fresh.never, fresh.wait)


def _why(
    group: Group, capacity: Capacity, aside: WaitReason, reasons: tuple[UnplaceableReason, ...], now: int
) -> Report | None:
    """Why a group waits; None if it does not, or nothing keeps it.

    What its queue does not let through would wait all the same if nobody can run it: then that is what is told.
    """
    needs = group.needs
    queued = group.tasks.first() is not None
    if not (queued or group.unsent or aside):
        return None
    held = held_back(needs.gate, group.fairness_key)
    if held is WaitReason.QUEUE_PAUSED:
        return Report(held, (UnplaceableReason(FilterReason.QUEUE_PAUSED),), False, now)
    if not needs.eligible:
        return Report(WaitReason.NO_AGENT, reasons, True, now)
    if held:
        return Report(held, (), False, now)
    if aside and not queued:
        return Report(aside, _passed_over(needs, capacity, aside), False, now)
    return Report(wait_of(reasons), reasons, False, now) if reasons else None


def _groups_aside(needs: Needs) -> dict[int, WaitReason]:
    """The groups that have tasks aside, and what these wait for.

    Of many orders the first ones are looked at. What was told of a group stays as long as its needs have such tasks.
    """
    found: dict[int, WaitReason] = {}
    for orders, wait in ((needs.asides, WaitReason.AVOIDED), (needs.warm_asides, WaitReason.AFFINITY)):
        if not orders:
            continue
        for order in islice(orders.values(), ASIDES_LOOKED_AT_MAX):
            waiting = order.first()
            if waiting is not None:
                found[waiting.task.group_id] = wait
        for group in needs.groups.values():
            if group.size and group.reported is not None and group.reported.wait is wait:
                found.setdefault(group.id, wait)
    return found


def _passed_over(needs: Needs, capacity: Capacity, aside: WaitReason) -> tuple[UnplaceableReason, ...]:
    """Why tasks that wait for certain agents get none: those that are free are not the ones."""
    free = needs.free(capacity).bit_count()
    reason = FilterReason.AVOIDED if aside is WaitReason.AVOIDED else FilterReason.NOT_WARM
    return (*left_out(needs, capacity), *([UnplaceableReason(reason, "", free)] if free else []))


def _is_news(group: Group, fresh: Report | None) -> bool:
    said = group.reported
    if said is None or fresh is None:
        return said is not fresh
    if (said.wait, said.never) != (fresh.wait, fresh.never) or _subjects(said) != _subjects(fresh):
        return True
    return said.reasons != fresh.reasons and fresh.time - said.time >= COUNTS_REPORT_MICROS


def _subjects(said: Report) -> list[tuple[FilterReason, str]]:
    return [(reason.reason, reason.subject) for reason in said.reasons]
