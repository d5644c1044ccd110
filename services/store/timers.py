"""Reads which timers are due."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy import Connection, select, text

from services.domain.agent import AgentKey, AgentState
from services.domain.membership import SHARDS
from services.store.schema import agents, tasks

# Written out, not bound: SQLite uses a partial index only for a condition that it can see.
DRAINING = int(AgentState.DRAINING)  # beyond it an agent has no stream
HAS_TIMER = text("tasks.wake_time > 0")


class Due(msgspec.Struct, frozen=True):
    """Tasks whose timer is due, sessions (agent, session) whose grace is over, and the next timer after those, 0 for
    none.
    """

    task_ids: list[str]
    agents: list[tuple[AgentKey, int]]
    next_wake_time: int


def read_due(connection: Connection, now: int, *, shards: Collection[int], sessions: bool, limit: int) -> Due:
    """What is due at `now` in these shards, the oldest first; of sessions only if it is asked for."""
    column = tasks.c
    query = select(column.id, column.wake_time).where(HAS_TIMER).order_by(column.wake_time).limit(limit + 1)
    if len(shards) < SHARDS:
        query = query.where(column.shard.in_(sorted(shards)))
    timers = connection.execute(query).all()
    waiting = [row.wake_time for row in timers if row.wake_time > now]
    expired = select(agents.c.namespace, agents.c.id, agents.c.session)
    expired = expired.where(agents.c.expire_time > 0, agents.c.expire_time <= now)
    return Due(
        task_ids=[row.id for row in timers if row.wake_time <= now][:limit],
        agents=[((row.namespace, row.id), row.session) for row in connection.execute(expired)] if sessions else [],
        next_wake_time=waiting[0] if waiting else 0,
    )


def read_present_agents(connection: Connection, coordinator_id: str = "") -> list[tuple[AgentKey, int]]:
    """The agents that were connected, or hold leases, with their sessions: those that a start has to adopt.

    Of one coordinator, or of all.
    """
    present = (agents.c.state <= DRAINING) | (agents.c.leases > 0)
    query = select(agents.c.namespace, agents.c.id, agents.c.session).where(present)
    if coordinator_id:
        query = query.where(agents.c.coordinator_id == coordinator_id)
    return [((row.namespace, row.id), row.session) for row in connection.execute(query)]


def read_orphans(connection: Connection, live: Sequence[str]) -> list[tuple[AgentKey, int]]:
    """The agents that were connected to a coordinator that is not there any more, with their sessions."""
    query = select(agents.c.namespace, agents.c.id, agents.c.session)
    query = query.where(agents.c.state <= DRAINING, agents.c.coordinator_id.not_in(live))
    return [((row.namespace, row.id), row.session) for row in connection.execute(query)]
