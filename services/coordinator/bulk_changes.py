"""TaskService.BulkChangeTasks: one change of all tasks that a filter wants, a page at a time, oldest first.

A page is found by a read, and changed by commands that look at each task again. They are small: a flush that loses
against another coordinator is made again whole, and one task among few is rarely the one that others change, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial

from missioncontrol.v1 import task_service_pb2 as wire

from services.coordinator.limits import BULK_COMMAND_TASKS_MAX, BULK_PAGE_SIZE_DEFAULT
from services.coordinator.membership import Membership
from services.domain.commands import CreateAnswer, NewTask
from services.domain.errors import InvalidArgument, MissionControlError
from services.domain.task import Task
from services.domain.task_changes import Cancel, ChangeTasks, TaskChange, is_changed
from services.domain.task_filter import TaskFilter
from services.store.bulk import read_bulk_page
from services.store.documents import read_documents
from services.store.journal import Journal
from services.store.readers import Readers
from services.transport import convert_bulk, convert_task
from services.transport.page_token import read_page_token, write_page_token

Submit = Callable[[list[NewTask]], Awaitable[list[CreateAnswer]]]

# Beyond every id: ids are lower-case hexadecimal.
BEYOND = "~"


class BulkChanges:
    """See the module. `submit` makes new tasks as any other submit does."""

    def __init__(self, journal: Journal, readers: Readers, membership: Membership, submit: Submit) -> None:
        self._journal = journal
        self._readers = readers
        self._membership = membership
        self._submit = submit

    async def page(self, request: wire.BulkChangeTasksRequest, filter_: TaskFilter) -> wire.BulkChangeTasksResponse:
        """Changes the tasks of one page, or tells which it would be. Raises InvalidArgument for an empty filter."""
        if filter_.is_empty:
            reason = "needs a condition: it would be every task of the namespace"
            raise InvalidArgument(f"filter: {reason}", fields=[("filter", reason)])
        change = convert_bulk.change(request)
        after, until = place_of(request)
        size = request.page_size or BULK_PAGE_SIZE_DEFAULT
        page = await self._readers.run(partial(read_bulk_page, filter_=filter_, after=after, until=until, limit=size))
        ids = [task.id for task in page.tasks if applies(task, change)]
        if not request.preview:
            retry = partial(self._retry, request_id=request.request_id)
            ids = await (retry(ids) if change is None else self._change(ids, filter_, change))
        return wire.BulkChangeTasksResponse(
            matched=len(page.tasks),
            changed=len(ids),
            skipped=len(page.tasks) - len(ids),
            task_ids=ids,
            next_page_token=write_page_token(request, None if page.last is None else f"{page.last} {until}"),
        )

    async def _change(self, ids: Sequence[str], filter_: TaskFilter, change: TaskChange) -> list[str]:
        """Changes those of the tasks that are still meant. Returns their ids."""
        if not isinstance(change, Cancel):
            self._membership.require_routing("tasks that wait cannot be changed")
        patch = convert_bulk.patch(change)
        commands = [ChangeTasks(filter_, part, change, patch) for part in parts(ids)]
        answers: list[list[str]] = await asyncio.gather(*map(self._journal.submit, commands))
        return [task_id for answer in answers for task_id in answer]

    async def _retry(self, ids: Sequence[str], *, request_id: str) -> list[str]:
        """Makes a new task of each. With a request id it is the same one, however often this is called.

        Raises what keeps one of them out; those before it are made, and found again under their request ids.
        """
        for part in parts(ids):
            stored = await self._readers.run(partial(read_documents, task_ids=part))
            again = [new_task(stored[task_id].document, task_id, request_id) for task_id in part if task_id in stored]
            for answer in await self._submit(again):
                if isinstance(answer, MissionControlError):
                    raise answer
        return list(ids)


def applies(task: Task, change: TaskChange | None) -> bool:
    """Whether the change does something to the task; None is another try."""
    return task.terminal if change is None else is_changed(task, change)


def place_of(request: wire.BulkChangeTasksRequest) -> tuple[str, str]:
    """Between which ids a page lies. Other tries end with what was there when they began: they make tasks themselves,
    which may fail, too.
    """
    place = read_page_token(request, "")
    if place:
        after, _, until = place.partition(" ")
        return after, until
    return "", convert_task.new_id() if request.WhichOneof("change") == "retry" else BEYOND


def new_task(document: bytes, task_id: str, request_id: str) -> NewTask:
    """The task that tries another one again."""
    name = f"bulk/{request_id}/{task_id}" if request_id else ""
    return convert_task.retry_task(document, wire.RetryTaskRequest(request_id=name), of=task_id)[0]


def parts(ids: Sequence[str]) -> Iterator[list[str]]:
    """The ids in lists of bounded length."""
    for start in range(0, len(ids), BULK_COMMAND_TASKS_MAX):
        yield list(ids[start : start + BULK_COMMAND_TASKS_MAX])
