"""Reading agents."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec
from sqlalchemy import Connection, bindparam, case, func, select, text

from services.domain.agent import Agent
from services.domain.errors import NotFound
from services.domain.event import Position
from services.domain.task import HELD, TaskState
from services.store import values
from services.store.feed import read_position
from services.store.schema import agents, states, tasks


class AgentFilter(msgspec.Struct, frozen=True, kw_only=True):
    """All that are set must hold; what is empty asks for nothing."""

    namespace: str
    states: frozenset[int] = frozenset()
    labels: Mapping[str, str] = {}


class LeaseDepth(msgspec.Struct, frozen=True):
    """How many leases of one queue and priority an agent holds: those that have not started, and those that have."""

    queue: str
    priority: int
    leased: int
    running: int


class AgentPage(msgspec.Struct, frozen=True):
    """Agents by id. `after` is where to go on, None at the end."""

    agents: list[Agent]
    after: str | None
    position: Position


# Written out, not bound: SQLite uses a partial index only for a condition that it can see.
IS_HELD = text(f"tasks.state IN ({states(HELD)})")

_IN_NAMESPACE = select(agents).where(agents.c.namespace == bindparam("namespace"))
_GET = _IN_NAMESPACE.where(agents.c.id == bindparam("agent_id"))
_LEASES = (
    select(
        tasks.c.queue,
        tasks.c.priority,
        func.count().label("leases"),
        func.sum(case((tasks.c.state == int(TaskState.RUNNING), 1), else_=0)).label("running"),
    )
    .where(tasks.c.namespace == bindparam("namespace"), tasks.c.agent_id == bindparam("agent_id"), IS_HELD)
    .group_by(tasks.c.queue, tasks.c.priority)
    .order_by(tasks.c.queue, tasks.c.priority.desc())
)
_SOME = _IN_NAMESPACE.where(agents.c.id.in_(bindparam("agent_ids", expanding=True))).order_by(agents.c.id)
_LIST = _IN_NAMESPACE.where(agents.c.id > bindparam("after")).order_by(agents.c.id)


def get_agent(connection: Connection, namespace: str, agent_id: str) -> tuple[Agent, Position]:
    """One agent. Raises NotFound, with the same words for foreign and missing ones."""
    row = connection.execute(_GET, {"namespace": namespace, "agent_id": agent_id}).one_or_none()
    if row is None:
        raise NotFound(f"there is no agent {agent_id} in namespace {namespace}", agent_id=agent_id)
    return values.agent(row), read_position(connection)


def read_agent(connection: Connection, namespace: str, agent_id: str) -> tuple[Agent, list[LeaseDepth], Position]:
    """One agent and what it holds, by one commit. Raises NotFound, like `get_agent`."""
    agent, position = get_agent(connection, namespace, agent_id)
    return agent, read_leases(connection, namespace, agent_id), position


def read_leases(connection: Connection, namespace: str, agent_id: str) -> list[LeaseDepth]:
    """What an agent holds, by queue; in each the highest priority first."""
    rows = connection.execute(_LEASES, {"namespace": namespace, "agent_id": agent_id})
    return [LeaseDepth(row.queue, row.priority, row.leases - row.running, row.running) for row in rows]


def list_agents(connection: Connection, filter_: AgentFilter, *, after: str, limit: int) -> AgentPage:
    """Agents that the filter wants, by id. Labels are inside a JSON column, so agents are judged one by one."""
    wanted: list[Agent] = []
    statement = _LIST
    if filter_.states:
        statement = statement.where(agents.c.state.in_(sorted(filter_.states)))
    with connection.execute(statement, {"namespace": filter_.namespace, "after": after}) as found:
        for row in found:
            agent = values.agent(row)
            if filter_.labels.items() <= agent.declared.labels.items():
                wanted.append(agent)
            if len(wanted) > limit:
                break
    more = wanted[limit - 1].id if len(wanted) > limit else None
    return AgentPage(wanted[:limit], more, read_position(connection))


def some_agents(connection: Connection, namespace: str, agent_ids: Collection[str]) -> list[Agent]:
    """The agents with these ids, by id. Raises NotFound if one is not there."""
    found = connection.execute(_SOME, {"namespace": namespace, "agent_ids": sorted(agent_ids)})
    known = [values.agent(row) for row in found]
    missing = sorted(set(agent_ids) - {agent.id for agent in known})
    if missing:
        raise NotFound(f"there is no agent {', '.join(missing[:10])} in namespace {namespace}", agent_id=missing[0])
    return known
