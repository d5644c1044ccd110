"""Reading queues, and counting what is in them. Terminal tasks cost nothing: each count has its own index."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

import msgspec
from sqlalchemy import Connection, Select, bindparam, func, select, text

from services.domain.event import Position
from services.domain.policy import AdmissionState
from services.domain.queue import Queue, QueueKey
from services.domain.task import HELD, TaskState
from services.store import values
from services.store.feed import read_position
from services.store.schema import feed, queues, states, tasks


class QueuePage(msgspec.Struct, frozen=True):
    """Queues by name. `after` is where to go on, None at the end."""

    queues: list[Queue]
    after: str | None
    position: Position


class LaneCount(msgspec.Struct, frozen=True):
    """Pending tasks of one priority. `oldest_time` is when the first of them was ready."""

    priority: int
    pending: int
    oldest_time: int


class QueueCount(msgspec.Struct, frozen=True):
    """Tasks of a queue by state, and how it treats new ones. Lanes with pending tasks, highest priority first."""

    scheduled: int
    blocked: int
    leased: int
    running: int
    lanes: list[LaneCount]
    admission: AdmissionState
    position: Position


# As the conditions of the partial indexes have them.
_SCHEDULED = text(f"tasks.state = {int(TaskState.SCHEDULED)}")
_BLOCKED = text(f"tasks.state = {int(TaskState.BLOCKED)}")
_PENDING = text(f"tasks.state = {int(TaskState.PENDING)}")
_HELD = text(f"tasks.state IN ({states(HELD)})")

_IN_QUEUE = (tasks.c.namespace == bindparam("namespace"), tasks.c.queue == bindparam("name"))
_COUNT_SCHEDULED = select(func.count()).select_from(tasks).where(_SCHEDULED, *_IN_QUEUE)
_COUNT_BLOCKED = select(func.count()).select_from(tasks).where(_BLOCKED, *_IN_QUEUE)
_COUNT_HELD = select(tasks.c.state, func.count()).where(_HELD, *_IN_QUEUE).group_by(tasks.c.state)
_COUNT_PENDING = (
    select(tasks.c.priority, func.count(), func.min(tasks.c.queued_time))
    .where(_PENDING, *_IN_QUEUE)
    .group_by(tasks.c.priority)
    .order_by(tasks.c.priority.desc())
)

# One statement sees one commit: as many tasks were pending when the log ended there.
_COUNT_AT_HEAD = select(
    select(func.count()).select_from(tasks).where(_PENDING, *_IN_QUEUE).scalar_subquery(), feed.c.head
)

_GET = select(queues).where(queues.c.namespace == bindparam("namespace"), queues.c.name == bindparam("name"))
_GET_MANY = select(queues).where(
    queues.c.namespace == bindparam("namespace"), queues.c.name.in_(bindparam("names", expanding=True))
)
_CONFIGURED_NAMES = (
    select(queues.c.name)
    .where(queues.c.namespace == bindparam("namespace"), queues.c.name > bindparam("after"))
    .order_by(queues.c.name)
    .limit(bindparam("limit"))
)
_HELD_NAMES = (
    select(tasks.c.queue)
    .distinct()
    .where(_HELD, tasks.c.namespace == bindparam("namespace"), tasks.c.queue > bindparam("after"))
)


def _next_name(state: object) -> Select[str]:
    """The first queue name after a given one: one step in the index, however many tasks the queue has."""
    return (
        select(tasks.c.queue)
        .where(state, tasks.c.namespace == bindparam("namespace"), tasks.c.queue > bindparam("after"))  # type: ignore[arg-type]  # a literal condition
        .order_by(tasks.c.queue)
        .limit(1)
    )


_NEXT_PENDING_NAME = _next_name(_PENDING)
_NEXT_SCHEDULED_NAME = _next_name(_SCHEDULED)
_NEXT_BLOCKED_NAME = _next_name(_BLOCKED)


def get_queue(connection: Connection, key: QueueKey) -> tuple[Queue, Position]:
    """One queue; with the default policy if nobody configured it."""
    row = connection.execute(_GET, {"namespace": key[0], "name": key[1]}).one_or_none()
    return (Queue(*key) if row is None else values.queue(row)), read_position(connection)


def read_configured(connection: Connection) -> list[Queue]:
    """Every configured queue of every namespace: what a coordinator keeps in memory."""
    return [values.queue(row) for row in connection.execute(select(queues))]


def list_queues(connection: Connection, namespace: str, *, after: str, limit: int) -> QueuePage:
    """Queues that were configured or hold a task that is not terminal, by name."""
    names = _names(connection, namespace, after=after, limit=limit + 1)
    keys = {"namespace": namespace, "names": names[:limit]}
    configured = (
        {queue.name: queue for queue in map(values.queue, connection.execute(_GET_MANY, keys))} if names else {}
    )
    page = [configured.get(name) or Queue(namespace, name) for name in names[:limit]]
    return QueuePage(page, names[limit - 1] if len(names) > limit else None, read_position(connection))


def count_queue(connection: Connection, key: QueueKey) -> QueueCount:
    """How full a queue is."""
    keys = {"namespace": key[0], "name": key[1]}
    held = {row[0]: row[1] for row in connection.execute(_COUNT_HELD, keys)}
    return QueueCount(
        scheduled=connection.scalar(_COUNT_SCHEDULED, keys) or 0,
        blocked=connection.scalar(_COUNT_BLOCKED, keys) or 0,
        leased=held.get(TaskState.LEASED, 0),
        running=held.get(TaskState.RUNNING, 0),
        lanes=[LaneCount(*row) for row in connection.execute(_COUNT_PENDING, keys)],
        admission=get_queue(connection, key)[0].admission,
        position=read_position(connection),
    )


def count_pending(connection: Connection, key: QueueKey) -> tuple[int, int]:
    """How many tasks of a queue are pending, and the last event by then. Walks a part of the index of ready tasks."""
    pending, head = connection.execute(_COUNT_AT_HEAD, {"namespace": key[0], "name": key[1]}).one()
    return pending, head


def _names(connection: Connection, namespace: str, *, after: str, limit: int) -> list[str]:
    """The first names after a given one, sorted."""
    keys = {"namespace": namespace, "after": after}
    names = set(connection.scalars(_CONFIGURED_NAMES, {**keys, "limit": limit}))
    names.update(connection.scalars(_HELD_NAMES, keys))
    for step in (_NEXT_PENDING_NAME, _NEXT_SCHEDULED_NAME, _NEXT_BLOCKED_NAME):
        names.update(_first(_leap(connection, step, namespace, after), limit))
    return heapq.nsmallest(limit, names)


def _leap(connection: Connection, step: Select[str], namespace: str, after: str) -> Iterator[str]:
    """From name to name."""
    name: str | None = after
    while (name := connection.scalar(step, {"namespace": namespace, "after": name})) is not None:
        yield name


def _first(names: Iterable[str], limit: int) -> Iterator[str]:
    return (name for _, name in zip(range(limit), names, strict=False))
