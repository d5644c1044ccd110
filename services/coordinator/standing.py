"""Standing placements as the scheduler made them, and the choice of an agent for each new task that has one.

The choice is made right before a submit is put into the journal's queue, from the agents' loads by the last commit and
from what was chosen since. The transaction judges it as it judges every placement; a task that it does not grant waits
for the scheduler like any other.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from services.coordinator.window import Group, LineKey
from services.domain.agent import Agent, AgentKey, fits
from services.domain.commands import NewTask, Placement

# How full agents are is told apart in sixteenths of their slots, as the scheduler does it. Of agents that are equally
# full the same one is chosen until the next commit: a message to one agent costs less than messages to two.
LEVELS = 16

# (its level, its place in the offer, slots in use, the agent)
Candidate = tuple[int, int, int, Agent]


class StandingPlacements:
    """See the module. `group_of` finds a group by its key: new tasks must not overtake one of it that waits.

    Offers are kept under the group's number, which is never used again: one for a group that was forgotten meanwhile
    cannot come back with the next group of that key.
    """

    def __init__(self, agents: Mapping[AgentKey, Agent], group_of: Callable[[LineKey], Group | None]) -> None:
        self._agents = agents
        self._group_of = group_of
        self._offers: dict[int, list[tuple[AgentKey, int]]] = {}
        self._chosen: Counter[AgentKey] = Counter()  # leases that were chosen and are not committed yet
        self._turn = 0

    def offer(self, number: int, agents: list[tuple[AgentKey, int]]) -> None:
        """Replaces what was offered for a group: agents with their sessions."""
        if agents:
            self._offers[number] = agents
        else:
            self._offers.pop(number, None)

    def withdraw_all(self) -> None:
        """Nobody is there any more who would withdraw an offer in time."""
        self._offers.clear()

    def choose(self, tasks: Sequence[NewTask], now: int) -> list[Placement | None]:
        """An agent for each of these tasks that may go to one at once. Nothing is held before `hold`."""
        if not self._offers:
            return []
        heaps: dict[LineKey, list[Candidate]] = {}
        taken: Counter[AgentKey] = Counter()
        chosen: list[Placement | None] = [None] * len(tasks)
        for index in by_priority(tasks):
            task = tasks[index]
            if task.not_before_time > now or task.affinity_key or task.depends_on:
                continue
            key = (task.namespace, task.queue, task.priority, task.needs_id, task.fairness_key)
            heap = heaps.get(key)
            if heap is None:
                heap = heaps[key] = self._candidates(key, task, taken)
            chosen[index] = self._take(heap, task, taken)
        return chosen

    def hold(self, placements: Sequence[Placement | None], tasks: Sequence[NewTask]) -> None:
        """The tasks are on their way to be written: holds their slots until `settle`."""
        for placement, task in zip(placements, tasks, strict=True):
            if placement is not None:
                self._chosen[(task.namespace, placement.agent_id)] += 1

    def settle(self, placements: Sequence[Placement | None], tasks: Sequence[NewTask]) -> None:
        """The tasks were written or refused: the loads tell the rest, and it is another agent's turn."""
        self._turn += 1
        for placement, task in zip(placements, tasks, strict=True):
            if placement is not None:
                key = (task.namespace, placement.agent_id)
                self._chosen[key] -= 1
                if not self._chosen[key]:
                    del self._chosen[key]

    def _candidates(self, key: LineKey, task: NewTask, taken: Counter[AgentKey]) -> list[Candidate]:
        """The offered agents with a free slot, as a heap: the least full first, those of the same load in turn."""
        group = self._group_of(key)
        offered = None if group is None or group.waits else self._offers.get(group.number)
        if offered is None:
            return []
        heap: list[Candidate] = []
        for place, (agent_key, session) in enumerate(offered):
            agent = self._agents.get(agent_key)
            if agent is None or agent.session != session or not agent.accepting:
                continue
            used, slots = self._used(agent, taken), agent.declared.slots
            if used < slots and fits(agent, task.requirements.resources):
                heap.append((used * LEVELS // slots, (place + self._turn) % len(offered), used, agent))
        heapq.heapify(heap)
        return heap

    def _take(self, heap: list[Candidate], task: NewTask, taken: Counter[AgentKey]) -> Placement | None:
        """The least full agent; it comes back into the heap if it has another free slot."""
        while heap:
            _, place, used, agent = heap[0]
            current = self._used(agent, taken)
            if current == used:
                taken[agent.key] += 1
                self._put_back(heap, place, used + 1)
                return Placement(0, task.id, agent.id, agent.session)
            self._put_back(heap, place, current)  # a task of another group has taken a slot of it meanwhile
        return None

    def _put_back(self, heap: list[Candidate], place: int, used: int) -> None:
        """The first of the heap, so full by now, goes where it belongs; out, if it is full."""
        agent = heap[0][3]
        slots = agent.declared.slots
        if used < slots:
            heapq.heapreplace(heap, (used * LEVELS // slots, place, used, agent))
        else:
            heapq.heappop(heap)

    def _used(self, agent: Agent, taken: Counter[AgentKey]) -> int:
        """Its leases, committed, on their way, and chosen for the same command."""
        return agent.leases + self._chosen[agent.key] + taken[agent.key]


def by_priority(tasks: Sequence[NewTask]) -> list[int]:
    """The order in which the tasks of one command are served: higher priority first, then as they were given."""
    return sorted(range(len(tasks)), key=lambda index: -tasks[index].priority)
