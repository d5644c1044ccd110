"""The agents that a scheduler knows, and what is free on them.

Sets of agents are integers, one bit for each agent, so that "agents that may run this and are least loaded" is one AND
of two integers: about 0.1 µs for 10,000 agents. No list of agents is walked, copied or sorted to place a task, and an
agent whose load changes is moved in one place, however many kinds of tasks it may run. (A heap per set of requirements
was refused: with 200 of them each slot that frees up would be pushed 200 times.)

An agent is always in exactly one band: a level of load while there is room, in a slot or in its own queue, or FULL, or
CLOSED. Levels are sixteenths of its slots, exact for agents with up to 16. Which agents may run what is in `needs.py`,
what of them is kept for whom in `pools.py`.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final

from services.domain.requirements import missing_resource
from services.domain.schedule import SchedulableAgent

if TYPE_CHECKING:
    from services.domain.pools import Pool

# Levels while a slot is free, and in all: beyond eight times its slots all loads count as the same.
LEVELS: Final = 16
LEVELS_MAX: Final = 8 * LEVELS
FULL: Final = LEVELS_MAX
CLOSED: Final = FULL + 1


class AgentRecord:
    """An agent, what is reserved on it, and where the indexes have it. `index` is -1 once it has left."""

    __slots__ = (
        "agent",
        "band",
        "below",
        "bit",
        "held",
        "index",
        "kept",
        "needs_bits",
        "own",
        "own_reserved",
        "pool",
        "refusals",
        "refused",
        "reserved",
        "reserved_resources",
        "shut_by",
        "source",
        "voids",
    )

    def __init__(self, agent: SchedulableAgent, index: int, source: int) -> None:
        self.agent = agent
        self.index = index
        # The stream that tells of it, and so gets its placements.
        self.source = source
        self.bit = 1 << index
        self.below = self.bit - 1
        self.band = CLOSED
        self.reserved = 0
        self.reserved_resources: dict[str, float] = {}
        # How often its reservations were voided: those of before are not given back.
        self.voids = 0
        # Resources that leases and reservations hold together.
        self.held: dict[str, float] = dict(agent.resources_used)
        # The sets of requirements that it meets, one bit each, and those for which it has too little left just now.
        self.needs_bits = 0
        self.shut_by: list[int] = []
        # The coordinator refused it against our expectation: no more proposals until it changes, or for a while.
        self.refused = False
        self.refusals = 0
        # The pool that some of its slots are kept for, how many, and what it holds of that pool: leases and
        # reservations, and of these the reservations.
        self.pool: Pool | None = None
        self.kept = 0
        self.own = 0
        self.own_reserved = 0

    @property
    def used(self) -> int:
        """What leases and reservations hold, in slots and in its own queue."""
        return self.agent.leases + self.reserved

    @property
    def slots_free(self) -> int:
        """Slots that neither leases nor reservations hold. The room of its own queue is not counted."""
        return max(0, self.agent.slots - self.used)

    def proper_band(self) -> int:
        """Where it belongs by its load."""
        agent = self.agent
        if self.refused or not agent.accepting:
            return CLOSED
        used = agent.leases + self.reserved
        slots = agent.slots
        if used < slots:
            return used * LEVELS // slots
        if used >= slots + agent.queue_limit or not slots:
            return FULL
        return min(used * LEVELS // slots, LEVELS_MAX - 1)

    def short_of(self, resources: dict[str, float]) -> str | None:
        """Return the first resource of which too little is left, None if all fit."""
        return missing_resource(resources, declared=self.agent.profile.resources, used=self.held)

    def reserve(self, resources: dict[str, float]) -> None:
        """Take one slot and the resources, until the placement's result."""
        self.reserved += 1
        for name, amount in resources.items():
            self.reserved_resources[name] = self.reserved_resources.get(name, 0.0) + amount
            self.held[name] = self.held.get(name, 0.0) + amount

    def release(self, resources: dict[str, float]) -> None:
        """Give back what `reserve` took. `held` is only right again after `refresh_held`."""
        self.reserved -= 1
        if not self.reserved:
            self.reserved_resources.clear()
            return
        for name, amount in resources.items():
            self.reserved_resources[name] -= amount

    def void_reservations(self) -> None:
        """Forget all reservations: they were made for a session that is over, where nothing is granted any more."""
        self.voids += 1
        self.reserved = 0
        self.own -= self.own_reserved
        self.own_reserved = 0
        self.reserved_resources.clear()

    def refresh_held(self) -> None:
        """Add up what leases and reservations hold."""
        if not self.held and not self.agent.resources_used:
            return  # Nearly always: nobody asks for resources. Reservations are in `held` from the start.
        self.held = dict(self.agent.resources_used)
        for name, amount in self.reserved_resources.items():
            self.held[name] = self.held.get(name, 0.0) + amount


