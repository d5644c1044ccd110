"""QueueService: configures queues and tells how full they are."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from missioncontrol.v1 import queue_pb2, queue_service_pb2_grpc
from missioncontrol.v1 import queue_service_pb2 as wire

from services.coordinator import pages
from services.coordinator.backpressure import Backpressure
from services.coordinator.membership import Membership
from services.domain.commands import ChangeQueue
from services.store.journal import Journal
from services.store.queues import QueueCount, count_queue, get_queue, list_queues
from services.store.readers import Readers
from services.transport import convert_queue
from services.transport.convert_task import DEFAULT_NAMESPACE
from services.transport.convert_time import duration
from services.transport.page_token import read_page_token, write_page_token


class QueueService(queue_service_pb2_grpc.QueueServiceServicer):
    """See the contract."""

    def __init__(self, journal: Journal, readers: Readers, membership: Membership, backpressure: Backpressure) -> None:
        self._journal = journal
        self._readers = readers
        self._membership = membership
        self._backpressure = backpressure

    async def UpdateQueue(self, request: wire.UpdateQueueRequest, context: Any) -> wire.UpdateQueueResponse:
        """Creates the queue or replaces its policy."""
        policy = convert_queue.checked_policy(request.policy)
        if not policy.admission.is_open:
            self._membership.require_routing("queues cannot refuse tasks")
        async with self._backpressure.counted(key_of(request), policy.admission):
            queue = await self._journal.submit(ChangeQueue(key_of(request), policy=policy))
        return wire.UpdateQueueResponse(queue=convert_queue.queue(queue))

    async def GetQueue(self, request: wire.GetQueueRequest, context: Any) -> wire.GetQueueResponse:
        """Reads one queue."""
        queue, position = await self._readers.run(partial(get_queue, key=key_of(request)))
        return wire.GetQueueResponse(queue=convert_queue.queue(queue), position=str(position))

    async def ListQueues(self, request: wire.ListQueuesRequest, context: Any) -> wire.ListQueuesResponse:
        """Lists queues by name."""
        namespace = request.namespace or DEFAULT_NAMESPACE
        after = read_page_token(request, "")
        limit = pages.size_of(request.page_size)
        page = await self._readers.run(partial(list_queues, namespace=namespace, after=after, limit=limit))
        return wire.ListQueuesResponse(
            queues=[convert_queue.queue(queue) for queue in page.queues],
            next_page_token=write_page_token(request, page.after),
            position=str(page.position),
        )

    async def PauseQueue(self, request: wire.PauseQueueRequest, context: Any) -> wire.PauseQueueResponse:
        """Stops granting leases of this queue."""
        queue = await self._journal.submit(ChangeQueue(key_of(request), paused=True))
        return wire.PauseQueueResponse(queue=convert_queue.queue(queue))

    async def ResumeQueue(self, request: wire.ResumeQueueRequest, context: Any) -> wire.ResumeQueueResponse:
        """Grants leases of this queue again."""
        queue = await self._journal.submit(ChangeQueue(key_of(request), paused=False))
        return wire.ResumeQueueResponse(queue=convert_queue.queue(queue))

    async def GetQueueStats(self, request: wire.GetQueueStatsRequest, context: Any) -> wire.GetQueueStatsResponse:
        """Counts the queue's tasks."""
        count = await self._readers.run(partial(count_queue, key=key_of(request)))
        stats = stats_message(count, now=time.time_ns() // 1_000)
        return wire.GetQueueStatsResponse(stats=stats, position=str(count.position))


def key_of(request: Any) -> tuple[str, str]:
    """The queue that a request names."""
    return (request.namespace or DEFAULT_NAMESPACE, request.name)


def stats_message(count: QueueCount, *, now: int) -> queue_pb2.QueueStats:
    """Counts for the wire, with ages as of now."""
    stats = queue_pb2.QueueStats(
        scheduled=count.scheduled,
        blocked=count.blocked,
        pending=sum(lane.pending for lane in count.lanes),
        leased=count.leased,
        running=count.running,
        admission=queue_pb2.AdmissionState.ValueType(count.admission),
    )
    for lane in count.lanes:
        age = duration(max(0, now - lane.oldest_time))
        stats.priorities.add(priority=lane.priority, pending=lane.pending, oldest_pending_age=age)
    if count.lanes:
        oldest = min(lane.oldest_time for lane in count.lanes)
        stats.oldest_pending_age.CopyFrom(duration(max(0, now - oldest)))
    return stats
