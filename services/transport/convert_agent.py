"""Agents, between the wire and the domain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from missioncontrol.v1 import agent_pb2, agent_service_pb2

from services.domain.agent import Agent, Declaration, DrainMode, DrainState
from services.domain.commands import AdmitAgent
from services.transport.convert_lease import lease_key
from services.transport.convert_task import DEFAULT_NAMESPACE
from services.transport.convert_time import optional_timestamp


def hello(message: agent_service_pb2.Hello, *, coordinator_id: str) -> AdmitAgent:
    """What a valid Hello asks for. Versions were negotiated before."""
    return AdmitAgent(
        agent=(message.namespace or DEFAULT_NAMESPACE, message.agent_id),
        incarnation=message.incarnation.lower(),
        declared=declaration(message),
        held=[lease_key(reference) for reference in message.held],
        draining=message.draining,
        coordinator_id=coordinator_id,
    )


def declaration(message: agent_service_pb2.Hello) -> Declaration:
    """What an agent says of itself."""
    return Declaration(
        labels=dict(message.labels),
        capabilities=tuple(message.capabilities),
        kinds=tuple(message.kinds),
        queues=tuple(message.queues),
        slots=message.slots,
        queue_limit=message.queue_limit,
        resources=dict(message.resources),
        sdk=message.sdk,
        host=message.host,
        warm_keys=tuple(message.warm_keys),
    )


def agent(
    value: Agent,
    *,
    heartbeat_time: int,
    warm_keys: Iterable[str] | None = None,
    lanes: Iterable[agent_pb2.LaneDepth] = (),
) -> agent_pb2.Agent:
    """An agent for the wire. `heartbeat_time` is the newest that is known of it; `warm_keys` None: what it said."""
    declared = value.declared
    make: Any = agent_pb2.Agent
    message: agent_pb2.Agent = make(
        namespace=value.namespace,
        id=value.id,
        incarnation=value.incarnation,
        session=value.session,
        state=value.state,
        cordoned=value.cordoned,
        labels=declared.labels,
        capabilities=declared.capabilities,
        kinds=declared.kinds,
        slots=declared.slots,
        queue_limit=declared.queue_limit,
        slots_used=value.started,
        queue_depth=value.leases - value.started,
        resources=declared.resources,
        resources_used=value.resources_used,
        connect_time=optional_timestamp(value.connect_time),
        heartbeat_time=optional_timestamp(heartbeat_time),
        sdk=declared.sdk,
        host=declared.host,
        coordinator_id=value.coordinator_id,
        warm_keys=declared.warm_keys if warm_keys is None else warm_keys,
        lanes=lanes,
        drain=drain(value),
    )
    return message


def drain(value: Agent) -> agent_pb2.AgentDrain | None:
    """How far the agent's ordered drain is; None without one."""
    if value.drain_state is DrainState.NONE:
        return None
    return agent_pb2.AgentDrain(
        state=agent_pb2.DrainState.ValueType(value.drain_state),
        returns_started=value.drain_mode is DrainMode.RETURN,
        deadline_time=optional_timestamp(value.drain_time),
        leases_left=value.leases,
    )
