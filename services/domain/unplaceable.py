"""Why tasks wait: the answer for a set of needs, and what is worth telling of it.

The answer is read off the indexes and costs no walk over agents or tasks. It is asked for when somebody wants it, never
while placing; `report` looks at a bounded number of needs with each call and goes round.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice

from services.domain.capacity import CLOSED, Capacity
from services.domain.needs import Needs
from services.domain.requirements import FilterReason
from services.domain.schedule import Unplaceable, UnplaceableReason
from services.domain.schedule_view import ScheduleView
from services.domain.turns import Group, Report

# In a busy fleet the counts change all the time; a report in which nothing else is new waits for so long.
COUNTS_REPORT_MICROS = 10_000_000


def reasons_against(needs: Needs, capacity: Capacity) -> tuple[UnplaceableReason, ...]:
    """Return the first reason against each agent of the namespace, counted. Empty: an agent is free for it.

    A closed queue is the only reason then, for no agent is asked.
    """
    if needs.gate.closed:
        return (UnplaceableReason(FilterReason.QUEUE_PAUSED),)
    free = needs.free(capacity)
    if free:
        return ()
    has_room = capacity.roomy if needs.early else capacity.ready
    counts = Counter({(reason, subject): agents for (reason, subject), agents in needs.mismatches.items()})
    counts[FilterReason.NOT_ACCEPTING, ""] = (needs.eligible & capacity.bands[CLOSED]).bit_count()
    counts[FilterReason.SLOTS_FULL, ""] = (needs.eligible & ~has_room & ~capacity.bands[CLOSED]).bit_count()
    counts[FilterReason.RESERVED, ""] = (needs.open & has_room).bit_count()
    for index, missing in needs.shut.items():
        if capacity.record_at(index).bit & has_room:
            counts[FilterReason.RESOURCES_FULL, missing] += 1
    reasons = [
        UnplaceableReason(reason, subject, agents) for (reason, subject), agents in sorted(counts.items()) if agents
    ]
    return tuple(reasons) or (UnplaceableReason(FilterReason.NO_AGENT),)


def report(view: ScheduleView, now: int, *, needs_max: int) -> list[Unplaceable]:
    """Return what is new about groups that cannot be placed, of the next `needs_max` needs. Call it after `plan`.

    A group is reported if nothing of it was placed since its needs were looked at last, so that a group that only
    shares a busy fleet with others is not.
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
        stands = bool(reasons) and not group.placed and group.tasks.first() is not None
        group.placed = False
        fresh = Report(reasons, never, now) if stands else None
        if _is_news(group, fresh):
            group.reported = fresh
            yield Unplaceable(group.id, reasons, never) if stands else Unplaceable(group.id)


def _is_news(group: Group, fresh: Report | None) -> bool:
    said = group.reported
    if said is None or fresh is None:
        return said is not fresh
    if said.never != fresh.never or _subjects(said) != _subjects(fresh):
        return True
    return said.reasons != fresh.reasons and fresh.time - said.time >= COUNTS_REPORT_MICROS


def _subjects(said: Report) -> list[tuple[FilterReason, str]]:
    return [(reason.reason, reason.subject) for reason in said.reasons]
