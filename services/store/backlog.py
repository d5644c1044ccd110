"""Reads the backlog: which groups of ready tasks there are, and the next tasks of one, by key."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from sqlalchemy import Connection, func, select, text

from services.domain.requirements import Requirements
from services.domain.task import Avoided, TaskState
from services.store.schema import needs, tasks

# Written out, not bound: SQLite uses a partial index only for a condition that it can see.
IS_READY = text(f"tasks.state = {int(TaskState.PENDING)}")

decode_requirements = msgspec.json.Decoder(Requirements).decode


class BacklogGroup(msgspec.Struct, frozen=True):
    """How many tasks of a group are ready."""

    namespace: str
    queue: str
    priority: int
    needs_id: str
    shard: int
    fairness_key: str
    kind: str
    requirements: Requirements
    count: int


class BacklogTask(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A ready task, as far as the scheduler is concerned. `version` tells its row's states apart."""

    task_id: str
    queued_time: int
    affinity_key: str
    avoid: tuple[Avoided, ...]
    version: int = 1


# What tells groups apart.
GROUP_KEY = ("namespace", "queue", "priority", "needs_id", "shard", "fairness_key")

decode_ready = msgspec.json.Decoder(list[BacklogTask]).decode

# A thousand rows at a time: as one JSON array they take a third of the time that SQLAlchemy's rows take.
NEXT_READY = (
    "SELECT id, queued_time, affinity_key, avoid, version FROM tasks WHERE "
    f"state = {int(TaskState.PENDING)} AND namespace = :namespace AND queue = :queue AND priority = :priority "
    "AND needs_id = :needs_id AND shard = :shard AND fairness_key = :fairness_key "
    "AND (queued_time, id) > (:queued_time, :id) "
    "ORDER BY queued_time, id LIMIT :limit"
)
READ_READY = {
    "sqlite": text(
        "SELECT json_group_array(json_array(id, queued_time, affinity_key, json(coalesce(avoid, '[]')), version)) "
        f"FROM ({NEXT_READY})"
    ),
    "postgresql": text(
        "SELECT coalesce(json_agg(json_build_array("
        "id, queued_time, affinity_key, CAST(coalesce(avoid, '[]') AS json), version)), '[]')::text "
        f"FROM ({NEXT_READY}) AS t"
    ),
}


def read_groups(connection: Connection, shards: Collection[int]) -> list[BacklogGroup]:
    """Every group with ready tasks in these shards. Walks the index of ready tasks once."""
    column = tasks.c
    key = [column[name] for name in GROUP_KEY]
    counts = (
        select(*key, func.min(column.kind).label("kind"), func.count().label("tasks"))
        .where(IS_READY, column.shard.in_(sorted(shards)))
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
            row.shard,
            row.fairness_key,
            row.kind,
            decode_requirements(row.requirements),
            row.tasks,
        )
        for row in connection.execute(query)
    ]


def read_ready(
    connection: Connection, group: tuple[str, str, int, str, int, str], *, after: tuple[int, str], limit: int
) -> list[BacklogTask]:
    """The next ready tasks of a group behind a key (queued time, id), oldest first."""
    key = dict(zip(GROUP_KEY, group, strict=True))
    place = {"queued_time": after[0], "id": after[1], "limit": limit}
    found: str = connection.execute(READ_READY[connection.dialect.name], {**key, **place}).scalar_one()
    # Neither database promises that an aggregate keeps the order of what it aggregates.
    return sorted(decode_ready(found), key=by_key)


def by_key(task: BacklogTask) -> tuple[int, str]:
    """Where a task stands in its group."""
    return (task.queued_time, task.task_id)
