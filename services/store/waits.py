"""Reading why tasks wait: what is noted of groups, how many go first, and which tasks others depend on."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec
from sqlalchemy import Connection, Select, and_, func, literal, or_, select, text, tuple_

from services.domain.queue import Queue
from services.domain.requirements import Requirements
from services.domain.stuck_group import StuckGroup, StuckKey
from services.domain.task import TERMINAL, Task, TaskState
from services.store import values
from services.store.backlog import IS_READY, decode_requirements
from services.store.limits import AHEAD_GROUPS_MAX, AHEAD_MAX, BLOCKERS_MAX
from services.store.queues import get_queue
from services.store.schema import dependencies, needs, states, stuck_groups, tasks
from services.store.tasks import StoredTask, get_task

_OPEN = text(f"tasks.state NOT IN ({states(TERMINAL)})")
_GROUP = (tasks.c.needs_id, tasks.c.shard, tasks.c.fairness_key)


def read_stuck(connection: Connection) -> list[StuckGroup]:
    """Every group that cannot be placed."""
    return [values.stuck(row) for row in connection.execute(select(stuck_groups))]


def find_over(connection: Connection, keys: Iterable[StuckKey], *, shards: Collection[int]) -> list[StuckKey]:
    """Those of the groups that whoever looks after these shards may call over, if nothing is said of them there.

    A task of them waits there, or nowhere. Where tasks wait in other shards only, that is for others to say.
    """
    found = []
    for namespace, queue, priority, needs_id in keys:
        of_group = (
            tasks.c.namespace == namespace,
            tasks.c.queue == queue,
            tasks.c.priority == priority,
            tasks.c.needs_id == needs_id,
        )
        waiting = select(literal(1)).where(IS_READY, *of_group).limit(1)
        here = tasks.c.shard.in_(sorted(shards))
        if connection.scalar(waiting.where(here)) or not connection.scalar(waiting):
            found.append((namespace, queue, priority, needs_id))
    return found


def count_ahead(connection: Connection, task: Task) -> int:
    """How many pending tasks of its queue go before a task by priority and time, counted up to a bound.

    Each group is counted along its own part of the index, so a million tasks behind this one cost nothing.
    """
    of_queue = (IS_READY, tasks.c.namespace == task.namespace, tasks.c.queue == task.queue)
    higher = select(literal(1)).where(*of_queue, tasks.c.priority > task.priority)
    count = _count(connection, higher, AHEAD_MAX)
    of_priority = (*of_queue, tasks.c.priority == task.priority)
    groups = select(*_GROUP).where(*of_priority).order_by(*_GROUP).limit(1)
    group = connection.execute(groups).one_or_none()
    for _ in range(AHEAD_GROUPS_MAX):
        if group is None or count >= AHEAD_MAX:
            break
        of_group = and_(*of_priority, *(column == value for column, value in zip(_GROUP, group, strict=True)))
        earlier = or_(
            tasks.c.queued_time < task.queued_time,
            and_(tasks.c.queued_time == task.queued_time, tasks.c.id < task.id),
        )
        in_time = tasks.c.queued_time <= task.queued_time
        count += _count(connection, select(literal(1)).where(of_group, in_time, earlier), AHEAD_MAX - count)
        group = connection.execute(groups.where(tuple_(*_GROUP) > tuple_(*group))).one_or_none()
    return count


def _count(connection: Connection, rows: Select[int], limit: int) -> int:
    return connection.scalar(select(func.count()).select_from(rows.limit(limit).subquery())) or 0


def read_blockers(connection: Connection, task_id: str) -> list[str]:
    """The tasks that a task depends on and that have not ended, by id, at most as many as the contract has."""
    joined = dependencies.join(tasks, tasks.c.id == dependencies.c.depends_on)
    query = select(dependencies.c.depends_on).select_from(joined)
    query = query.where(dependencies.c.task_id == task_id, _OPEN).order_by(dependencies.c.depends_on)
    return list(connection.scalars(query.limit(BLOCKERS_MAX)))


class StoredWait(msgspec.Struct, frozen=True):
    """A task and what decides why it waits. `ahead` and `blocked_by` are bounded."""

    stored: StoredTask
    queue: Queue
    requirements: Requirements
    blocked_by: list[str]
    ahead: int


def read_wait(connection: Connection, namespace: str, task_id: str) -> StoredWait:
    """A task and what decides why it waits. Raises NotFound."""
    stored, _ = get_task(connection, namespace, task_id)
    row = stored.row
    queue, _ = get_queue(connection, (namespace, row.queue))
    requirements = connection.scalar(select(needs.c.requirements).where(needs.c.id == row.needs_id))
    return StoredWait(
        stored=stored,
        queue=queue,
        requirements=decode_requirements(requirements) if requirements else Requirements(),
        blocked_by=read_blockers(connection, task_id) if row.state is TaskState.BLOCKED else [],
        ahead=count_ahead(connection, row) if row.state is TaskState.PENDING else 0,
    )
