"""The agents of this coordinator as the scheduler knows them, and what it has not been told of them yet."""

from __future__ import annotations

from collections.abc import Iterable

from services.domain.agent import Agent, AgentKey


class AgentNews:
    """See the module. `urgent` says that more than the load of one of them changed."""

    def __init__(self, coordinator_id: str) -> None:
        self._coordinator_id = coordinator_id
        self._changed: set[AgentKey] = set()
        self.known: dict[AgentKey, Agent] = {}
        self.urgent = False

    def note(self, agents: Iterable[Agent]) -> None:
        """Notes changes. Agents are told of by the coordinator that holds their stream, or did and waits for them."""
        for agent in agents:
            before = self.known.get(agent.key)
            if agent.coordinator_id == self._coordinator_id and (agent.connected or agent.leases):
                self.known[agent.key] = agent
            elif self.known.pop(agent.key, None) is None:
                continue
            self._changed.add(agent.key)
            if before is None or before.session != agent.session or before.accepting != agent.accepting:
                self.urgent = True

    def take(self) -> list[tuple[AgentKey, Agent | None]]:
        """What is to be told: agents that changed; None for one that is not here any more."""
        changed = [(key, self.known.get(key)) for key in self._changed]
        self.discard()
        return changed

    def discard(self) -> None:
        """All of it was told, or will be with a snapshot."""
        self._changed.clear()
        self.urgent = False
