"""Standing placements: which agents new tasks of a group may go to without being asked about.

They save a task the way to the scheduler and back, and a commit. They are made only while nothing waits that could use
the same agents, and taken back as soon as something does: then the order of the waiting decides, which only `plan`
knows. They reserve nothing; the coordinator's transaction judges each grant, and so a group is only offered agents that
the same coordinator holds the streams of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from services.domain.capacity import CLOSED, LEVELS, Capacity
from services.domain.needs import Needs
from services.domain.schedule_view import ScheduleView
from services.domain.turns import Group

# Agents of one offer, by the contract: enough to spread work over, few enough to say again when loads change.
AGENTS_MAX = 32

# Groups of a stream that have an offer: the newest. The tasks of the others go the long way, which is right, too.
GROUPS_MAX = 64

# Sets of needs with waiting tasks that are looked at. Where more wait, there is no room to give away in advance.
WAITING_MAX = 64

# Offers follow the agents' loads no more often than this; one that must not stand any longer is withdrawn at once.
REVISE_INTERVAL_MICROS = 20_000


class Standing(msgspec.Struct, frozen=True):
    """An offer: agents by id with their sessions. None of them: the offer is withdrawn."""

    group_id: int
    agents: tuple[tuple[str, int], ...] = ()


class StandingOffers:
    """What was offered, to all streams, and what has to be said now."""

    def __init__(self) -> None:
        self._said: dict[int, Standing] = {}
        self._due = 0
        self._contested = 0

    def revise(self, view: ScheduleView, now: int) -> list[Standing]:
        """Return the offers that differ from what was said. Call it after `plan`."""
        before, self._contested = self._contested, contested(view)
        free = ~self._contested
        news = list(self._withdrawn(view, free))
        if now >= self._due or before & free:
            self._due = now + REVISE_INTERVAL_MICROS
            newest = list(newest_groups(view))
            news += self._outdated({group.id for group in newest})
            news += self._changed(offer(group, view.capacity, free) for group in newest)
        for standing in news:
            self._remember(standing)
        return news

    def next_time(self) -> int:
        """When offers may follow the loads again."""
        return self._due

    def _withdrawn(self, view: ScheduleView, free: int) -> Iterator[Standing]:
        """The offers that must not stand: a group that is gone, an agent that is, or that others wait for."""
        for group_id, said in self._said.items():
            group = view.backlog.groups.get(group_id)
            if group is None or not still_stands(said, group, view.capacity, free):
                yield Standing(group_id)

    def _outdated(self, newest: set[int]) -> Iterator[Standing]:
        """The offers of groups that are not among the newest any more: nobody would keep them up to date."""
        return (Standing(group_id) for group_id in self._said if group_id not in newest)

    def _changed(self, offers: Iterable[Standing]) -> Iterator[Standing]:
        for standing in offers:
            if self._said.get(standing.group_id, Standing(standing.group_id)) != standing:
                yield standing

    def _remember(self, standing: Standing) -> None:
        if standing.agents:
            self._said[standing.group_id] = standing
        else:
            self._said.pop(standing.group_id, None)


def newest_groups(view: ScheduleView) -> Iterator[Group]:
    """The groups that offers are made for: of each stream the newest ones."""
    for groups in view.backlog.groups_of.values():
        yield from islice(reversed(groups.values()), GROUPS_MAX)


def contested(view: ScheduleView) -> int:
    """The agents, one bit each, that some waiting task may run on."""
    unexplained = view.backlog.unexplained
    if len(unexplained) > WAITING_MAX:
        return -1
    bits = 0
    for needs in unexplained:
        if has_waiting(needs) and not needs.gate.closed:  # a closed queue takes no agent from anybody
            bits |= needs.eligible
    return bits


def has_waiting(needs: Needs) -> bool:
    """Whether a task with these needs waits, here or behind the window; one that was just proposed does not."""
    return bool(needs.asides or needs.warm_asides) or any(
        group.unsent or group.tasks.first() is not None for group in needs.groups.values()
    )


def usable(group: Group, capacity: Capacity, free: int) -> int:
    """The agents that may be offered: of the same stream, eligible, accepting, kept for nobody, nobody waits for them.

    They may be full just now. Where more decides than who is free, nothing is offered.
    """
    needs = group.needs
    if needs.gate.closed or needs.tiers or not needs.gate.policy.is_plain:
        return 0
    bits = needs.open & free & ~capacity.bands[CLOSED] & capacity.told_by.get(group.source, 0)
    for pool in needs.foreign:
        bits &= ~pool.members
    return bits


def still_stands(said: Standing, group: Group, capacity: Capacity, free: int) -> bool:
    """Whether every agent of an offer may be offered still, on the same session."""
    bits = usable(group, capacity, free)
    for agent_id, session in said.agents:
        record = capacity.by_key.get(f"{group.needs.namespace}/{agent_id}")
        if record is None or not record.bit & bits or record.agent.session != session:
            return False
    return True


def offer(group: Group, capacity: Capacity, free: int) -> Standing:
    """The offer for a group: all usable agents if they are few, the least loaded of them otherwise."""
    bits = usable(group, capacity, free)
    if bits.bit_count() > AGENTS_MAX:
        bits = least_loaded(bits, capacity)
    agents = []
    while bits:
        record = capacity.record_at(bits.bit_length() - 1)
        bits ^= record.bit
        agents.append((record.agent.agent_id, record.agent.session))
    return Standing(group.id, tuple(agents))


def least_loaded(bits: int, capacity: Capacity) -> int:
    """So many of these agents as an offer holds, from the lowest levels of load."""
    chosen = 0
    for level in capacity.bands[:LEVELS]:
        candidates = level & bits
        while candidates and chosen.bit_count() < AGENTS_MAX:
            bit = 1 << (candidates.bit_length() - 1)
            candidates ^= bit
            chosen |= bit
    return chosen
