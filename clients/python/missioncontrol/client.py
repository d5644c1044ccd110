"""The client: submit work, follow it, and operate the fleet, from asyncio.

    async with Client("127.0.0.1:7070") as client:
        handle = await client.submit("summarise", {"path": "README.md"})
        print(await handle.result())

Calls are retried with the same request id while nobody answers, until their deadline; streams go on where they broke.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from types import TracebackType
from typing import Any, Self, Unpack, cast

from missioncontrol import limits
from missioncontrol.calls.agents import AgentCalls
from missioncontrol.calls.connection import Connection
from missioncontrol.calls.events import EventCalls, EventStream
from missioncontrol.calls.queues import QueueCalls
from missioncontrol.calls.room import WaitForRoom
from missioncontrol.calls.schedules import ScheduleCalls
from missioncontrol.calls.tasks import TaskCalls
from missioncontrol.channel import DEFAULT_ADDRESS
from missioncontrol.command import COMMAND_KIND, CommandInput, CommandOutput
from missioncontrol.errors import BatchRefused, CallError, call_error_of_status
from missioncontrol.event_names import event_type
from missioncontrol.handle import TaskHandle
from missioncontrol.requests import SubmitOptions, task_request
from missioncontrol.v1 import event_service_pb2, task_service_pb2

_COMMAND_FIELDS = frozenset(each.name for each in fields(CommandInput)) - {"argv"}


class CommandOptions(SubmitOptions, total=False):
    """What a command may say besides its argv; see CommandInput for the first ones."""

    shell: bool
    cwd: str | None
    env: Mapping[str, str]
    clean_env: bool
    stdin: str | None
    grace_seconds: float | None


class Client:
    """A client of one namespace. Cheap to make; it connects with the first call, and belongs to one event loop.

    Addresses and namespace default to MISSIONCONTROL_ADDRESS and MISSIONCONTROL_NAMESPACE, then to 127.0.0.1:7070 and
    "default". A unary call has `call_seconds` with all its retries; a broken stream is opened again for up to
    `outage_seconds` without a message. The calls of each service are in `tasks`, `queues`, `schedules`, `agents` and
    `feed`.
    """

    def __init__(
        self,
        addresses: str | Sequence[str] | None = None,
        *,
        namespace: str | None = None,
        call_seconds: float = limits.CALL_SECONDS,
        outage_seconds: float = limits.OUTAGE_SECONDS,
    ) -> None:
        given = addresses or os.environ.get("MISSIONCONTROL_ADDRESS") or DEFAULT_ADDRESS
        self.namespace = namespace or os.environ.get("MISSIONCONTROL_NAMESPACE") or "default"
        self._connection = Connection(given, call_seconds=call_seconds, outage_seconds=outage_seconds)
        self.tasks = TaskCalls(self._connection, self.namespace)
        self.queues = QueueCalls(self._connection, self.namespace)
        self.schedules = ScheduleCalls(self._connection, self.namespace)
        self.agents = AgentCalls(self._connection, self.namespace)
        self.feed = EventCalls(self._connection, self.namespace)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where this client looks for a coordinator."""
        return self._connection.addresses

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections. The client may be used again afterwards."""
        await self._connection.close()

    async def submit(
        self,
        kind: str,
        payload: object = None,
        *,
        into: Any = None,
        wait_for_room: WaitForRoom = None,
        **options: Unpack[SubmitOptions],
    ) -> TaskHandle[Any]:
        """Submits one task; once this returns, the task is on disk.

        `payload` is bytes, text, a pydantic model, a dataclass, or anything that JSON can say. `into` is the type that
        the handle's result has. Raises CallError (AlreadyExists if the request id was used for another body), and
        PayloadError. A queue that takes no more raises QueueRefused at once, or after `wait_for_room` (seconds or a
        timedelta) if there is still no room then; until then it asks again as the queue says.
        """
        response = await self.tasks.create(task_request(kind, payload, **options), wait_for_room=wait_for_room)
        return self.handle(response.task.id, into=into)

    async def submit_command(
        self, argv: Sequence[str], *, wait_for_room: WaitForRoom = None, **options: Unpack[CommandOptions]
    ) -> TaskHandle[CommandOutput]:
        """Submits a command: a program and its arguments, run as they are; no shell sees them unless `shell` is set.

        Any agent with the built-in executor runs it. The handle's result is a CommandOutput; an exit code that is not 0
        is TaskFailed, with the same document in the task's output. `run_time_limit` bounds how long it may run.
        `wait_for_room` is as for `submit`.
        """
        given: dict[str, Any] = {**options}
        command = CommandInput(argv=argv, **{name: given.pop(name) for name in _COMMAND_FIELDS & given.keys()})
        request = task_request(COMMAND_KIND, command, **cast(SubmitOptions, given))
        response = await self.tasks.create(request, wait_for_room=wait_for_room)
        return TaskHandle(self.tasks, self.feed, response.task.id, into=CommandOutput)

    async def submit_many(
        self,
        requests: Iterable[task_service_pb2.CreateTaskRequest],
        *,
        into: Any = None,
        wait_for_room: WaitForRoom = None,
    ) -> list[TaskHandle[Any]]:
        """Submits many tasks, made by `task_request`, in batches of up to 1000 that each cost one transaction.

        `depends_on=["#3"]` names the fourth request of this call; one of a later batch cannot be named.
        Raises BatchRefused if some were refused; the others are accepted, and it has their handles. If a batch finds no
        answer (CallError), the batches before it are accepted: give each request its own request id to repeat safely.
        With `wait_for_room` each batch submits what queues refuse again, for that long.
        """
        handles: list[TaskHandle[Any] | None] = []
        errors: dict[int, CallError] = {}
        for batch in _batches(requests):
            named = _renumbered(batch, handles) if handles else batch
            for result in await self.tasks.create_batch(named, wait_for_room=wait_for_room):
                if result.HasField("error"):
                    errors[len(handles)] = call_error_of_status(result.error)
                    handles.append(None)
                else:
                    handles.append(self.handle(result.task_id, into=into))
        if errors:
            raise BatchRefused(handles, errors)
        return [handle for handle in handles if handle is not None]

    def handle(self, task_id: str, *, into: Any = None) -> TaskHandle[Any]:
        """A handle of a task that exists already. Asks nobody."""
        return TaskHandle(self.tasks, self.feed, task_id, into=into)

    def events(
        self,
        after: str = "",
        *,
        follow: bool = True,
        types: Iterable[str] = (),
        queue: str = "",
        task_id: str = "",
        agent_id: str = "",
    ) -> EventStream:
        """The activity feed after a position: events in order, and a FeedReset where it could not be continued.

        "" is the beginning of what is kept, "head" only what is to come. `types` are names such as "task.succeeded".
        Without `follow` it ends at the head. A broken stream goes on where it was.
        """
        wanted = event_service_pb2.EventFilter(
            types=[event_type(name) for name in types], queue=queue, task_id=task_id, agent_id=agent_id
        )
        return self.feed.watch(after, filter=wanted, follow=follow)


def _batches(
    requests: Iterable[task_service_pb2.CreateTaskRequest],
) -> Iterator[list[task_service_pb2.CreateTaskRequest]]:
    """Cuts at what one BatchCreateTasks takes, by count and by bytes."""
    batch: list[task_service_pb2.CreateTaskRequest] = []
    batch_bytes = 0
    for request in requests:
        request_bytes = request.ByteSize() + limits.REQUEST_OVERHEAD_BYTES
        if batch and (len(batch) == limits.BATCH_TASKS_MAX or batch_bytes + request_bytes > limits.BATCH_BYTES_MAX):
            yield batch
            batch, batch_bytes = [], 0
        batch.append(request)
        batch_bytes += request_bytes
    if batch:
        yield batch


def _renumbered(
    batch: Sequence[task_service_pb2.CreateTaskRequest], before: Sequence[TaskHandle[Any] | None]
) -> list[task_service_pb2.CreateTaskRequest]:
    """The batch, with names of requests of the call as the contract has them: by their place in the batch, or ids."""
    return [_with_names(each, before) if each.spec.depends_on else each for each in batch]


def _with_names(
    request: task_service_pb2.CreateTaskRequest, before: Sequence[TaskHandle[Any] | None]
) -> task_service_pb2.CreateTaskRequest:
    named = task_service_pb2.CreateTaskRequest()
    named.CopyFrom(request)
    named.spec.depends_on[:] = [_name(each, before) for each in request.spec.depends_on]
    return named


def _name(name: str, before: Sequence[TaskHandle[Any] | None]) -> str:
    number = name.removeprefix("#")
    if number == name or not number.isdecimal():
        return name
    place = int(number) - len(before)
    if place >= 0:
        return f"#{place}"
    handle = before[place]
    return handle.id if handle is not None else f"#refused:{number}"
