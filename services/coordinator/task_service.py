"""TaskService: submits tasks and tells where they are."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import aclosing, nullcontext
from functools import partial
from typing import Any

from missioncontrol.v1 import task_pb2, task_service_pb2_grpc
from missioncontrol.v1 import task_service_pb2 as wire

from services.coordinator import pages
from services.coordinator.batch import Batch, refuse_names
from services.coordinator.bulk_changes import BulkChanges
from services.coordinator.membership import Membership
from services.coordinator.output_relay import OutputFollower, OutputRelay
from services.coordinator.standing import StandingPlacements
from services.coordinator.waits import Waits
from services.coordinator.watchers import TaskWatch, TaskWatchers
from services.domain.commands import CancelTask, CreateAnswer, CreateTasks, NewTask, RequestKey
from services.domain.errors import FailedPrecondition, MissionControlError
from services.domain.event import Position
from services.domain.ledger import RequestRecord
from services.domain.stuck_group import StuckKey
from services.domain.task import Task, TaskState
from services.domain.task_filter import TaskFilter
from services.store.journal import Journal
from services.store.readers import Readers
from services.store.row_reader import read_requests
from services.store.tasks import StoredTask, get_task, list_attempts, list_tasks
from services.transport import convert_task
from services.transport.convert_task import DEFAULT_NAMESPACE
from services.transport.page_token import read_page_token, write_page_token
from services.transport.status import status_of


class TaskService(task_service_pb2_grpc.TaskServiceServicer):
    """See the contract."""

    def __init__(
        self,
        journal: Journal,
        readers: Readers,
        watchers: TaskWatchers,
        relay: OutputRelay,
        standing: StandingPlacements,
        waits: Waits,
        membership: Membership,
        *,
        on_refused: Callable[[MissionControlError], None],
    ) -> None:
        self._journal = journal
        self._standing = standing
        self._on_refused = on_refused
        self._readers = readers
        self._watchers = watchers
        self._relay = relay
        self._waits = waits
        self._membership = membership
        self._bulk = BulkChanges(journal, readers, membership, self._submit)

    async def CreateTask(self, request: wire.CreateTaskRequest, context: Any) -> wire.CreateTaskResponse:
        """Submits one task."""
        task, deduplicated = await self._create(convert_task.new_task(request), request.spec)
        return wire.CreateTaskResponse(task=task, deduplicated=deduplicated)

    async def BatchCreateTasks(
        self, request: wire.BatchCreateTasksRequest, context: Any
    ) -> wire.BatchCreateTasksResponse:
        """Submits many tasks; each has a result of its own."""
        batch = Batch(request)
        await batch.resolve(self._find_requests)
        answers = await self._submit(batch.tasks)
        response = wire.BatchCreateTasksResponse()
        for result in batch.results(answers):
            if isinstance(result, MissionControlError):
                self._on_refused(result)
            put_result(response, result)
        return response

    async def GetTask(self, request: wire.GetTaskRequest, context: Any) -> wire.GetTaskResponse:
        """Reads one task whole."""
        stored, position = await self._read(request.namespace, request.task_id)
        return wire.GetTaskResponse(task=self._whole(stored), position=str(position))

    async def ListTasks(self, request: wire.ListTasksRequest, context: Any) -> wire.ListTasksResponse:
        """Lists tasks, newest first."""
        before = read_page_token(request, "")
        limit = pages.size_of(request.page_size)
        page = await self._readers.run(partial(list_tasks, filter_=task_filter(request), before=before, limit=limit))
        tasks = pages.fitting(self._waits.put_into(light_task(stored), stored) for stored in page.tasks)
        more = page.before if len(tasks) == len(page.tasks) else tasks[-1].id
        token = write_page_token(request, more)
        return wire.ListTasksResponse(tasks=tasks, next_page_token=token, position=str(page.position))

    async def WatchTask(self, request: wire.WatchTaskRequest, context: Any) -> AsyncGenerator[wire.WatchTaskResponse]:
        """Sends the task now and whenever it changed, until it is terminal."""
        namespace = request.namespace or DEFAULT_NAMESPACE
        with self._watchers.watch(request.task_id) as watch:
            stored, _ = await self._read(namespace, request.task_id)
            yield wire.WatchTaskResponse(task=self._whole(stored))
            if stored.row.terminal:
                return
            follow = self._relay.follow(namespace, request.task_id, wake=watch.wake)
            with follow if request.follow_output else nullcontext() as output:
                async with aclosing(self._updates(stored, watch, output)) as updates:
                    async for response in updates:
                        yield response

    async def CancelTask(self, request: wire.CancelTaskRequest, context: Any) -> wire.CancelTaskResponse:
        """Asks for a cancel."""
        namespace = request.namespace or DEFAULT_NAMESPACE
        await self._journal.submit(CancelTask(namespace, request.task_id, request.reason))
        stored, _ = await self._read(namespace, request.task_id)
        return wire.CancelTaskResponse(task=light_task(stored))

    async def RetryTask(self, request: wire.RetryTaskRequest, context: Any) -> wire.RetryTaskResponse:
        """Makes a new task with the spec of a terminal one."""
        stored, _ = await self._read(request.namespace, request.task_id)
        if not stored.row.terminal:
            state = stored.row.state.name
            reason = f"task {request.task_id} is {state}: only a task that has ended can be tried again"
            raise FailedPrecondition(reason, task_id=request.task_id, state=state)
        new, spec = convert_task.retry_task(stored.document, request, of=stored.row.id)
        task, deduplicated = await self._create(new, spec)
        return wire.RetryTaskResponse(task=task, deduplicated=deduplicated)

    async def ListAttempts(self, request: wire.ListAttemptsRequest, context: Any) -> wire.ListAttemptsResponse:
        """Lists a task's attempts, oldest first."""
        namespace = request.namespace or DEFAULT_NAMESPACE
        after = read_page_token(request, 0)
        limit = pages.size_of(request.page_size)
        read = partial(list_attempts, namespace=namespace, task_id=request.task_id, after=after, limit=limit)
        page = await self._readers.run(read)
        attempts = pages.fitting(
            convert_task.attempt_message(attempt, progress=None if attempt.end_time else page.progress)
            for attempt in page.attempts
        )
        more = page.after if len(attempts) == len(page.attempts) else attempts[-1].token
        token = write_page_token(request, more)
        return wire.ListAttemptsResponse(attempts=attempts, next_page_token=token, position=str(page.position))

    async def BulkChangeTasks(self, request: wire.BulkChangeTasksRequest, context: Any) -> wire.BulkChangeTasksResponse:
        """Does one thing with many tasks."""
        return await self._bulk.page(request, task_filter(request.filter))

    async def _create(self, new: NewTask, spec: task_pb2.TaskSpec) -> tuple[task_pb2.Task, bool]:
        """Submits one task. Returns it without its payload, and whether it is of an earlier submit."""
        refuse_names(new)
        [answer] = await self._submit([new])
        if isinstance(answer, MissionControlError):
            self._on_refused(answer)
            raise answer
        if answer.task is None or answer.task.terminal:  # it ended at once if what it depends on has failed
            stored, _ = await self._read(new.namespace, answer.task_id)
            return light_task(stored), answer.deduplicated
        spec.ClearField("payload")
        return convert_task.task(answer.task, spec=spec), False

    def _require_dependencies(self, tasks: Sequence[NewTask]) -> None:
        """Raises FailedPrecondition for tasks that wait for others, while a coordinator is there that knows none."""
        if any(new.depends_on for new in tasks):
            self._membership.require_routing("tasks cannot depend on others")

    async def _find_requests(self, keys: Collection[RequestKey]) -> list[RequestRecord]:
        return await self._readers.run(partial(read_requests, keys=keys))

    async def _submit(self, tasks: list[NewTask]) -> list[CreateAnswer]:
        """Makes these tasks, each to be leased at once where an agent stands ready."""
        if not tasks:
            return []
        self._require_dependencies(tasks)
        command = CreateTasks(tasks, self._standing.choose(tasks, time.time_ns() // 1000))
        answers: list[CreateAnswer] = await self._journal.submit(command)
        return answers

    async def _read(self, namespace: str, task_id: str) -> tuple[StoredTask, Position]:
        return await self._readers.run(partial(get_task, namespace=namespace or DEFAULT_NAMESPACE, task_id=task_id))

    def _whole(self, stored: StoredTask) -> task_pb2.Task:
        """A task with payload, output and usage, and why it waits."""
        return self._waits.put_into(whole_task(stored), stored)

    async def _updates(
        self, sent: StoredTask, watch: TaskWatch, output: OutputFollower | None
    ) -> AsyncGenerator[wire.WatchTaskResponse]:
        """What comes after the first message: output as it arrives, and the task when it changed, the last one last."""
        while not sent.row.terminal:
            watch.wait_with(group_of(sent.row))
            changed = await watch.wait()
            stored = (await self._read(sent.row.namespace, sent.row.id))[0] if changed else sent
            for chunk in output.take() if output is not None else ():
                yield wire.WatchTaskResponse(output=chunk)
            if stored.row.version > sent.row.version or stored.stuck != sent.stuck:
                sent = stored
                yield wire.WatchTaskResponse(task=self._whole(stored))


def group_of(row: Task) -> StuckKey | None:
    """What a task waits with for an agent; None if it does not."""
    return (row.namespace, row.queue, row.priority, row.needs_id) if row.state is TaskState.PENDING else None


def put_result(response: wire.BatchCreateTasksResponse, answer: CreateAnswer) -> None:
    """Adds what became of one submit."""
    if isinstance(answer, MissionControlError):
        response.results.add(error=status_of(answer))
    else:
        response.results.add(task_id=answer.task_id, deduplicated=answer.deduplicated)


def task_filter(request: wire.ListTasksRequest | wire.TaskFilter) -> TaskFilter:
    """Which tasks a request asks for. An unspecified state means any."""
    states = frozenset(request.states)
    return TaskFilter(
        namespace=request.namespace or DEFAULT_NAMESPACE,
        queue=request.queue,
        states=frozenset() if task_pb2.TASK_STATE_UNSPECIFIED in states else states,
        kind=request.kind,
        agent_id=request.agent_id,
        labels=dict(request.labels),
        failure_reason=request.failure_reason,
    )


def whole_task(stored: StoredTask) -> task_pb2.Task:
    """A task with payload, output and usage."""
    spec = convert_task.spec_of(stored.document)
    return task_message(stored, spec)


def light_task(stored: StoredTask) -> task_pb2.Task:
    """A task without payload, output and usage."""
    spec = convert_task.spec_without_payload(stored.document)
    message = task_message(stored, spec)
    message.ClearField("output")
    message.ClearField("usage")
    return message


def task_message(stored: StoredTask, spec: task_pb2.TaskSpec) -> task_pb2.Task:
    """A task with all that is kept of it."""
    return convert_task.task(
        stored.row, spec=spec, attempt=stored.attempt, progress=stored.progress, failure=stored.failure
    )
