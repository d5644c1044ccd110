"""QueueService as Python calls."""

from __future__ import annotations

from collections.abc import AsyncIterator

from missioncontrol import limits
from missioncontrol.calls.connection import Connection, new_request_id
from missioncontrol.v1 import queue_pb2, queue_service_pb2


class QueueCalls:
    """The calls of QueueService in one namespace. All raise CallError."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._connection = connection
        self._namespace = namespace

    async def update(
        self, name: str, policy: queue_pb2.QueuePolicy, *, request_id: str | None = None
    ) -> queue_pb2.Queue:
        """Creates the queue or replaces its whole policy."""
        request = queue_service_pb2.UpdateQueueRequest(
            namespace=self._namespace, name=name, policy=policy, request_id=request_id or new_request_id()
        )
        return (await self._connection.call(lambda stubs: stubs.queues.UpdateQueue, request)).queue

    async def get(self, name: str) -> queue_service_pb2.GetQueueResponse:
        """Reads one queue; one that nobody configured has version 0."""
        request = queue_service_pb2.GetQueueRequest(namespace=self._namespace, name=name)
        return await self._connection.call(lambda stubs: stubs.queues.GetQueue, request)

    async def list(self) -> AsyncIterator[queue_pb2.Queue]:
        """The queues that were configured or hold open tasks, by name."""
        request = queue_service_pb2.ListQueuesRequest(namespace=self._namespace, page_size=limits.PAGE_SIZE_MAX)
        async for page in self._connection.pages(lambda stubs: stubs.queues.ListQueues, request):
            for queue in page.queues:
                yield queue

    async def pause(self, name: str, *, request_id: str | None = None) -> queue_pb2.Queue:
        """Stops the grants of this queue; what was granted goes on."""
        request = queue_service_pb2.PauseQueueRequest(
            namespace=self._namespace, name=name, request_id=request_id or new_request_id()
        )
        return (await self._connection.call(lambda stubs: stubs.queues.PauseQueue, request)).queue

    async def resume(self, name: str, *, request_id: str | None = None) -> queue_pb2.Queue:
        """Grants leases of this queue again."""
        request = queue_service_pb2.ResumeQueueRequest(
            namespace=self._namespace, name=name, request_id=request_id or new_request_id()
        )
        return (await self._connection.call(lambda stubs: stubs.queues.ResumeQueue, request)).queue

    async def stats(self, name: str) -> queue_service_pb2.GetQueueStatsResponse:
        """Counts the queue's open tasks."""
        request = queue_service_pb2.GetQueueStatsRequest(namespace=self._namespace, name=name)
        return await self._connection.call(lambda stubs: stubs.queues.GetQueueStats, request)
