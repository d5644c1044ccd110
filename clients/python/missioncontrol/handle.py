"""A task that was submitted, as its submitter holds it: wait for it, follow it, cancel it.

A handle is only an id and a way to ask; it may be made from an id at any time, in any process.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, Generic, TypeVar, overload

from missioncontrol.calls.events import EventCalls, FeedReset, sequence_of
from missioncontrol.calls.tasks import TaskCalls, is_terminal
from missioncontrol.errors import task_error
from missioncontrol.payload import decode_payload
from missioncontrol.v1 import event_pb2, event_service_pb2, task_pb2, task_service_pb2

T = TypeVar("T")
U = TypeVar("U")

_TERMINAL_EVENTS = frozenset(
    {
        event_pb2.EVENT_TYPE_TASK_SUCCEEDED,
        event_pb2.EVENT_TYPE_TASK_FAILED,
        event_pb2.EVENT_TYPE_TASK_CANCELLED,
        event_pb2.EVENT_TYPE_TASK_EXPIRED,
    }
)


class TaskHandle(Generic[T]):
    """One task. Its methods raise CallError where the call fails, and NotFound if there is no such task."""

    def __init__(self, tasks: TaskCalls, events: EventCalls, task_id: str, *, into: Any = None) -> None:
        self._tasks = tasks
        self._events = events
        self._into = into
        self.id = task_id

    def __repr__(self) -> str:
        return f"TaskHandle({self.id!r})"

    async def get(self) -> task_pb2.Task:
        """The task as it is now, with payload, output and usage."""
        return (await self._tasks.get(self.id)).task

    async def attempts(self) -> Sequence[task_pb2.Attempt]:
        """Every try at it, oldest first."""
        return await self._tasks.attempts(self.id)

    async def wait(self) -> task_pb2.Task:
        """Waits until the task is terminal, however long that takes and however often the stream breaks."""
        async with aclosing(self._tasks.watch(self.id)) as updates:
            async for update in updates:
                if is_terminal(update.task.state):
                    return update.task
        raise AssertionError("a watch ended before its task")

    @overload
    async def result(self) -> T: ...
    @overload
    async def result(self, into: type[U]) -> U: ...

    async def result(self, into: Any = None) -> Any:
        """Waits for the output, as a value of the type `into`, or as its content type says.

        Raises TaskFailed, TaskCancelled or TaskExpired (each with the whole task), and PayloadError if the output is
        not of that type. To wait for so long only, use `asyncio.timeout`.
        """
        task = await self.wait()
        error = task_error(task)
        if error is not None:
            raise error
        return decode_payload(task.output, into if into is not None else self._into)

    async def cancel(self, *, reason: str = "") -> task_pb2.Task:
        """Asks for a cancel; the task as it stands then. One that an agent holds ends a little later: `wait` for it."""
        return await self._tasks.cancel(self.id, reason=reason)

    async def retry(self) -> TaskHandle[T]:
        """Makes a new task of this one, which must be terminal; this one stays as it is."""
        response = await self._tasks.retry(self.id)
        return TaskHandle(self._tasks, self._events, response.task.id, into=self._into)

    async def updates(self) -> AsyncGenerator[task_pb2.Task, None]:
        """The task now, and again whenever it changed, up to the terminal state. States in between may be skipped."""
        async with aclosing(self._tasks.watch(self.id)) as updates:
            async for update in updates:
                yield update.task

    async def output(self) -> AsyncGenerator[task_service_pb2.OutputChunk, None]:
        """What the task writes, live, each byte once, over broken streams and attempts; ends with the task.

        Best effort: an `offset` beyond the chunk before means that something was skipped. The result is what counts.
        """
        async with aclosing(self.updates_and_output()) as updates:
            async for update in updates:
                if isinstance(update, task_service_pb2.OutputChunk):
                    yield update

    async def updates_and_output(self) -> AsyncGenerator[task_pb2.Task | task_service_pb2.OutputChunk, None]:
        """`updates` and `output` as one stream, in the order in which they arrive."""
        seen: dict[tuple[int, int], int] = {}
        async with aclosing(self._tasks.watch(self.id, follow_output=True)) as updates:
            async for update in updates:
                if update.HasField("task"):
                    yield update.task
                    continue
                chunk = _unseen(update.output, seen)
                if chunk.data:
                    yield chunk

    async def events(self, after: str = "") -> AsyncGenerator[event_pb2.Event | FeedReset, None]:
        """The task's events after a position (from its beginning without one), up to its terminal event.

        Goes on where it was after a break. A FeedReset among them says that older events are no longer kept.
        """
        wanted = event_service_pb2.EventFilter(task_id=self.id)
        checked, end = False, None
        async with aclosing(self._events.batches(after, filter=wanted)) as batches:
            async for batch in batches:
                if batch.reset is not None:
                    checked = False
                    yield batch.reset
                for event in batch.events:
                    yield event
                    if event.type in _TERMINAL_EVENTS:
                        return
                if batch.caught_up and not checked:
                    checked, end = True, await self._ended_before()
                if end is not None and sequence_of(batch.position) >= end:
                    return  # It ended before the position that was asked for, or its end is no longer kept.

    async def _ended_before(self) -> int | None:
        """If the task is terminal: a sequence that its terminal event does not exceed."""
        response = await self._tasks.get(self.id)
        return sequence_of(response.position) if is_terminal(response.task.state) else None


def _unseen(chunk: task_service_pb2.OutputChunk, seen: dict[tuple[int, int], int]) -> task_service_pb2.OutputChunk:
    """The part of a chunk that was not seen before; a stream that was opened again sends what is still kept."""
    key = (chunk.token, chunk.stream)
    known = seen.get(key, 0)
    skip = max(known - chunk.offset, 0)
    seen[key] = max(known, chunk.offset + len(chunk.data))
    if skip == 0:
        return chunk
    return task_service_pb2.OutputChunk(
        token=chunk.token, stream=chunk.stream, offset=chunk.offset + skip, data=chunk.data[skip:]
    )
