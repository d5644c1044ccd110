"""A coordinator as far as one test needs it: real servicers on a real port, which answer what the test wrote down."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from missioncontrol.v1 import (
    event_service_pb2,
    event_service_pb2_grpc,
    task_pb2,
    task_service_pb2,
    task_service_pb2_grpc,
)

Context = grpc.aio.ServicerContext[Any, Any]
# Answers one call: a message to send, or an error to raise by `refuse`.
Answer = Callable[[Any, Context], Awaitable[Any]]
# Answers one stream.
Stream = Callable[[Any, Context], AsyncIterator[Any]]


class Peer(task_service_pb2_grpc.TaskServiceServicer, event_service_pb2_grpc.EventServiceServicer):
    """Answers each RPC with the next of its script, the last one again and again, and remembers what was asked."""

    def __init__(self) -> None:
        self.script: dict[str, deque[Any]] = {}
        self.asked: list[Any] = []

    def answers(self, rpc: str, *answers: Answer | Stream) -> None:
        """What the RPC answers, call by call."""
        self.script[rpc] = deque(answers)

    def _next(self, rpc: str, request: Any) -> Any:
        copy = type(request)()
        copy.CopyFrom(request)
        self.asked.append(copy)
        answers = self.script[rpc]
        return answers.popleft() if len(answers) > 1 else answers[0]

    async def CreateTask(self, request: Any, context: Any) -> Any:
        return await self._next("CreateTask", request)(request, context)

    async def BatchCreateTasks(self, request: Any, context: Any) -> Any:
        return await self._next("BatchCreateTasks", request)(request, context)

    async def GetTask(self, request: Any, context: Any) -> Any:
        return await self._next("GetTask", request)(request, context)

    async def ListTasks(self, request: Any, context: Any) -> Any:
        return await self._next("ListTasks", request)(request, context)

    async def RetryTask(self, request: Any, context: Any) -> Any:
        return await self._next("RetryTask", request)(request, context)

    async def ListAttempts(self, request: Any, context: Any) -> Any:
        return await self._next("ListAttempts", request)(request, context)

    async def CancelTask(self, request: Any, context: Any) -> Any:
        return await self._next("CancelTask", request)(request, context)

    async def WatchTask(self, request: Any, context: Any) -> AsyncIterator[Any]:
        async for message in self._next("WatchTask", request)(request, context):
            yield message

    async def WatchEvents(self, request: Any, context: Any) -> AsyncIterator[Any]:
        async for message in self._next("WatchEvents", request)(request, context):
            yield message

    async def ListEvents(self, request: Any, context: Any) -> Any:
        return await self._next("ListEvents", request)(request, context)


async def serve(
    peer: Peer, listen: str = "127.0.0.1:0", *, credentials: grpc.ServerCredentials | None = None
) -> tuple[grpc.aio.Server, str]:
    """Starts a server for the peer; returns it and its address."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    task_service_pb2_grpc.add_TaskServiceServicer_to_server(peer, server)
    event_service_pb2_grpc.add_EventServiceServicer_to_server(peer, server)
    port = server.add_secure_port(listen, credentials) if credentials else server.add_insecure_port(listen)
    await server.start()
    return server, f"127.0.0.1:{port}"


def reply(message: Message) -> Answer:
    """Answers with this message."""

    async def answer(request: Any, context: Context) -> Message:
        return message

    return answer


def refuse(code: grpc.StatusCode, *details: Message, message: str = "no") -> Answer:
    """Refuses as a service of Mission Control does if there are details, as a proxy does if there are none."""

    async def answer(request: Any, context: Context) -> Any:
        await abort(context, code, *details, message=message)

    return answer


async def abort(context: Context, code: grpc.StatusCode, *details: Message, message: str = "no") -> None:
    """Ends a call with an error, in the middle of a stream too."""
    if details:
        status = status_pb2.Status(code=code.value[0], message=message)
        for detail in details:
            packed = AnyMessage()
            packed.Pack(detail)
            status.details.append(packed)
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    await context.abort(code, message)


def stream(*messages: Message, then: grpc.StatusCode | None = None, details: Sequence[Message] = ()) -> Stream:
    """Sends these messages, and then ends well, or breaks; with details a service of Mission Control ends it."""

    async def answer(request: Any, context: Context) -> AsyncIterator[Message]:
        for message in messages:
            yield message
        if then is not None:
            await abort(context, then, *details)

    return answer


def error_info(reason: str, **metadata: str) -> Any:
    """Why a service refuses."""
    return error_details_pb2.ErrorInfo(reason=reason, domain="missioncontrol", metadata=metadata)


def bad_field(field: str, description: str) -> Any:
    """Which field it does not like."""
    violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=description)
    return error_details_pb2.BadRequest(field_violations=[violation])


def retry_after(seconds: float) -> Any:
    """When to come again."""
    delay = Duration()
    delay.FromMicroseconds(round(seconds * 1_000_000))
    return error_details_pb2.RetryInfo(retry_delay=delay)


def task(state: int = task_pb2.TASK_STATE_PENDING, **fields: Any) -> task_pb2.Task:
    """A task with defaults."""
    return task_pb2.Task(**{"id": "t-1", "state": state, "version": 1, **fields})


def created(task_id: str = "t-1", *, deduplicated: bool = False) -> Answer:
    """Answers a submit."""
    return reply(task_service_pb2.CreateTaskResponse(task=task(id=task_id), deduplicated=deduplicated))


def update(state: int, **fields: Any) -> task_service_pb2.WatchTaskResponse:
    """One message of WatchTask."""
    return task_service_pb2.WatchTaskResponse(task=task(state, **fields))


def output(offset: int, data: bytes, *, token: int = 1) -> task_service_pb2.WatchTaskResponse:
    """A piece of live output."""
    chunk = task_service_pb2.OutputChunk(
        token=token, stream=task_service_pb2.OUTPUT_STREAM_STDOUT, offset=offset, data=data
    )
    return task_service_pb2.WatchTaskResponse(output=chunk)


def feed(*sequences: int, position: str = "", **fields: Any) -> event_service_pb2.WatchEventsResponse:
    """One message of WatchEvents, with bare events."""
    message = event_service_pb2.WatchEventsResponse(position=position or f"e:{sequences[-1]}", **fields)
    for sequence in sequences:
        message.events.add(sequence=sequence, type=2, task_id="t-1")
    return message
