"""Reads the tasks that a change of many looks at, a page at a time."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from services.domain.task import Task
from services.domain.task_filter import TaskFilter
from services.store.row_reader import read_rows
from services.store.task_index import find_oldest_tasks


class BulkPage(msgspec.Struct, frozen=True):
    """Tasks, oldest first. `last` is where to go on, None at the end."""

    tasks: list[Task]
    last: str | None


def read_bulk_page(connection: Connection, filter_: TaskFilter, *, after: str, until: str, limit: int) -> BulkPage:
    """The oldest tasks that the filter wants, with ids between these two. A page may be short without being the last:
    how many rows one page looks at is bounded.
    """
    page = find_oldest_tasks(connection, filter_, after=after, until=until, limit=limit)
    rows = read_rows(connection, task_ids=page.ids, agents=(), queues=())
    return BulkPage(sorted(rows.tasks, key=lambda task: task.id), page.last)
