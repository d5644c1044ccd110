"""Reads the backlog: which groups of ready tasks there are, and the next tasks of one, by key."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, func, select, text, tuple_

from services.domain.requirements import Requirements
from services.domain.task import Avoided, TaskState
from services.store.schema import needs, tasks

# Written out, not bound: SQLite uses a partial index only for a condition that it can see.
IS_READY = text(f"tasks.state = {int(TaskState.PENDING)}")

decode_avoid = msgspec.json.Decoder(tuple[Avoided, ...]).decode
decode_requirements = msgspec.json.Decoder(Requirements).decode


class BacklogGroup(msgspec.Struct, frozen=True):
    """How many tasks of a group are ready."""

    namespace: str
    queue: str
    priority: int
    needs_id: str
    kind: str
    requirements: Requirements
    count: int


class BacklogTask(msgspec.Struct, frozen=True, gc=False):
    """A ready task, as far as the scheduler is concerned."""

    task_id: str
    queued_time: int
    affinity_key: str
    avoid: tuple[Avoided, ...]


def read_groups(connection: Connection) -> list[BacklogGroup]:
    """Every group with ready tasks. Walks the index of ready tasks once."""
    column = tasks.c
    key = (column.namespace, column.queue, column.priority, column.needs_id)
    counts = (
        select(*key, func.min(column.kind).label("kind"), func.count().label("tasks"))
        .where(IS_READY)
        .group_by(*key)
        .subquery()
    )
    query = select(counts, needs.c.requirements).join(needs, needs.c.id == counts.c.needs_id)
    return [
        BacklogGroup(
            row.namespace,
            row.queue,
            row.priority,
            row.needs_id,
            row.kind,
            decode_requirements(row.requirements),
            row.tasks,
        )
        for row in connection.execute(query)
    ]


def read_ready(
    connection: Connection, group: tuple[str, str, int, str], *, after: tuple[int, str], limit: int
) -> Sequence[BacklogTask]:
    """The next ready tasks of a group behind a key (queued time, id), oldest first."""
    column = tasks.c
    namespace, queue, priority, needs_id = group
    query = (
        select(column.id, column.queued_time, column.affinity_key, column.avoid)
        .where(
            IS_READY,
            column.namespace == namespace,
            column.queue == queue,
            column.priority == priority,
            column.needs_id == needs_id,
            tuple_(column.queued_time, column.id) > tuple_(*after),
        )
        .order_by(column.queued_time, column.id)
        .limit(limit)
    )
    return [
        BacklogTask(row.id, row.queued_time, row.affinity_key, decode_avoid(row.avoid or "[]"))
        for row in connection.execute(query)
    ]
