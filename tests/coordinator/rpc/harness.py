"""What the tests of the services hold in their hands."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from missioncontrol.v1 import (
    agent_service_pb2_grpc,
    event_service_pb2_grpc,
    queue_service_pb2_grpc,
    schedule_service_pb2_grpc,
    task_pb2,
    task_service_pb2,
    task_service_pb2_grpc,
)
from prometheus_client import CollectorRegistry

from services.coordinator.parts import Parts
from services.transport.status import DETAILS_KEY
from tests.store.queries.store import Store


@dataclass
class Coordinator:
    parts: Parts
    store: Store
    channel: grpc.aio.Channel
    address: str
    registry: CollectorRegistry

    @property
    def tasks(self) -> Any:
        return task_service_pb2_grpc.TaskServiceStub(self.channel)

    @property
    def queues(self) -> Any:
        return queue_service_pb2_grpc.QueueServiceStub(self.channel)

    @property
    def schedules(self) -> Any:
        return schedule_service_pb2_grpc.ScheduleServiceStub(self.channel)

    @property
    def agents(self) -> Any:
        return agent_service_pb2_grpc.AgentServiceStub(self.channel)

    @property
    def events(self) -> Any:
        return event_service_pb2_grpc.EventServiceStub(self.channel)

    async def create(self, **fields: Any) -> task_pb2.Task:
        """Submits a task as a client does."""
        response = await self.tasks.CreateTask(submit(**fields))
        created: task_pb2.Task = response.task
        return created

    async def raw(self, method: str, content: bytes) -> bytes:
        """Calls a method of TaskService with these very bytes."""
        call: Any = self.channel.unary_unary(f"/missioncontrol.v1.TaskService/{method}")
        answer: bytes = await call(content)
        return answer


def submit(request_id: str = "", **fields: Any) -> task_service_pb2.CreateTaskRequest:
    """A submit of a small task."""
    defaults: dict[str, Any] = {"kind": "noop", "payload": task_pb2.Payload(data=b"input")}
    return task_service_pb2.CreateTaskRequest(spec=task_pb2.TaskSpec(**{**defaults, **fields}), request_id=request_id)


@dataclass
class Refusal:
    """What a refused call said."""

    code: grpc.StatusCode
    message: str
    reason: str
    metadata: dict[str, str]
    fields: dict[str, str]


async def refusal(call: Awaitable[Any]) -> Refusal:
    """The refusal of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return refusal_of(caught.value)


def refusal_of(error: grpc.aio.AioRpcError) -> Refusal:
    """What an error says."""
    trailing: dict[str, Any] = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailing.get(DETAILS_KEY, b""))
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(bad)
    fields = {violation.field: violation.description for violation in bad.field_violations}
    return Refusal(error.code(), error.details() or "", info.reason, dict(info.metadata), fields)


@asynccontextmanager
async def reading(call: Any) -> AsyncIterator[Any]:
    """A stream that is given up afterwards."""
    try:
        yield call
    finally:
        call.cancel()
