"""The configured queues, in memory: read at the start, kept up to date by commits."""

from __future__ import annotations

from collections.abc import Iterable

from services.coordinator.tail import Foreign
from services.domain.policy import QueuePolicy
from services.domain.queue import Queue, QueueKey
from services.domain.task import Task
from services.store.flush import Committed

# How long agents stay warm for tasks of a queue that says nothing else.
DEFAULT_WARM_MICROS = QueuePolicy().affinity.warm_micros


class QueueBook:
    """See the module. Listens to the journal, before those who ask it."""

    def __init__(self, *, lease_ttl_micros: int) -> None:
        self._lease_ttl_micros = lease_ttl_micros
        self._queues: dict[QueueKey, Queue] = {}
        self._counting: set[QueueKey] = set()
        self.warm_micros_max = DEFAULT_WARM_MICROS  # the longest that any queue has asked for

    def found(self, queues: Iterable[Queue]) -> None:
        """Takes in what was in the database when the coordinator started."""
        for queue in queues:
            known = self._queues.get(queue.key)
            if known is None or known.version < queue.version:
                self._put(queue)

    def _put(self, queue: Queue) -> None:
        self._queues[queue.key] = queue
        self._counting.discard(queue.key)
        if queue.policy.counts_leases:
            self._counting.add(queue.key)
        self.warm_micros_max = max(self.warm_micros_max, queue.policy.affinity.warm_micros)

    def on_committed(self, committed: Committed) -> None:
        """Takes in what was changed."""
        self.found(committed.queues)

    def on_foreign(self, foreign: Foreign) -> None:
        """Takes in what another coordinator has changed."""
        self.found(foreign.queues)

    def all(self) -> list[Queue]:
        """Every configured queue."""
        return list(self._queues.values())

    def counts_leases(self, key: QueueKey) -> bool:
        """Whether the scheduler has to know what of this queue the leases of agents are of."""
        return key in self._counting

    def lane_name(self, key: QueueKey, priority: int) -> str:
        """The lane of the queue that tasks with this priority go through; "" if it has no lanes."""
        queue = self._queues.get(key)
        lanes = queue.policy.lanes if queue is not None else ()
        return lanes[queue.policy.lane_of(priority)].name if queue is not None and lanes else ""

    def lease_ttl_micros(self, task: Task) -> int:
        """Time to live of the task's leases, microseconds: its queue's, or the default."""
        queue = self._queues.get((task.namespace, task.queue))
        return (queue.policy.lease_ttl_micros if queue is not None else 0) or self._lease_ttl_micros
