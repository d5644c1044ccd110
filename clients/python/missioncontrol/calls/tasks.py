"""TaskService as Python calls. Writes make their request id here, before the first try."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing

from missioncontrol import limits
from missioncontrol.calls.connection import Backoff, Connection, new_request_id
from missioncontrol.calls.room import Room, WaitForRoom
from missioncontrol.errors import QueueRefused, call_error_of_status
from missioncontrol.v1 import task_pb2, task_service_pb2


class TaskCalls:
    """The calls of TaskService in one namespace. All raise CallError; NotFound for a task that is not there."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._connection = connection
        self._namespace = namespace

    async def create(
        self, request: task_service_pb2.CreateTaskRequest, *, wait_for_room: WaitForRoom = None
    ) -> task_service_pb2.CreateTaskResponse:
        """Submits one task. Fills in the namespace and the request id where they are empty.

        Raises QueueRefused if the queue takes no more, and has not for as long as `wait_for_room`.
        """
        completed, room = self._completed(request), Room(wait_for_room)
        while True:
            try:
                return await self._connection.call(lambda stubs: stubs.tasks.CreateTask, completed)
            except QueueRefused as refused:
                if not await room.wait(refused):
                    raise

    async def create_batch(
        self, requests: Sequence[task_service_pb2.CreateTaskRequest], *, wait_for_room: WaitForRoom = None
    ) -> Sequence[task_service_pb2.BatchCreateTasksResult]:
        """Submits up to 1000 tasks in one transaction; a result for each, in order.

        Those that queues refused are submitted again until there is room, for as long as `wait_for_room`.
        """
        left = dict(enumerate(map(self._completed, requests)))
        results: dict[int, task_service_pb2.BatchCreateTasksResult] = {}
        room = Room(wait_for_room)
        while True:
            batch = task_service_pb2.BatchCreateTasksRequest(requests=left.values())
            answer = await self._connection.call(lambda stubs: stubs.tasks.BatchCreateTasks, batch)
            results.update(zip(left, answer.results, strict=True))
            refused = {place: error for place in left if (error := queue_refusal(results[place])) is not None}
            if not refused or not await room.wait(next(iter(refused.values()))):
                return [results[place] for place in sorted(results)]
            # One that names others of the batch by their place can only be understood with all of them; those that are
            # accepted already are answered as before, by their request id.
            if not any(_names_places(each) for each in left.values()):
                left = {place: left[place] for place in refused}

    async def get(self, task_id: str) -> task_service_pb2.GetTaskResponse:
        """Reads one task whole, with the feed position that it is consistent with."""
        request = task_service_pb2.GetTaskRequest(namespace=self._namespace, task_id=task_id)
        return await self._connection.call(lambda stubs: stubs.tasks.GetTask, request)

    async def list_page(self, request: task_service_pb2.ListTasksRequest) -> task_service_pb2.ListTasksResponse:
        """One page of tasks, newest first, with its feed position."""
        asked = task_service_pb2.ListTasksRequest()
        asked.CopyFrom(request)
        asked.namespace = asked.namespace or self._namespace
        return await self._connection.call(lambda stubs: stubs.tasks.ListTasks, asked)

    async def list(
        self,
        *,
        queue: str = "",
        states: Sequence[task_pb2.TaskState.ValueType] = (),
        kind: str = "",
        agent_id: str = "",
        labels: Mapping[str, str] | None = None,
        failure_reason: task_pb2.FailureReason.ValueType = task_pb2.FAILURE_REASON_UNSPECIFIED,
    ) -> AsyncIterator[task_pb2.Task]:
        """All tasks that match, newest first, page by page as they are asked for."""
        request = task_service_pb2.ListTasksRequest(
            queue=queue,
            states=states,
            kind=kind,
            agent_id=agent_id,
            labels=labels or {},
            failure_reason=failure_reason,
            namespace=self._namespace,
            page_size=limits.PAGE_SIZE_MAX,
        )
        async for page in self._connection.pages(lambda stubs: stubs.tasks.ListTasks, request):
            for task in page.tasks:
                yield task

    async def watch(
        self, task_id: str, *, follow_output: bool = False
    ) -> AsyncGenerator[task_service_pb2.WatchTaskResponse, None]:
        """The task whenever it changed, up to the terminal state, over any number of broken streams."""
        request = task_service_pb2.WatchTaskRequest(
            namespace=self._namespace, task_id=task_id, follow_output=follow_output
        )
        pause = Backoff()
        while True:
            stream = self._connection.stream(lambda stubs: stubs.tasks.WatchTask(request))
            async with aclosing(stream) as updates:
                async for update in updates:
                    pause.reset()
                    yield update
                    if update.HasField("task") and is_terminal(update.task.state):
                        return
            await pause.wait()  # It ended well before the task did: a coordinator that stops, politely.

    async def cancel(self, task_id: str, *, reason: str = "", request_id: str | None = None) -> task_pb2.Task:
        """Asks for a cancel; the task as it stands then."""
        request = task_service_pb2.CancelTaskRequest(
            namespace=self._namespace, task_id=task_id, reason=reason, request_id=request_id or new_request_id()
        )
        return (await self._connection.call(lambda stubs: stubs.tasks.CancelTask, request)).task

    async def retry(self, task_id: str, *, request_id: str | None = None) -> task_service_pb2.RetryTaskResponse:
        """Makes a new task of a terminal one. Raises FailedPrecondition if it is not terminal."""
        request = task_service_pb2.RetryTaskRequest(
            namespace=self._namespace, task_id=task_id, request_id=request_id or new_request_id()
        )
        return await self._connection.call(lambda stubs: stubs.tasks.RetryTask, request)

    def change_many(
        self, request: task_service_pb2.BulkChangeTasksRequest
    ) -> AsyncIterator[task_service_pb2.BulkChangeTasksResponse]:
        """Cancels, retries, reprioritises or moves all tasks that the filter wants, oldest first, page by page as the
        pages are asked for.

        Fills in the namespace and the request id where they are empty. Repeated with the same request id, a retry makes
        nothing twice.
        """
        asked = task_service_pb2.BulkChangeTasksRequest()
        asked.CopyFrom(request)
        asked.filter.namespace = asked.filter.namespace or self._namespace
        asked.request_id = asked.request_id or new_request_id()
        return self._connection.pages(lambda stubs: stubs.tasks.BulkChangeTasks, asked)

    async def attempts(self, task_id: str) -> Sequence[task_pb2.Attempt]:
        """All attempts, oldest first."""
        request = task_service_pb2.ListAttemptsRequest(
            namespace=self._namespace, task_id=task_id, page_size=limits.PAGE_SIZE_MAX
        )
        pages = self._connection.pages(lambda stubs: stubs.tasks.ListAttempts, request)
        return [attempt async for page in pages for attempt in page.attempts]

    def _completed(self, request: task_service_pb2.CreateTaskRequest) -> task_service_pb2.CreateTaskRequest:
        if request.spec.namespace and request.request_id:
            return request
        completed = task_service_pb2.CreateTaskRequest()
        completed.CopyFrom(request)
        completed.spec.namespace = request.spec.namespace or self._namespace
        completed.request_id = request.request_id or new_request_id()
        return completed


def _names_places(request: task_service_pb2.CreateTaskRequest) -> bool:
    return any(name.startswith("#") for name in request.spec.depends_on)


def queue_refusal(result: task_service_pb2.BatchCreateTasksResult) -> QueueRefused | None:
    """The error of an item that its queue refused; None for any other."""
    error = call_error_of_status(result.error) if result.HasField("error") else None
    return error if isinstance(error, QueueRefused) else None


def is_terminal(state: task_pb2.TaskState.ValueType) -> bool:
    """Whether a task in this state has ended for good."""
    return state in _TERMINAL


_TERMINAL = frozenset(
    {
        task_pb2.TASK_STATE_SUCCEEDED,
        task_pb2.TASK_STATE_FAILED,
        task_pb2.TASK_STATE_CANCELLED,
        task_pb2.TASK_STATE_EXPIRED,
    }
)
