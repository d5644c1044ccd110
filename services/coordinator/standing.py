"""Standing placements as the scheduler made them, and the choice of an agent for each new task that has one.

The choice is made when a submit is put into the journal's queue, from the agents' loads by the last commit and from
what was chosen since. The transaction judges it as it judges every placement; a task that it does not grant waits for
the scheduler like any other.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from services.coordinator.window import GroupKey
from services.domain.agent import Agent, AgentKey, fits
from services.domain.commands import NewTask, Placement

# How full agents are is told apart in sixteenths of their slots, as the scheduler does it. Of agents that are equally
# full the same one is chosen until the next commit: a message to one agent costs less than messages to two.
LEVELS = 16

# (its level, its place in the offer, slots in use, the agent)
Candidate = tuple[int, int, int, Agent]


class StandingPlacements:
    """See the module. `waits` tells whether a task of a group waits already: new ones must not overtake it."""

    def __init__(self, agents: Mapping[AgentKey, Agent], waits: Callable[[GroupKey], bool]) -> None:
        self._agents = agents
        self._waits = waits
        self._offers: dict[GroupKey, list[tuple[AgentKey, int]]] = {}
        self._chosen: Counter[AgentKey] = Counter()  # leases that were chosen and are not committed yet
        self._turn = 0

    def offer(self, group: GroupKey, agents: list[tuple[AgentKey, int]]) -> None:
        """Replaces what was offered for a group: agents with their sessions."""
        if agents:
            self._offers[group] = agents
        else:
            self._offers.pop(group, None)

    def withdraw_all(self) -> None:
        """Nobody is there any more who would withdraw an offer in time."""
        self._offers.clear()

    def choose(self, tasks: Sequence[NewTask], now: int) -> list[Placement | None]:
        """An agent for each of these tasks that may go to one at once, and holds its slot until `settle`."""
        if not self._offers:
            return []
        heaps: dict[GroupKey, list[Candidate]] = {}
        chosen: list[Placement | None] = []
        for task in tasks:
            key = (task.namespace, task.queue, task.priority, task.needs_id)
            heap = heaps.get(key)
            if heap is None:
                heap = heaps[key] = self._candidates(key, task)
            later = task.not_before_time > now or bool(task.affinity_key)
            chosen.append(None if later or not heap else self._take(heap, task))
        return chosen

    def settle(self, placements: Sequence[Placement | None], tasks: Sequence[NewTask]) -> None:
        """The tasks were written or refused: the loads tell the rest, and it is another agent's turn."""
        self._turn += 1
        for placement, task in zip(placements, tasks, strict=True):
            if placement is not None:
                key = (task.namespace, placement.agent_id)
                self._chosen[key] -= 1
                if not self._chosen[key]:
                    del self._chosen[key]

    def _candidates(self, group: GroupKey, task: NewTask) -> list[Candidate]:
        """The offered agents with a free slot, as a heap: the least full first, those of the same load in turn."""
        offered = self._offers.get(group)
        if offered is None or self._waits(group):
            return []
        heap: list[Candidate] = []
        for place, (key, session) in enumerate(offered):
            agent = self._agents.get(key)
            if agent is None or agent.session != session or not agent.accepting:
                continue
            used, slots = agent.leases + self._chosen[key], agent.declared.slots
            if used < slots and fits(agent, task.requirements.resources):
                heap.append((used * LEVELS // slots, (place + self._turn) % len(offered), used, agent))
        heapq.heapify(heap)
        return heap

    def _take(self, heap: list[Candidate], task: NewTask) -> Placement:
        """The least full agent; it comes back into the heap if it has another free slot."""
        _, place, used, agent = heap[0]
        slots = agent.declared.slots
        self._chosen[agent.key] += 1
        if used + 1 < slots:
            heapq.heapreplace(heap, ((used + 1) * LEVELS // slots, place, used + 1, agent))
        else:
            heapq.heappop(heap)
        return Placement(0, task.id, agent.id, agent.session)
