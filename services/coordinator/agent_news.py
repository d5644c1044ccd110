"""The agents of this coordinator as the scheduler knows them, and what it has not been told of them yet.

Agents are told of by the coordinator that holds their stream, and, while they hold leases, by the one that held it last
or has adopted them: what they hold counts against the limits of queues, also when they are away.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from services.coordinator.lease_book import LeaseBook
from services.coordinator.limits import MESSAGE_ITEMS_MAX
from services.coordinator.queue_book import QueueBook
from services.coordinator.tail import Foreign
from services.coordinator.warm_book import WarmBook
from services.domain.agent import Agent, AgentKey
from services.domain.commands import LeaseKey
from services.domain.queue import Queue
from services.domain.schedule import LeaseLoad
from services.domain.task import Task
from services.store.flush import Committed


class ToldAgent(msgspec.Struct, frozen=True):
    """An agent as it is told to the scheduler. `warm_keys`: when each was last used; empty for "as before"."""

    agent: Agent
    loads: Sequence[LeaseLoad] = ()
    warm_keys: Mapping[str, int] = {}
    last_grant_time: int = 0


class AgentNews:
    """See the module. `urgent` says that more than the load of one of them changed."""

    def __init__(self, coordinator_id: str, queues: QueueBook) -> None:
        self._coordinator_id = coordinator_id
        self._queues = queues
        self._changed: set[AgentKey] = set()
        self.known: dict[AgentKey, Agent] = {}
        self.leases = LeaseBook()
        self.warm = WarmBook(queues)
        self.urgent = False
        # Asks an agent, on that session, to give leases back that it has not started.
        self.on_recall: Callable[[AgentKey, int, list[LeaseKey]], None] = lambda _key, _session, _leases: None

    def on_committed(self, committed: Committed) -> None:
        """Notes what a commit changed."""
        self._note(committed.agents, committed.holdings)
        self.leases.note(committed.tasks.values())
        self.warm.on_committed(committed)
        self._note_queues(committed.queues)

    def on_foreign(self, foreign: Foreign) -> None:
        """Notes what other coordinators changed."""
        self._note(foreign.agents, {})
        self.leases.note_elsewhere(foreign.events)
        self._note_queues(foreign.queues)

    def recall(self, key: AgentKey, session: int, *, queue: str, count: int) -> None:
        """Takes back the newest leases of a queue that the agent has not started, if it is still on that session.

        No more than one message takes: the scheduler sees what came of it and may ask for more.
        """
        agent = self.known.get(key)
        if agent is not None and agent.session == session:
            self.on_recall(key, session, self.leases.unstarted(key, queue, min(count, MESSAGE_ITEMS_MAX)))

    def take(self) -> list[tuple[AgentKey, ToldAgent | None]]:
        """What is to be told: agents that changed; None for one that is not here any more."""
        now = time.time_ns() // 1000
        agents = [(key, self.known.get(key)) for key in self._changed]
        told = [(key, None if agent is None else self._tell(agent, now)) for key, agent in agents]
        self._discard()
        return told

    def snapshot(self) -> list[ToldAgent]:
        """All agents, in an order that restarts do not change: turns go by it. What was to be told is part of it."""
        now = time.time_ns() // 1000
        self.warm.changed.update(self.known)
        told = [self._tell(self.known[key], now) for key in sorted(self.known)]
        self._discard()
        return told

    def _tell(self, agent: Agent, now: int) -> ToldAgent:
        key = agent.key
        warm = self.warm.keys(key, now) if key in self.warm.changed else None
        loads = self.leases.loads(key, self._queues.counts_leases)
        return ToldAgent(agent, loads, warm or {}, self.leases.last_grant_time(key))

    def _discard(self) -> None:
        self._changed.clear()
        self.warm.changed.clear()
        self.urgent = False

    def _note(self, agents: Iterable[Agent], holdings: Mapping[AgentKey, Sequence[Task]]) -> None:
        for agent in agents:
            before = self.known.get(agent.key)
            if self._is_here(agent, before, adopted=agent.key in holdings):
                self.known[agent.key] = agent
                self._note_arrival(agent, before, holdings.get(agent.key))
            elif self.known.pop(agent.key, None) is not None:
                self.leases.forget(agent.key)
                self.warm.forget(agent.key)
            else:
                continue
            self._changed.add(agent.key)
            if before is None or before.session != agent.session or before.accepting != agent.accepting:
                self.urgent = True

    def _is_here(self, agent: Agent, before: Agent | None, *, adopted: bool) -> bool:
        if agent.connected:
            return agent.coordinator_id == self._coordinator_id
        known = before is not None and before.session == agent.session
        return agent.leases > 0 and (adopted or known)

    def _note_arrival(self, agent: Agent, before: Agent | None, holdings: Sequence[Task] | None) -> None:
        if holdings is not None:
            self.leases.take(agent.key, holdings)
        if agent.connected and (before is None or before.session != agent.session):
            self.warm.connected(agent, holdings or ())

    def _note_queues(self, queues: Iterable[Queue]) -> None:
        """Another policy may count leases that were not counted before."""
        for queue in queues:
            self._changed.update(self.leases.holders_of(queue.key))
