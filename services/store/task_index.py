"""Finding the ids of tasks that a filter wants, newest first, at a cost that a million other tasks do not raise.

Ids sort by the time of their making, so newest first is the primary key backwards. Where the wanted states are rare,
their own partial index is asked; otherwise the key is walked, and only so far: a page may then be short without being
the last.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, exists, func, select, text, true
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from services.domain.failure import FailureReason
from services.domain.task import HELD, TaskState
from services.store.limits import TASKS_SCAN_MAX
from services.store.schema import UNSUCCESSFUL, states, task_details, tasks


class TaskFilter(msgspec.Struct, frozen=True, kw_only=True):
    """All that are set must hold; what is empty asks for nothing."""

    namespace: str
    queue: str = ""
    states: frozenset[int] = frozenset()
    kind: str = ""
    agent_id: str = ""
    labels: Mapping[str, str] = {}
    failure_reason: int = 0


class IdPage(msgspec.Struct, frozen=True):
    """Ids, newest first. `before` is where to go on, None at the end."""

    ids: list[str]
    before: str | None


# Sets of states that have an index of their own, by the condition that the index has.
_INDEXED: tuple[tuple[frozenset[int], str], ...] = (
    (frozenset({TaskState.SCHEDULED}), f"tasks.state = {int(TaskState.SCHEDULED)}"),
    (frozenset({TaskState.BLOCKED}), f"tasks.state = {int(TaskState.BLOCKED)}"),
    (frozenset({TaskState.PENDING}), f"tasks.state = {int(TaskState.PENDING)}"),
    (frozenset(HELD), f"tasks.state IN ({states(HELD)})"),
    (frozenset(UNSUCCESSFUL), f"tasks.state IN ({states(UNSUCCESSFUL)})"),
)
# Beyond every id: ids are lower-case hexadecimal.
_BEYOND = "~"


def find_tasks(connection: Connection, filter_: TaskFilter, *, before: str, limit: int) -> IdPage:
    """The newest tasks that the filter wants and are older than `before` (empty: from the newest), at most `limit`."""
    wanted = filter_.states
    if filter_.failure_reason:
        wanted = frozenset({int(TaskState.FAILED)}) & (wanted or {int(TaskState.FAILED)})
        if not wanted:
            return IdPage([], None)
    filter_ = msgspec.structs.replace(filter_, states=wanted)
    before = before or _BEYOND
    conditions = _indexes_of(connection, filter_)
    if conditions is None:
        return _walk(connection, filter_, before=before, limit=limit)
    return _search(connection, filter_, conditions, before=before, limit=limit)


def _indexes_of(connection: Connection, filter_: TaskFilter) -> list[str] | None:
    """The conditions of the indexes that hold all wanted states; None if walking the key is better."""
    if not filter_.states or TaskState.SUCCEEDED in filter_.states:
        return None
    conditions = [condition for held, condition in _INDEXED if held & filter_.states]
    return conditions if all(_is_small(connection, filter_.namespace, condition) for condition in conditions) else None


def _is_small(connection: Connection, namespace: str, condition: str) -> bool:
    """Whether so few tasks are in the index that all of them can be looked at."""
    some = select(tasks.c.id).where(text(condition), tasks.c.namespace == namespace).limit(TASKS_SCAN_MAX).subquery()
    count = connection.scalar(select(func.count()).select_from(some))
    return count is not None and count < TASKS_SCAN_MAX


def _search(
    connection: Connection, filter_: TaskFilter, conditions: Iterable[str], *, before: str, limit: int
) -> IdPage:
    """Asks each index, and merges."""
    found: list[str] = []
    for condition in conditions:
        statement = _matching(filter_).where(text(condition), tasks.c.id < before).limit(limit + 1)
        found += connection.scalars(statement)
    newest = heapq.nlargest(limit + 1, found)
    return IdPage(newest[:limit], newest[limit - 1] if len(newest) > limit else None)


def _walk(connection: Connection, filter_: TaskFilter, *, before: str, limit: int) -> IdPage:
    """Walks the key, a bounded number of rows."""
    keys = select(tasks.c.id).where(tasks.c.id < before).order_by(tasks.c.id.desc())
    last = connection.scalar(keys.offset(TASKS_SCAN_MAX - 1).limit(1))
    statement = _matching(filter_).where(tasks.c.id < before, tasks.c.id >= (last or "")).limit(limit + 1)
    found = list(connection.scalars(statement))
    if len(found) > limit:
        return IdPage(found[:limit], found[limit - 1])
    return IdPage(found, last)


def _matching(filter_: TaskFilter) -> Select[str]:
    """Ids of the tasks that the filter wants, newest first."""
    statement = select(tasks.c.id).where(tasks.c.namespace == filter_.namespace).order_by(tasks.c.id.desc())
    if filter_.states:
        statement = statement.where(tasks.c.state.in_(sorted(filter_.states)))
    if filter_.queue:
        statement = statement.where(tasks.c.queue == filter_.queue)
    if filter_.kind:
        statement = statement.where(tasks.c.kind == filter_.kind)
    if filter_.agent_id:
        # The row of a task that waits still names the agent that it had last.
        waiting = (int(TaskState.SCHEDULED), int(TaskState.PENDING))
        statement = statement.where(tasks.c.agent_id == filter_.agent_id, tasks.c.state.not_in(waiting))
    if filter_.failure_reason:
        statement = statement.where(tasks.c.failure_reason == FailureReason(filter_.failure_reason))
    for key, value in filter_.labels.items():
        statement = statement.where(_has_label(key, value))
    return statement


class labels_of(GenericFunction[str]):  # noqa: N801 - a function of SQL
    """The labels in a column of JSON text, as rows of key and value."""

    inherit_cache = True


@compiles(labels_of, "sqlite")
def _labels_on_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(labels_of, "postgresql")
def _labels_on_postgres(element: Any, compiler: Any, **options: Any) -> str:
    return f"json_each_text(({compiler.process(element.clauses, **options)})::json)"


def _has_label(key: str, value: str) -> ColumnElement[bool]:
    """Whether the task has this label."""
    entry = labels_of(task_details.c.labels).table_valued("key", "value")
    return exists(
        select(1)
        .select_from(task_details.join(entry, true()))
        .where(task_details.c.task_id == tasks.c.id, entry.c.key == key, entry.c.value == value)
        .correlate(tasks)
    )