class Capacity:
    """All agents, by key, by bit, by how loaded they are, and by the stream that tells of them."""

    __slots__ = ("_vacant", "bands", "by_key", "occupied", "ready", "records", "roomy", "told_by")

    def __init__(self) -> None:
        self.by_key: dict[str, AgentRecord] = {}
        self.records: list[AgentRecord | None] = []
        self.bands = [0] * (CLOSED + 1)
        # The bands that are not empty, one bit each.
        self.occupied = 0
        # Agents with a free slot, and agents with room in a slot or in their own queue.
        self.ready = 0
        self.roomy = 0
        self.told_by: dict[int, int] = {}
        self._vacant: list[int] = []

    def add(self, agent: SchedulableAgent, *, source: int) -> AgentRecord:
        """Take in a new agent. It is CLOSED until `move` is called."""
        if self._vacant:
            record = AgentRecord(agent, heapq.heappop(self._vacant), source)
            self.records[record.index] = record
        else:
            record = AgentRecord(agent, len(self.records), source)
            self.records.append(record)
        self.by_key[agent.key] = record
        self.told_by[source] = self.told_by.get(source, 0) | record.bit
        self.bands[CLOSED] |= record.bit
        self.occupied |= 1 << CLOSED
        return record

    def remove(self, record: AgentRecord) -> None:
        """Forget an agent; its bit will be another's."""
        self._leave_band(record)
        self._leave_source(record)
        del self.by_key[record.agent.key]
        self.records[record.index] = None
        heapq.heappush(self._vacant, record.index)
        record.index = -1

    def hand_over(self, record: AgentRecord, source: int) -> None:
        """Note that another stream tells of the agent from now on."""
        self._leave_source(record)
        record.source = source
        self.told_by[source] = self.told_by.get(source, 0) | record.bit

    def move(self, record: AgentRecord) -> bool:
        """Put the agent into its proper band. Whether it has just become ready, or got room in its own queue."""
        band = record.proper_band()
        before = record.band
        if band == before:
            return False
        self._leave_band(record)
        record.band = band
        bit = record.bit
        self.bands[band] |= bit
        self.occupied |= 1 << band
        if band < LEVELS:
            self.ready |= bit
            self.roomy |= bit
            return before >= LEVELS
        if band < FULL:
            self.roomy |= bit
            return before >= FULL
        return False

    def record_at(self, index: int) -> AgentRecord:
        """Return the agent with that bit."""
        record = self.records[index]
        assert record is not None, f"no agent has bit {index}"
        return record

    def records_of(self, bits: int) -> list[AgentRecord]:
        """Return the agents with these bits."""
        found = []
        while bits:
            record = self.record_at(bits.bit_length() - 1)
            bits ^= record.bit
            found.append(record)
        return found

    def _leave_source(self, record: AgentRecord) -> None:
        rest = self.told_by[record.source] ^ record.bit
        if rest:
            self.told_by[record.source] = rest
        else:
            del self.told_by[record.source]

    def _leave_band(self, record: AgentRecord) -> None:
        band = record.band
        rest = self.bands[band] ^ record.bit
        self.bands[band] = rest
        if not rest:
            self.occupied ^= 1 << band
        if band < FULL:
            self.roomy ^= record.bit
            if band < LEVELS:
                self.ready ^= record.bit
