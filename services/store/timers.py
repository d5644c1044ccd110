"""Reads which timers are due."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, select, text

from services.domain.agent import AgentKey
from services.store.schema import agents, tasks

# Written out, not bound: SQLite uses a partial index only for a condition that it can see.
HAS_TIMER = text("tasks.wake_time > 0")


class Due(msgspec.Struct, frozen=True):
    """Tasks whose timer is due, sessions (agent, session) whose grace is over, and the next timer after those, 0 for
    none.
    """

    task_ids: list[str]
    agents: list[tuple[AgentKey, int]]
    next_wake_time: int


def read_due(connection: Connection, now: int, *, limit: int) -> Due:
    """What is due at `now`, the oldest first."""
    column = tasks.c
    query = select(column.id, column.wake_time).where(HAS_TIMER).order_by(column.wake_time).limit(limit + 1)
    timers = connection.execute(query).all()
    waiting = [row.wake_time for row in timers if row.wake_time > now]
    expired = select(agents.c.namespace, agents.c.id, agents.c.session)
    expired = expired.where(agents.c.expire_time > 0, agents.c.expire_time <= now)
    return Due(
        task_ids=[row.id for row in timers if row.wake_time <= now][:limit],
        agents=[((row.namespace, row.id), row.session) for row in connection.execute(expired)],
        next_wake_time=waiting[0] if waiting else 0,
    )


def read_present_agents(connection: Connection) -> list[AgentKey]:
    """The agents that were connected, or hold leases: those that a start has to adopt."""
    query = select(agents.c.namespace, agents.c.id).where((agents.c.state <= 2) | (agents.c.leases > 0))
    return [(row.namespace, row.id) for row in connection.execute(query)]
