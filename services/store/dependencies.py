"""Reading which tasks wait for which. A link goes when the end of the one was taken into account by the other."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from sqlalchemy import Connection, Select, bindparam, func, select

from services.domain.links import Link
from services.domain.task import TERMINAL
from services.store.schema import dependencies, tasks

_DEPENDENTS = (
    select(dependencies.c.depends_on, dependencies.c.task_id)
    .where(dependencies.c.depends_on.in_(bindparam("task_ids", expanding=True)))
    .order_by(dependencies.c.depends_on, dependencies.c.task_id)
    .limit(bindparam("limit"))
)
_OPEN = (
    select(dependencies.c.depends_on)
    .join(tasks, tasks.c.id == dependencies.c.depends_on)
    .where(dependencies.c.task_id == bindparam("task_id"), tasks.c.state.not_in(sorted(TERMINAL)))
    .order_by(dependencies.c.depends_on)
)


def _waited_for() -> Select[str]:
    """The tasks that others wait for, after an id: one step in the index each, however many wait for it."""
    column = dependencies.c.depends_on
    first = select(func.min(column).label("id")).where(column > bindparam("after"))
    walk = first.cte("walk", recursive=True)
    further = select(func.min(column)).where(column > walk.c.id).correlate(walk).scalar_subquery()
    walk = walk.union_all(select(further).where(walk.c.id.is_not(None)))
    return select(walk.c.id).where(walk.c.id.is_not(None)).limit(bindparam("limit"))


_WAITED_FOR = _waited_for()
_ENDED = select(tasks.c.id).where(
    tasks.c.id.in_(bindparam("task_ids", expanding=True)), tasks.c.state.in_(sorted(TERMINAL))
)


class Unsettled(msgspec.Struct, frozen=True):
    """Tasks that have ended, and whose end was not taken into account by all that wait for them. `after` is where to
    go on; empty at the end, where the next pass begins anew.
    """

    task_ids: list[str]
    after: str


def read_dependents(connection: Connection, task_ids: Collection[str], *, limit: int) -> list[Link]:
    """The links to these tasks, by the task that is waited for, at most so many."""
    rows = connection.execute(_DEPENDENTS, {"task_ids": sorted(task_ids), "limit": limit})
    return [(row.depends_on, row.task_id) for row in rows]


def read_open_dependencies(connection: Connection, task_id: str) -> list[str]:
    """The tasks that a task depends on and that have not ended, oldest first: what keeps it BLOCKED."""
    return list(connection.scalars(_OPEN, {"task_id": task_id}))


def find_unsettled(connection: Connection, *, after: str, limit: int) -> Unsettled:
    """Looks at the next tasks that others wait for, after an id."""
    looked_at = list(connection.scalars(_WAITED_FOR, {"after": after, "limit": limit}))
    ended = list(connection.scalars(_ENDED, {"task_ids": looked_at})) if looked_at else []
    return Unsettled(sorted(ended), looked_at[-1] if len(looked_at) == limit else "")
