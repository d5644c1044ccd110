"""Reading tasks and their attempts. Each read names the position it is consistent with, and asks for the namespace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, bindparam, literal, select

from services.domain.errors import NotFound
from services.domain.event import Position
from services.domain.failure import Attempt, AttemptOutcome, Failure, Progress
from services.domain.task import Task
from services.domain.task_filter import TaskFilter
from services.store import values
from services.store.feed import read_position
from services.store.limits import PAGE_DOCUMENT_BYTES_MAX
from services.store.schema import agents, attempts, task_details, tasks
from services.store.task_index import find_tasks


class StoredTask(msgspec.Struct, frozen=True):
    """A task with what lies apart from its row. `attempt` is the last one that ended, if no other was granted since.

    `failure` says why it ended, if no attempt does.
    """

    row: Task
    document: bytes
    progress: Progress | None
    attempt: Attempt | None
    failure: Failure | None = None


class TaskPage(msgspec.Struct, frozen=True):
    """Tasks, newest first. `before` is where to go on, None at the end. Without outputs and usage."""

    tasks: list[StoredTask]
    before: str | None
    position: Position


class AttemptPage(msgspec.Struct, frozen=True):
    """Attempts, oldest first; the current one is the last and has no end. `after` is where to go on."""

    attempts: list[Attempt]
    progress: Progress | None  # of the current attempt
    after: int | None
    position: Position


_LAST_ATTEMPT = and_(attempts.c.task_id == tasks.c.id, attempts.c.token == tasks.c.token)
_JOINED = tasks.join(task_details, task_details.c.task_id == tasks.c.id).outerjoin(attempts, _LAST_ATTEMPT)
_DETAILS = (task_details.c.document, task_details.c.progress, task_details.c.failure)
_LIGHT_ATTEMPT = [column if column.name not in {"output", "usage"} else literal(b"") for column in attempts.columns]

_GET = select(*tasks.columns, *_DETAILS, *attempts.columns).select_from(_JOINED)
_GET = _GET.where(tasks.c.namespace == bindparam("namespace"), tasks.c.id == bindparam("task_id"))
_GET_MANY = select(*tasks.columns, *_DETAILS, *_LIGHT_ATTEMPT).select_from(_JOINED)
_GET_MANY = _GET_MANY.where(
    tasks.c.namespace == bindparam("namespace"), tasks.c.id.in_(bindparam("task_ids", expanding=True))
).order_by(tasks.c.id.desc())
_ATTEMPTS = (
    select(attempts)
    .where(attempts.c.task_id == bindparam("task_id"), attempts.c.token > bindparam("after"))
    .order_by(attempts.c.token)
    .limit(bindparam("limit"))
)
_INCARNATION = select(agents.c.incarnation).where(
    agents.c.namespace == bindparam("namespace"), agents.c.id == bindparam("agent_id")
)


def get_task(connection: Connection, namespace: str, task_id: str) -> tuple[StoredTask, Position]:
    """One task, whole. Raises NotFound, with the same words for foreign and missing ones."""
    row = connection.execute(_GET, {"namespace": namespace, "task_id": task_id}).one_or_none()
    if row is None:
        raise NotFound(f"there is no task {task_id} in namespace {namespace}", task_id=task_id)
    return _stored(row), read_position(connection)


def list_tasks(connection: Connection, filter_: TaskFilter, *, before: str, limit: int) -> TaskPage:
    """The newest tasks that the filter wants. A page may be short without being the last."""
    page = find_tasks(connection, filter_, before=before, limit=limit)
    found = _read_many(connection, filter_.namespace, page.ids) if page.ids else []
    more = page.last if len(found) == len(page.ids) else found[-1].row.id
    return TaskPage(found, more, read_position(connection))


def list_attempts(connection: Connection, namespace: str, task_id: str, *, after: int, limit: int) -> AttemptPage:
    """A task's attempts after a token. Raises NotFound."""
    stored, position = get_task(connection, namespace, task_id)
    page, whole = _read_attempts(connection, task_id, after=after, limit=limit)
    if whole and stored.row.held and stored.row.token > after:
        page.append(_current(connection, stored.row))
        whole = len(page) <= limit
    more = None if whole else page[:limit][-1].token
    return AttemptPage(page[:limit], stored.progress if stored.row.held else None, more, position)


def _read_many(connection: Connection, namespace: str, task_ids: Sequence[str]) -> list[StoredTask]:
    """The first of these tasks, newest first, as many as their documents allow; at least one."""
    found: list[StoredTask] = []
    size = 0
    with connection.execute(_GET_MANY, {"namespace": namespace, "task_ids": task_ids}) as result:
        for row in result:
            found.append(_stored(row))
            size += len(found[-1].document)
            if size > PAGE_DOCUMENT_BYTES_MAX:
                break
    return found


def _stored(row: Sequence[Any]) -> StoredTask:
    task = values.task(row[: values.TASK_COLUMNS])
    document, progress, failure, *last = row[values.TASK_COLUMNS :]
    attempt = values.attempt(last) if last[0] is not None else None
    return StoredTask(task, document, values.progress(progress), attempt, values.failure(failure))


def _read_attempts(connection: Connection, task_id: str, *, after: int, limit: int) -> tuple[list[Attempt], bool]:
    """Attempts that have ended, as many as their outputs allow, and whether these are all of them."""
    page: list[Attempt] = []
    size = 0
    with connection.execute(_ATTEMPTS, {"task_id": task_id, "after": after, "limit": limit + 1}) as result:
        for row in result:
            if len(page) == limit or size > PAGE_DOCUMENT_BYTES_MAX:
                return page, False
            page.append(values.attempt(row))
            size += len(page[-1].output)
    return page, True


def _current(connection: Connection, row: Task) -> Attempt:
    """The current attempt, which has no row of its own."""
    keys = {"namespace": row.namespace, "agent_id": row.agent_id}
    return Attempt(
        task_id=row.id,
        token=row.token,
        agent_id=row.agent_id,
        incarnation=connection.scalar(_INCARNATION, keys) or "",
        grant_time=row.grant_time,
        start_time=row.start_time,
        end_time=0,
        outcome=AttemptOutcome.UNSPECIFIED,
    )
