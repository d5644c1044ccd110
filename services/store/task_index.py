"""Finding the ids of tasks that a filter wants, in order, at a cost that a million other tasks do not raise.

Ids sort by the time of their making, so newest first is the primary key backwards, and oldest first forwards. Where
the wanted states are rare, their own partial index is asked; otherwise the key is walked, and only so far: a page may
then be short without being the last.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, exists, func, select, text, true
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from services.domain.failure import FailureReason
from services.domain.task import HELD, TaskState
from services.domain.task_filter import WAITING, TaskFilter
from services.store.limits import TASKS_SCAN_MAX
from services.store.schema import UNSUCCESSFUL, states, task_details, tasks


class IdPage(msgspec.Struct, frozen=True):
    """Ids, in the order that was asked for. `last` is where to go on, None at the end."""

    ids: list[str]
    last: str | None


class Order(msgspec.Struct, frozen=True):
    """A direction in which ids are walked: the conditions on what lies behind an id and up to one, and the first of
    several.
    """

    behind: Callable[[str], ColumnElement[bool]]
    up_to: Callable[[str], ColumnElement[bool]]
    by: ColumnElement[str]
    first: Callable[[int, list[str]], list[str]]


NEWEST_FIRST = Order(
    behind=lambda id_: tasks.c.id < id_, up_to=lambda id_: tasks.c.id >= id_, by=tasks.c.id.desc(), first=heapq.nlargest
)
OLDEST_FIRST = Order(
    behind=lambda id_: tasks.c.id > id_, up_to=lambda id_: tasks.c.id <= id_, by=tasks.c.id.asc(), first=heapq.nsmallest
)


class Walk(msgspec.Struct, frozen=True):
    """Where a page begins and how it goes on; at most `limit` ids, all of them below `until`."""

    order: Order
    behind: str
    until: str
    limit: int


# Sets of states that have an index of their own, by the condition that the index has.
_INDEXED: tuple[tuple[frozenset[int], str], ...] = (
    (frozenset({TaskState.SCHEDULED}), f"tasks.state = {int(TaskState.SCHEDULED)}"),
    (frozenset({TaskState.BLOCKED}), f"tasks.state = {int(TaskState.BLOCKED)}"),
    (frozenset({TaskState.PENDING}), f"tasks.state = {int(TaskState.PENDING)}"),
    (frozenset(HELD), f"tasks.state IN ({states(HELD)})"),
    (frozenset(UNSUCCESSFUL), f"tasks.state IN ({states(UNSUCCESSFUL)})"),
)
_HAVE_INDEX = frozenset(chain.from_iterable(held for held, _ in _INDEXED))
# Beyond every id: ids are lower-case hexadecimal.
_BEYOND = "~"


def find_tasks(connection: Connection, filter_: TaskFilter, *, before: str, limit: int) -> IdPage:
    """The newest tasks that the filter wants and are older than `before` (empty: from the newest), at most `limit`."""
    return _find(connection, filter_, Walk(NEWEST_FIRST, before or _BEYOND, _BEYOND, limit))


def find_oldest_tasks(connection: Connection, filter_: TaskFilter, *, after: str, until: str, limit: int) -> IdPage:
    """The oldest tasks that the filter wants, with ids between these two, at most `limit`."""
    return _find(connection, filter_, Walk(OLDEST_FIRST, after, until, limit))


def _find(connection: Connection, filter_: TaskFilter, walk: Walk) -> IdPage:
    wanted = filter_.states
    if filter_.failure_reason:
        wanted = frozenset({int(TaskState.FAILED)}) & (wanted or {int(TaskState.FAILED)})
        if not wanted:
            return IdPage([], None)
    filter_ = msgspec.structs.replace(filter_, states=wanted)
    conditions = _indexes_of(connection, filter_)
    if conditions is None:
        return _walk(connection, filter_, walk)
    return _search(connection, filter_, conditions, walk)


def _indexes_of(connection: Connection, filter_: TaskFilter) -> list[str] | None:
    """The conditions of the indexes that hold all wanted states; None if walking the key is better."""
    if not filter_.states or not filter_.states <= _HAVE_INDEX:
        return None
    conditions = [condition for held, condition in _INDEXED if held & filter_.states]
    return conditions if all(_is_small(connection, filter_.namespace, condition) for condition in conditions) else None


def _is_small(connection: Connection, namespace: str, condition: str) -> bool:
    """Whether so few tasks are in the index that all of them can be looked at."""
    some = select(tasks.c.id).where(text(condition), tasks.c.namespace == namespace).limit(TASKS_SCAN_MAX).subquery()
    count = connection.scalar(select(func.count()).select_from(some))
    return count is not None and count < TASKS_SCAN_MAX


def _search(connection: Connection, filter_: TaskFilter, conditions: Iterable[str], walk: Walk) -> IdPage:
    """Asks each index, and merges."""
    found: list[str] = []
    for condition in conditions:
        found += connection.scalars(_matching(filter_, walk).where(text(condition)))
    first = walk.order.first(walk.limit + 1, found)
    return IdPage(first[: walk.limit], first[walk.limit - 1] if len(first) > walk.limit else None)


def _walk(connection: Connection, filter_: TaskFilter, walk: Walk) -> IdPage:
    """Walks the key, a bounded number of rows."""
    keys = select(tasks.c.id).where(walk.order.behind(walk.behind), tasks.c.id < walk.until).order_by(walk.order.by)
    last = connection.scalar(keys.offset(TASKS_SCAN_MAX - 1).limit(1))
    statement = _matching(filter_, walk)
    if last is not None:
        statement = statement.where(walk.order.up_to(last))
    found = list(connection.scalars(statement))
    if len(found) > walk.limit:
        return IdPage(found[: walk.limit], found[walk.limit - 1])
    return IdPage(found, last)


def _matching(filter_: TaskFilter, walk: Walk) -> Select[str]:
    """Ids of the next tasks that the filter wants, and of one more."""
    statement = select(tasks.c.id).where(tasks.c.namespace == filter_.namespace, walk.order.behind(walk.behind))
    statement = statement.where(tasks.c.id < walk.until).order_by(walk.order.by).limit(walk.limit + 1)
    if filter_.states:
        statement = statement.where(tasks.c.state.in_(sorted(filter_.states)))
    if filter_.queue:
        statement = statement.where(tasks.c.queue == filter_.queue)
    if filter_.kind:
        statement = statement.where(tasks.c.kind == filter_.kind)
    if filter_.agent_id:
        waiting = sorted(map(int, WAITING))
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
