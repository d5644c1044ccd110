"""Agents as the coordinator remembers them: who they are, which session is current, and how much they hold."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

import msgspec

from services.domain.requirements import missing_resource


class AgentState(IntEnum):
    """Where an agent stands. The numbers are those of the wire."""

    READY = 1
    DRAINING = 2
    DISCONNECTED = 3
    OFFLINE = 4


class DrainMode(IntEnum):
    """How a drain treats work that has started. The numbers are those of the wire."""

    NONE = 0
    FINISH = 1
    RETURN = 2


class DrainState(IntEnum):
    """How far an ordered drain is. The numbers are those of the wire."""

    NONE = 0
    DRAINING = 1
    DRAINED = 2


AgentKey = tuple[str, str]  # (namespace, agent id)


class Declaration(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """What an agent says of itself in Hello."""

    labels: dict[str, str] = {}
    capabilities: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    slots: int = 1
    queue_limit: int = 0
    resources: dict[str, float] = {}
    sdk: str = ""
    host: str = ""
    warm_keys: tuple[str, ...] = ()


class Agent(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """One agent. `leases` counts all that it holds, `started` those in its slots; both equal a count over the task
    rows.

    `superseded` are the incarnations that came before, newest first: they are refused for good.
    `drain_mode` is that of an ordered drain, `drain_time` its deadline (0: none). An agent that drains by itself has
    neither, and only the state DRAINING.
    `expire_time` is set while nobody vouches for its session: from then on any coordinator may revoke its leases.
    """

    namespace: str
    id: str
    incarnation: str
    session: int
    coordinator_id: str
    state: AgentState
    cordoned: bool
    drain_mode: DrainMode
    drain_time: int
    connect_time: int
    seen_time: int
    expire_time: int
    leases: int
    started: int
    version: int = 0  # one more with every commit that changes the row; 0: there is none yet
    resources_used: dict[str, float]
    superseded: tuple[str, ...]
    declared: Declaration

    @property
    def key(self) -> AgentKey:
        """Namespace and id."""
        return (self.namespace, self.id)

    @property
    def connected(self) -> bool:
        """Whether it holds a stream."""
        return self.state in (AgentState.READY, AgentState.DRAINING)

    @property
    def accepting(self) -> bool:
        """Whether a lease may be granted to it, room apart."""
        return self.state is AgentState.READY and not self.cordoned and self.drain_mode is DrainMode.NONE

    @property
    def drain_state(self) -> DrainState:
        """How far an ordered drain is. Nothing is granted meanwhile, so an agent that has no lease left is done."""
        if self.drain_mode is DrainMode.NONE:
            return DrainState.NONE
        return DrainState.DRAINING if self.leases else DrainState.DRAINED

    def room(self, *, early: bool) -> int:
        """How many more leases it may be given: into free slots, and bound early into its own queue, too."""
        return self.declared.slots + (self.declared.queue_limit if early else 0) - self.leases


def change(agent: Agent, /, **changes: Any) -> Agent:
    """The agent with these fields changed."""
    return msgspec.structs.replace(agent, **changes)


def fits(agent: Agent, demand: Mapping[str, float]) -> bool:
    """Whether the agent's free resources cover the demand."""
    return not demand or missing_resource(demand, declared=agent.declared.resources, used=agent.resources_used) is None


def hold(agent: Agent, demand: Mapping[str, float]) -> Agent:
    """The agent with one more lease that has not started."""
    return change(agent, leases=agent.leases + 1, resources_used=added(agent.resources_used, demand, sign=1))


def release(agent: Agent, demand: Mapping[str, float], *, started: bool) -> Agent:
    """The agent with one lease less."""
    assert agent.leases > 0, f"{agent.key}: no lease to release"
    return change(
        agent,
        leases=agent.leases - 1,
        started=agent.started - int(started),
        resources_used=added(agent.resources_used, demand, sign=-1),
    )


def added(used: dict[str, float], demand: Mapping[str, float], *, sign: int) -> dict[str, float]:
    """Resources in use after a demand came (+1) or went (-1); what is down to nothing is left out."""
    if not demand:
        return used
    total = dict(used)
    for name, amount in demand.items():
        left = round(total.get(name, 0.0) + sign * amount, 9)
        if left > 0:
            total[name] = left
        else:
            total.pop(name, None)
    return total
