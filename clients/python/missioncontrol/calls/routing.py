"""RoutingService as Python calls: why work goes where it goes, or nowhere."""

from __future__ import annotations

from missioncontrol.calls.connection import Connection
from missioncontrol.v1 import queue_pb2, routing_service_pb2, task_pb2


class RoutingCalls:
    """The calls of RoutingService in one namespace. They change nothing. All raise CallError."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._connection = connection
        self._namespace = namespace

    async def explain(self, task_id: str) -> routing_service_pb2.ExplainTaskResponse:
        """Why a task waits. Raises NotFound for a task that is not there."""
        request = routing_service_pb2.ExplainTaskRequest(namespace=self._namespace, task_id=task_id)
        return await self._connection.call(lambda stubs: stubs.routing.ExplainTask, request)

    async def simulate(
        self, spec: task_pb2.TaskSpec, *, count: int = 1, policy: queue_pb2.QueuePolicy | None = None
    ) -> routing_service_pb2.SimulatePlacementResponse:
        """Where so many tasks like this one would go now, with the queue's policy or another one.

        Raises Unavailable without a scheduler.
        """
        asked = task_pb2.TaskSpec()
        asked.CopyFrom(spec)
        asked.namespace = asked.namespace or self._namespace
        request = routing_service_pb2.SimulatePlacementRequest(spec=asked, policy=policy, count=count)
        return await self._connection.call(lambda stubs: stubs.routing.SimulatePlacement, request)

    async def depths(self, queue: str = "") -> routing_service_pb2.GetDepthsResponse:
        """How deep the queues are, or one of them: by lane, by capability, by agent."""
        request = routing_service_pb2.GetDepthsRequest(namespace=self._namespace, queue=queue)
        return await self._connection.call(lambda stubs: stubs.routing.GetDepths, request)
