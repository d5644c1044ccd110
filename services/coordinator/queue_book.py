"""The configured queues, in memory: read at the start, kept up to date by commits."""

from __future__ import annotations

from collections.abc import Iterable

from services.coordinator.tail import Foreign
from services.domain.queue import Queue, QueueKey
from services.domain.task import Task
from services.store.flush import Committed


class QueueBook:
    """See the module. Listens to the journal, before those who ask it."""

    def __init__(self, *, lease_ttl_micros: int) -> None:
        self._lease_ttl_micros = lease_ttl_micros
        self._queues: dict[QueueKey, Queue] = {}

    def found(self, queues: Iterable[Queue]) -> None:
        """Takes in what was in the database when the coordinator started."""
        for queue in queues:
            known = self._queues.get(queue.key)
            if known is None or known.version < queue.version:
                self._queues[queue.key] = queue

    def on_committed(self, committed: Committed) -> None:
        """Takes in what was changed."""
        self.found(committed.queues)

    def on_foreign(self, foreign: Foreign) -> None:
        """Takes in what another coordinator has changed."""
        self.found(foreign.queues)

    def all(self) -> list[Queue]:
        """Every configured queue."""
        return list(self._queues.values())

    def lease_ttl_micros(self, task: Task) -> int:
        """Time to live of the task's leases, microseconds: its queue's, or the default."""
        queue = self._queues.get((task.namespace, task.queue))
        return (queue.policy.lease_ttl_micros if queue is not None else 0) or self._lease_ttl_micros
