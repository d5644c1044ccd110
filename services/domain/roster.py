"""The agents of a view: what their coordinators say of them, and what follows from it for the tasks that wait.

An agent is of one stream, the one that told the highest session. Every change ends with `settle`, which puts the agents
that changed into their bands and wakes what they can now serve.
"""

from __future__ import annotations

from collections.abc import Iterable

from services.domain.backlog import Backlog
from services.domain.capacity import FULL, AgentRecord, Capacity
from services.domain.outstanding import Outstanding
from services.domain.schedule import LeaseLoad, SchedulableAgent
from services.domain.second_word import SecondWords
from services.domain.turns import Group, QueueGate
from services.domain.warm import WarmAgents


class Roster:
    """See the module."""

    def __init__(self, capacity: Capacity, backlog: Backlog) -> None:
        self._capacity = capacity
        self._backlog = backlog
        self.warm = WarmAgents()
        self._claims: SecondWords[SchedulableAgent] = SecondWords()
        # Agents whose load changed, and whether they were judged anew.
        self._unsettled: dict[AgentRecord, bool] = {}
        # Queues and keys of which leases came or went.
        self._recounted: dict[QueueGate, set[str]] = {}
        # Agents that have come, or take work again: work may be better off with them (`rebalance.py`).
        self.arrivals: dict[AgentRecord, None] = {}

    # What the coordinators say.

    def put(self, agent: SchedulableAgent, source: int) -> None:
        """Learn what a stream says of an agent."""
        record = self._capacity.by_key.get(agent.key)
        if record is None:
            record = self._capacity.add(agent, source=source)
            self._add_told(record, agent)
            self._judge(record)
        elif (record.source != source and not self._has_moved(record, agent, source=source)) or agent == record.agent:
            return
        else:
            self._replace(record, agent)
        self._unsettled.setdefault(record, False)

    def _has_moved(self, record: AgentRecord, agent: SchedulableAgent, *, source: int) -> bool:
        """Whether a further stream that tells of an agent has it now: the higher session counts.

        What the other says is remembered, in case that its word is the only one left.
        """
        if agent.session <= record.agent.session:
            self._claims.put(agent.key, source, said=agent)
            return False
        self._claims.drop(agent.key, source)
        self._claims.put(agent.key, record.source, said=record.agent)
        self._capacity.hand_over(record, source)
        return True

    def withdraw(self, key: str, source: int) -> None:
        """A stream says that an agent left, or ended. If another tells of it, it is that one's."""
        record = self._capacity.by_key.get(key)
        if record is None:
            return
        claims = self._claims.of(key)
        if record.source != source:
            self._claims.drop(key, source)
        elif not claims:
            self._remove(record)
        else:
            heir = max(claims, key=lambda claimant: claims[claimant].session)
            agent = claims[heir]
            self._claims.drop(key, heir)
            self._capacity.hand_over(record, heir)
            self._replace(record, agent)
            self._unsettled.setdefault(record, False)

    def remove_source(self, source: int) -> None:
        """Forget what a stream told that is over."""
        self._claims.drop_source(source)
        for key in [key for key, record in self._capacity.by_key.items() if record.source == source]:
            self.withdraw(key, source)

    def _replace(self, record: AgentRecord, agent: SchedulableAgent) -> None:
        old = record.agent
        if agent.session != old.session:
            record.void_reservations()
            record.refusals = 0
        record.refused = False
        if agent.accepting and not old.accepting:
            self.arrivals[record] = None
        if agent.loads != old.loads:
            self._count(old.namespace, old.loads, -1)
            self._count(agent.namespace, agent.loads, 1)
        if agent.warm_keys != old.warm_keys:
            self.warm.replace(record, dict(old.warm_keys), dict(agent.warm_keys))
        slots = agent.slots != old.slots
        if agent.profile is old.profile or agent.profile == old.profile:
            record.agent = agent
        else:
            self._dismiss(record)
            record.agent = agent
            self._judge(record)
        if slots:
            self._backlog.pools.note_agent(agent.namespace)
        self._backlog.pools.recount(record)

    def _add_told(self, record: AgentRecord, agent: SchedulableAgent) -> None:
        self._count(agent.namespace, agent.loads, 1)
        if agent.warm_keys:
            self.warm.replace(record, {}, dict(agent.warm_keys))

    def _judge(self, record: AgentRecord) -> None:
        for needs in self._backlog.needs.values():
            needs.admit(record)
        self._backlog.pools.note_agent(record.agent.namespace)
        self._unsettled[record] = True
        self.arrivals[record] = None

    def _dismiss(self, record: AgentRecord) -> None:
        for needs in self._backlog.needs.values():
            needs.dismiss(record)
        record.shut_by.clear()

    def _remove(self, record: AgentRecord) -> None:
        self._count(record.agent.namespace, record.agent.loads, -1)
        self.warm.forget(record)
        self._dismiss(record)
        namespace = record.agent.namespace
        if record.pool is not None:
            record.pool.shut &= ~record.bit
            record.pool.members &= ~record.bit
        self._capacity.remove(record)
        self._backlog.pools.note_agent(namespace)
        self._unsettled.pop(record, None)
        self.arrivals.pop(record, None)

    # What is leased.

    def reserve(self, group: Group, record: AgentRecord, *, affinity_key: str) -> None:
        """Take a slot and resources of an agent for a task of a group."""
        needs = group.needs
        record.reserve(needs.resources)
        if record.pool is not None:
            if record.pool.owns(needs):
                record.own += 1
                record.own_reserved += 1
            record.pool.refresh(record)
        self._capacity.move(record)
        if affinity_key:
            self.warm.expect(record, affinity_key)
        if needs.gate.takes_turns:
            needs.gate.count(needs.lane_place, group.fairness_key, 1)

    def release(self, known: Outstanding) -> bool:
        """Give back what a placement took. Whether the agent held it still."""
        _, group, record, voids, _ = known
        needs = group.needs
        if needs.gate.takes_turns:
            # By the group's priority: needs that were forgotten meanwhile have the place of another policy.
            needs.gate.count(needs.gate.policy.lane_of(group.priority), group.fairness_key, -1)
            self._recounted.setdefault(needs.gate, set()).add(group.fairness_key)
        if record.index >= 0 and known.waiting.task.affinity_key:
            self.warm.settle(record, known.waiting.task.affinity_key)
        if record.index < 0 or record.voids != voids:
            return False
        record.release(needs.resources)
        if record.own_reserved and record.pool is not None and record.pool.owns(needs):
            record.own -= 1
            record.own_reserved -= 1
        self._unsettled.setdefault(record, False)
        return True

    def _count(self, namespace: str, loads: Iterable[LeaseLoad], sign: int) -> None:
        for load in loads:
            gate = self._backlog.gate(namespace, load.queue)
            gate.count(gate.policy.lane_of(load.priority), load.fairness_key, sign * load.leases)
            self._recounted.setdefault(gate, set()).add(load.fairness_key)

    def recount(self, gate: QueueGate, outstanding: Iterable[Outstanding]) -> None:
        """Count the leases of a queue from the start: its policy is another one."""
        gate.usage = 0
        gate.key_usage.clear()
        for lane in gate.lanes:
            lane.usage.clear()
        for record in self._capacity.by_key.values():
            if record.agent.namespace == gate.namespace:
                self._count(gate.namespace, [load for load in record.agent.loads if load.queue == gate.queue], 1)
        for known in outstanding:
            if known.group.needs.gate is gate:
                gate.count(gate.policy.lane_of(known.group.priority), known.group.fairness_key, 1)
        self._recounted.setdefault(gate, set()).update(key for lane in gate.lanes for key in lane.turns)

    # What follows.

    def touch(self, record: AgentRecord) -> None:
        """The agent may be asked again."""
        self._unsettled.setdefault(record, False)

    def settle(self, outstanding: Iterable[Outstanding]) -> None:
        """Put the agents that changed into their bands, and wake the needs that they can now serve."""
        dealt = self._backlog.pools.deal()
        if dealt:
            self._deal(dealt, outstanding)
        for record, judged in self._unsettled.items():
            if record.index >= 0:
                self._settle(record, judged=judged)
        self._unsettled.clear()
        for namespace in dealt:
            self._backlog.wake_all(namespace)
        for gate, keys in self._recounted.items():
            for key in keys:
                self._backlog.line.relist_key(gate, key)
            self._backlog.line.relist_queue(gate)
        self._recounted.clear()

    def _deal(self, dealt: set[str], outstanding: Iterable[Outstanding]) -> None:
        """Agents were dealt out to pools: what is reserved on them counts for these, and all are looked at."""
        for _, group, record, voids, _ in outstanding:
            pool = record.pool
            if pool is not None and record.voids == voids and record.index >= 0 and pool.owns(group.needs):
                record.own += 1
                record.own_reserved += 1
        for record in self._capacity.by_key.values():
            if record.agent.namespace in dealt:
                self._unsettled.setdefault(record, False)

    def _settle(self, record: AgentRecord, *, judged: bool) -> None:
        record.refresh_held()
        reopened = self._reopen(record) if record.shut_by else 0
        got_room = self._capacity.move(record)
        if record.pool is not None and record.pool.refresh(record):
            got_room = True
        if record.band < FULL:
            self._backlog.wake(record, opened=record.needs_bits if got_room or judged else reopened)

    def _reopen(self, record: AgentRecord) -> int:
        reopened = [index for index in record.shut_by if self._backlog.needs[index].open_to(record)]
        if reopened:
            record.shut_by = [index for index in record.shut_by if index not in reopened]
        return sum(1 << index for index in reopened)
