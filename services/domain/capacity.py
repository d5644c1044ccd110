"""The agents that a scheduler knows, and what is free on them.

Sets of agents are integers, one bit for each agent, so that "agents that may run this and are least loaded" is one AND
of two integers: about 0.1 µs for 10,000 agents. No list of agents is walked, copied or sorted to place a task, and an
agent whose load changes is moved in one place, however many kinds of tasks it may run. (A heap per set of requirements
was refused: with 200 of them each slot that frees up would be pushed 200 times.)

An agent is always in exactly one band: a level of load while it has a free slot, or FULL, or CLOSED. Levels are
sixteenths of its slots, exact for agents with up to 16. Which agents may run what is in `needs.py`.
"""

from __future__ import annotations

import heapq
from typing import Final

from services.domain.requirements import missing_resource
from services.domain.schedule import SchedulableAgent

LEVELS: Final = 16
FULL: Final = LEVELS
CLOSED: Final = LEVELS + 1


class AgentRecord:
    """An agent, what is reserved on it, and where the indexes have it. `index` is -1 once it has left."""

    __slots__ = (
        "agent",
        "band",
        "below",
        "bit",
        "held",
        "index",
        "needs_bits",
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

    @property
    def slots_free(self) -> int:
        """Slots that neither leases nor reservations hold. The room of its own queue is never used."""
        return max(0, self.agent.slots - self.agent.leases - self.reserved)

    def proper_band(self) -> int:
        """Where it belongs by its load."""
        agent = self.agent
        if self.refused or not agent.accepting:
            return CLOSED
        used = agent.leases + self.reserved
        return FULL if used >= agent.slots else used * LEVELS // agent.slots

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

    __slots__ = ("_vacant", "bands", "by_key", "ready", "records", "told_by")

    def __init__(self) -> None:
        self.by_key: dict[str, AgentRecord] = {}
        self.records: list[AgentRecord | None] = []
        self.bands = [0] * (CLOSED + 1)
        # Agents with a free slot: everything that is neither FULL nor CLOSED.
        self.ready = 0
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
        """Put the agent into its proper band. Whether it has just become ready."""
        band = record.proper_band()
        if band == record.band:
            return False
        was_ready = record.band < LEVELS
        self._leave_band(record)
        record.band = band
        self.bands[band] |= record.bit
        if band < LEVELS:
            self.ready |= record.bit
        return band < LEVELS and not was_ready

    def record_at(self, index: int) -> AgentRecord:
        """Return the agent with that bit."""
        record = self.records[index]
        assert record is not None, f"no agent has bit {index}"
        return record

    def _leave_source(self, record: AgentRecord) -> None:
        rest = self.told_by[record.source] ^ record.bit
        if rest:
            self.told_by[record.source] = rest
        else:
            del self.told_by[record.source]

    def _leave_band(self, record: AgentRecord) -> None:
        self.bands[record.band] ^= record.bit
        if record.band < LEVELS:
            self.ready ^= record.bit
