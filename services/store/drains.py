"""Reads which drains are overdue."""

from __future__ import annotations

from sqlalchemy import Connection, select

from services.domain.agent import AgentKey
from services.store.schema import agents


def read_overdue_drains(connection: Connection, deadline: int, *, limit: int) -> list[AgentKey]:
    """The agents that still hold something although their drain should have been over at `deadline`, microseconds
    since 1970 UTC; at most `limit`, the most overdue first.

    Looks at every agent: a fleet has thousands, which takes a few milliseconds.
    """
    query = select(agents.c.namespace, agents.c.id)
    query = query.where(agents.c.drain_time > 0, agents.c.drain_time <= deadline, agents.c.leases > 0)
    rows = connection.execute(query.order_by(agents.c.drain_time).limit(limit))
    return [(row.namespace, row.id) for row in rows]
