"""Reading agents."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec
from sqlalchemy import Connection, bindparam, select

from services.domain.agent import Agent
from services.domain.errors import NotFound
from services.domain.event import Position
from services.store import values
from services.store.feed import read_position
from services.store.schema import agents


class AgentFilter(msgspec.Struct, frozen=True, kw_only=True):
    """All that are set must hold; what is empty asks for nothing."""

    namespace: str
    states: frozenset[int] = frozenset()
    labels: Mapping[str, str] = {}


class AgentPage(msgspec.Struct, frozen=True):
    """Agents by id. `after` is where to go on, None at the end."""

    agents: list[Agent]
    after: str | None
    position: Position


_IN_NAMESPACE = select(agents).where(agents.c.namespace == bindparam("namespace"))
_GET = _IN_NAMESPACE.where(agents.c.id == bindparam("agent_id"))
_SOME = _IN_NAMESPACE.where(agents.c.id.in_(bindparam("agent_ids", expanding=True))).order_by(agents.c.id)
_LIST = _IN_NAMESPACE.where(agents.c.id > bindparam("after")).order_by(agents.c.id)


def get_agent(connection: Connection, namespace: str, agent_id: str) -> tuple[Agent, Position]:
    """One agent. Raises NotFound, with the same words for foreign and missing ones."""
    row = connection.execute(_GET, {"namespace": namespace, "agent_id": agent_id}).one_or_none()
    if row is None:
        raise NotFound(f"there is no agent {agent_id} in namespace {namespace}", agent_id=agent_id)
    return values.agent(row), read_position(connection)


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
