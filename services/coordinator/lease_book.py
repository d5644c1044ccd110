"""What the leases of agents are of, by the last commit: of which queue, priority and fairness key, and started or not.

An agent comes into the book with all that it holds, as the transaction has read it that took its Hello, or adopted it;
so a start reads nothing for it. From then on commits keep it, and what other coordinators did to leases here. At every
rest it equals a count over the rows of tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import nlargest
from operator import attrgetter

from services.domain.agent import AgentKey
from services.domain.commands import LeaseKey
from services.domain.event import Event
from services.domain.queue import QueueKey
from services.domain.schedule import LeaseLoad
from services.domain.task import HELD, Task, TaskState

LoadKey = tuple[str, int, str]  # queue, priority, fairness key


class AgentLeases:
    """The leases of one agent: the tasks as they were committed last, and how many of them are of what."""

    __slots__ = ("counts", "last_grant_time", "tasks")

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.counts: dict[LoadKey, int] = {}
        self.last_grant_time = 0

    def add(self, task: Task) -> None:
        """One lease more."""
        self.tasks[task.id] = task
        key = (task.queue, task.priority, task.fairness_key)
        self.counts[key] = self.counts.get(key, 0) + 1
        self.last_grant_time = max(self.last_grant_time, task.grant_time)

    def remove(self, task_id: str) -> None:
        """One lease less."""
        task = self.tasks.pop(task_id)
        key = (task.queue, task.priority, task.fairness_key)
        self.counts[key] -= 1
        if not self.counts[key]:
            del self.counts[key]


class LeaseBook:
    """See the module. Whoever keeps it says which agents are in it."""

    def __init__(self) -> None:
        self._agents: dict[AgentKey, AgentLeases] = {}
        self._holders: dict[str, AgentLeases] = {}  # by task

    def take(self, key: AgentKey, tasks: Iterable[Task]) -> None:
        """An agent came here, and this is all that it holds."""
        self.forget(key)
        leases = self._agents[key] = AgentLeases()
        for task in tasks:
            self._add(leases, task)

    def forget(self, key: AgentKey) -> None:
        """An agent is not here any more."""
        leases = self._agents.pop(key, None)
        for task_id in leases.tasks if leases is not None else ():
            del self._holders[task_id]

    def note(self, tasks: Iterable[Task]) -> None:
        """Tasks as a commit left them. Hot: of a plain task, a look-up with each change and an entry with its grant."""
        holders = self._holders
        for task in tasks:
            leases = holders.get(task.id)
            if leases is not None:
                if task.state in HELD and leases.tasks[task.id].token == task.token:
                    leases.tasks[task.id] = task
                    continue
                self._remove(leases, task.id)
            if task.state in HELD:
                holder = self._agents.get((task.namespace, task.agent_id))
                if holder is not None:
                    self._add(holder, task)

    def note_elsewhere(self, events: Iterable[Event]) -> None:
        """What other coordinators did: they may end a lease that is here, but grant none.

        One that was granted here since is newer than what they tell.
        """
        for event in events:
            leases = self._holders.get(event.task_id)
            if leases is None or event.data.to_state in HELD:
                continue
            if leases.tasks[event.task_id].version < event.data.version:
                self._remove(leases, event.task_id)

    def loads(self, key: AgentKey, counted: Callable[[QueueKey], bool]) -> tuple[LeaseLoad, ...]:
        """How many leases of what an agent holds, of the queues that are counted."""
        leases = self._agents.get(key)
        if leases is None:
            return ()
        return tuple(
            LeaseLoad(queue, priority, fairness_key, count)
            for (queue, priority, fairness_key), count in leases.counts.items()
            if counted((key[0], queue))
        )

    def last_grant_time(self, key: AgentKey) -> int:
        """When a lease was last granted to the agent, microseconds since 1970 UTC; 0 for "not known"."""
        leases = self._agents.get(key)
        return leases.last_grant_time if leases is not None else 0

    def holders_of(self, queue: QueueKey) -> list[AgentKey]:
        """The agents that hold leases of a queue."""
        return [
            key
            for key, leases in self._agents.items()
            if key[0] == queue[0] and any(name == queue[1] for name, _, _ in leases.counts)
        ]

    def unstarted(self, key: AgentKey, queue: str, count: int) -> list[LeaseKey]:
        """The newest leases of a queue that the agent has not started, at most so many."""
        leases = self._agents.get(key)
        tasks = reversed(leases.tasks.values()) if leases is not None else ()
        waiting = [task for task in tasks if task.queue == queue and task.state is TaskState.LEASED]
        return [(task.id, task.token) for task in nlargest(count, waiting, key=attrgetter("grant_time"))]

    def _add(self, leases: AgentLeases, task: Task) -> None:
        leases.add(task)
        self._holders[task.id] = leases

    def _remove(self, leases: AgentLeases, task_id: str) -> None:
        leases.remove(task_id)
        del self._holders[task_id]
