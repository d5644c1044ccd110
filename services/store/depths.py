"""Reading how deep the queues of a namespace are. Tasks that ended cost nothing: each count has its own index."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import ColumnElement, Connection, func, select, text

from services.domain.agent import Agent, AgentState
from services.domain.event import Position
from services.domain.queue import Queue
from services.domain.requirements import Requirements
from services.domain.task import HELD
from services.store import values
from services.store.backlog import IS_READY, decode_requirements
from services.store.feed import read_position
from services.store.schema import agents, needs, queues, states, tasks

_HELD = text(f"tasks.state IN ({states(HELD)})")


class PendingCount(msgspec.Struct, frozen=True):
    """Pending tasks of one queue and priority with the same needs."""

    queue: str
    priority: int
    requirements: Requirements
    tasks: int


class HeldCount(msgspec.Struct, frozen=True):
    """Leases of one queue and priority in one state."""

    queue: str
    priority: int
    state: int
    tasks: int


class Depths(msgspec.Struct, frozen=True):
    """What waits, what is leased, and by whom. `agents` are the connected ones, `queues` those with a policy."""

    pending: list[PendingCount]
    held: list[HeldCount]
    agents: list[Agent]
    queues: dict[str, Queue]
    position: Position


def read_depths(connection: Connection, namespace: str, queue: str) -> Depths:
    """The depths of a queue, or of all if it is empty. Of the index of what is ready it walks the part in question."""
    of_queue = (tasks.c.namespace == namespace, *((tasks.c.queue == queue,) if queue else ()))
    return Depths(
        pending=_pending(connection, of_queue),
        held=[
            HeldCount(*row)
            for row in connection.execute(
                select(tasks.c.queue, tasks.c.priority, tasks.c.state, func.count())
                .where(_HELD, *of_queue)
                .group_by(tasks.c.queue, tasks.c.priority, tasks.c.state)
            )
        ],
        agents=[
            values.agent(row)
            for row in connection.execute(
                select(agents).where(agents.c.namespace == namespace, agents.c.state <= int(AgentState.DRAINING))
            )
        ],
        queues={
            found.name: found
            for found in map(values.queue, connection.execute(select(queues).where(queues.c.namespace == namespace)))
        },
        position=read_position(connection),
    )


def _pending(connection: Connection, of_queue: Sequence[ColumnElement[bool]]) -> list[PendingCount]:
    key = (tasks.c.queue, tasks.c.priority, tasks.c.needs_id)
    counts = select(*key, func.count().label("count")).where(IS_READY, *of_queue).group_by(*key).subquery()
    query = select(counts.c.queue, counts.c.priority, needs.c.requirements, counts.c.count)
    found = connection.execute(query.join_from(counts, needs, needs.c.id == counts.c.needs_id))
    return [PendingCount(row[0], row[1], decode_requirements(row[2]), row[3]) for row in found]
