"""Reserved pools: which agents, or slots of theirs, are kept free for a lane and those above it.

A pool takes its agents from those of its namespace that no earlier pool has, the first by their ids; so an agent is
kept for one pool at most. Work that is not the pool's may use what is left of its agents' slots, and never their own
queues. What is idle is lent to short tasks, while no task of the pool waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from services.domain.capacity import AgentRecord, Capacity
from services.domain.policy import ReservedPool
from services.domain.requirements import selects
from services.domain.schedule import LeaseLoad

if TYPE_CHECKING:
    from services.domain.needs import Needs
    from services.domain.turns import QueueGate


class Pool:
    """One reserved pool. `shut` are the agents of which everything that is not kept is used up, one bit each."""

    __slots__ = ("gate", "lent_to", "members", "place", "rule", "shut")

    def __init__(self, gate: QueueGate, place: int, rule: ReservedPool) -> None:
        self.gate = gate
        self.place = place
        self.rule = rule
        self.members = 0
        self.shut = 0
        # The free agents of it that borrowers were last woken for.
        self.lent_to = 0

    def owns(self, needs: Needs) -> bool:
        """Whether it is kept for tasks with these needs."""
        return needs.gate is self.gate and needs.lane_place <= self.place

    def counts(self, load: LeaseLoad) -> bool:
        """Whether these leases are of its lanes."""
        return load.queue == self.gate.queue and self.gate.policy.lane_of(load.priority) <= self.place

    @property
    def wanted(self) -> bool:
        """Whether a task that it is kept for waits, and some agent may be free for it."""
        return any(lane.head() is not None for lane in self.gate.lanes[: self.place + 1])

    def lends_to(self, needs: Needs) -> bool:
        """Whether tasks with these needs are short enough to borrow from it."""
        return 0 < needs.run_limit_micros <= self.rule.give_back_micros

    def refresh(self, record: AgentRecord) -> bool:
        """Look anew at what is left of an agent for others. Whether there has come to be something."""
        others = record.used - record.own
        shut = others >= record.agent.slots - record.kept
        if shut == bool(self.shut & record.bit):
            return False
        self.shut ^= record.bit
        return not shut


class Pools:
    """The pools of all queues, by namespace."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._of: dict[str, list[Pool]] = {}
        # Namespaces whose agents have to be dealt out anew.
        self._stale: set[str] = set()

    def configure(self, gate: QueueGate) -> None:
        """Take in the lanes of a queue, as they are configured now."""
        pools = [pool for pool in self._of.get(gate.namespace, []) if pool.gate is not gate]
        pools += [
            Pool(gate, place, lane.reserved)
            for place, lane in enumerate(gate.policy.lanes)
            if lane.reserved is not None
        ]
        pools.sort(key=lambda pool: (pool.gate.queue, pool.place))
        if pools or gate.namespace in self._of:
            self._stale.add(gate.namespace)
        self._of[gate.namespace] = pools
        if not pools:
            del self._of[gate.namespace]

    def foreign_to(self, needs: Needs) -> tuple[Pool, ...]:
        """The pools of the namespace that are not kept for these needs."""
        return tuple(pool for pool in self._of.get(needs.namespace, ()) if not pool.owns(needs))

    def note_agent(self, namespace: str) -> None:
        """An agent of the namespace has come, gone, or says other things of itself."""
        if namespace in self._of:
            self._stale.add(namespace)

    def deal(self) -> set[str]:
        """Deal the agents out where something has changed. The namespaces where it did."""
        dealt, self._stale = self._stale, set()
        for namespace in dealt:
            self._deal(namespace)
        return dealt

    def _deal(self, namespace: str) -> None:
        records = [record for record in self._capacity.by_key.values() if record.agent.namespace == namespace]
        for record in records:
            record.pool, record.kept, record.own = None, 0, 0
            record.own_reserved = 0
        for pool in self._of.get(namespace, ()):
            pool.members = pool.shut = pool.lent_to = 0
            for record in _chosen(pool.rule, records):
                record.pool = pool
                slots = record.agent.slots
                record.kept = min(pool.rule.slots_per_agent, slots) if pool.rule.slots_per_agent else slots
                pool.members |= record.bit
                self.recount(record)

    def recount(self, record: AgentRecord) -> None:
        """Count the leases of an agent that are its pool's anew: it was told again."""
        pool = record.pool
        if pool is not None:
            record.own = record.own_reserved + sum(load.leases for load in record.agent.loads if pool.counts(load))

    def lending(self) -> Iterator[Pool]:
        """The pools that lend, and have something idle that nobody was woken for."""
        for pools in self._of.values():
            for pool in pools:
                if not pool.rule.give_back_micros:
                    continue
                free = 0 if pool.wanted else pool.shut & self._capacity.ready
                before, pool.lent_to = pool.lent_to, free
                if free & ~before:
                    yield pool

    @property
    def exist(self) -> bool:
        """Whether there are any."""
        return bool(self._of)

    def all_of(self, namespace: str) -> list[Pool]:
        """The pools of a namespace, the first ones first."""
        return self._of.get(namespace, [])


def _chosen(rule: ReservedPool, records: Iterable[AgentRecord]) -> list[AgentRecord]:
    """The agents that a pool takes, of those that no earlier one has."""
    fitting = [
        record
        for record in records
        if record.pool is None and all(selects(selector, record.agent.profile.labels) for selector in rule.selectors)
    ]
    fitting.sort(key=lambda record: record.agent.agent_id)
    return fitting[: rule.agents_max] if rule.agents_max else fitting
