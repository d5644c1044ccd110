"""Why tasks wait: the answer for a set of needs, and what is worth telling of it.

The answer is read off the indexes and costs no walk over agents or tasks. It is asked for when somebody wants it, never
while placing; `report` looks at a bounded number of needs with each call and goes round. What a person who asks about
one task is told is in `explain.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from services.domain.capacity import CLOSED, FULL, Capacity
from services.domain.needs import Group, Needs, Report
from services.domain.requirements import FilterReason, WaitReason
from services.domain.schedule import Unplaceable, UnplaceableReason
from services.domain.schedule_view import ScheduleView

# In a busy fleet the counts change all the time; a report in which nothing else is new waits for so long.
COUNTS_REPORT_MICROS = 10_000_000

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


def free_for(needs: Needs, capacity: Capacity) -> int:
    """The agents, one bit each, that could take a task with these needs now."""
    return needs.open & capacity.ready


def reasons_against(needs: Needs, capacity: Capacity) -> tuple[UnplaceableReason, ...]:
    """Return the first reason against each agent of the namespace, counted. Empty: an agent is free for it.

    A closed queue is the only reason then, for no agent is asked.
    """
    if needs.gate.closed:
        return (UnplaceableReason(FilterReason.QUEUE_PAUSED),)
    if free_for(needs, capacity):
        return ()
    return left_out(needs, capacity) or (UnplaceableReason(FilterReason.NO_AGENT),)


def left_out(needs: Needs, capacity: Capacity) -> tuple[UnplaceableReason, ...]:
    """Return the first reason against each agent of the namespace that is not free for it, counted."""
    counts = Counter({(reason, subject): agents for (reason, subject), agents in needs.mismatches.items()})
    counts[FilterReason.NOT_ACCEPTING, ""] = (needs.eligible & capacity.bands[CLOSED]).bit_count()
    counts[FilterReason.SLOTS_FULL, ""] = (needs.eligible & capacity.bands[FULL]).bit_count()
    for index, missing in needs.shut.items():
        if capacity.record_at(index).bit & capacity.ready:
            counts[FilterReason.RESOURCES_FULL, missing] += 1
    return tuple(
        UnplaceableReason(reason, subject, agents) for (reason, subject), agents in sorted(counts.items()) if agents
    )


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
    never = not needs.eligible and not needs.gate.closed
    for group in needs.groups.values():
        waits = group.tasks.first() is not None or group.unsent > 0
        stands = bool(reasons) and waits and not (group.placed and group.reported is None)
        group.placed = False
        fresh = Report(reasons, never, now) if stands else None
        if _is_news(group, fresh):
            group.reported = fresh
            yield Unplaceable(group.id, reasons, never, wait_of(reasons)) if stands else Unplaceable(group.id)


def _is_news(group: Group, fresh: Report | None) -> bool:
    said = group.reported
    if said is None or fresh is None:
        return said is not fresh
    if said.never != fresh.never or _subjects(said) != _subjects(fresh):
        return True
    return said.reasons != fresh.reasons and fresh.time - said.time >= COUNTS_REPORT_MICROS


def _subjects(said: Report) -> list[tuple[FilterReason, str]]:
    return [(reason.reason, reason.subject) for reason in said.reasons]
