"""Which affinity keys agents are warm for, and since when: keys of the leases that they were granted, and what they
said in Hello.

A memory, not a record: nobody loses a task with it, and an agent says its keys again when it connects. Bounded: the
newest keys of each agent, none of them older than any queue's policy asks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from services.coordinator.limits import WARM_KEYS_MAX
from services.coordinator.queue_book import QueueBook
from services.domain.agent import Agent, AgentKey
from services.domain.task import Task
from services.store.flush import Committed


class WarmBook:
    """See the module. Instants are microseconds since 1970 UTC."""

    def __init__(self, queues: QueueBook) -> None:
        self._queues = queues
        self._keys: dict[AgentKey, dict[str, int]] = {}  # the newest last
        self._incarnations: dict[AgentKey, str] = {}
        self.changed: set[AgentKey] = set()

    def connected(self, agent: Agent, holdings: Iterable[Task]) -> None:
        """An agent has a new session. Of a process that is known here the book knows more than its Hello says.

        What one that is new here says has no times: all of it counts as just used, in its order.
        """
        if self._incarnations.get(agent.key) != agent.incarnation:
            self._incarnations[agent.key] = agent.incarnation
            said = list(agent.declared.warm_keys[:WARM_KEYS_MAX])
            first = agent.seen_time - len(said)
            self._keys[agent.key] = {key: first + place for place, key in enumerate(reversed(said))}
        for task in holdings:
            if task.affinity_key and task.affinity_key not in self._keys[agent.key]:
                self._use(agent.key, task.affinity_key, agent.seen_time)
        self.changed.add(agent.key)

    def forget(self, key: AgentKey) -> None:
        """An agent is not here any more."""
        self._keys.pop(key, None)
        self._incarnations.pop(key, None)
        self.changed.discard(key)

    def on_committed(self, committed: Committed) -> None:
        """A lease makes its agent warm; work that has ended was the last use."""
        for granted in committed.granted:
            task = granted.task
            if task.affinity_key:
                self._use((task.namespace, task.agent_id), task.affinity_key, task.grant_time)
        for attempt in committed.ended:
            task = committed.tasks[attempt.task_id]
            if task.affinity_key and attempt.start_time:
                self._use((task.namespace, attempt.agent_id), task.affinity_key, attempt.end_time)

    def keys(self, key: AgentKey, now: int) -> Mapping[str, int] | None:
        """The keys that the agent is warm for and when each was last used, newest first; None if it is not here."""
        known = self._keys.get(key)
        if known is None:
            return None
        since = now - self._queues.warm_micros_max
        return {name: time for name, time in reversed(known.items()) if time >= since}

    def _use(self, key: AgentKey, name: str, time: int) -> None:
        known = self._keys.get(key)
        if known is None:
            return
        known.pop(name, None)
        known[name] = time
        if len(known) > WARM_KEYS_MAX:
            del known[next(iter(known))]
        self.changed.add(key)
