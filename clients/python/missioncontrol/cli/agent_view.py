"""Agents as `missionctl` shows them."""

from __future__ import annotations

from datetime import UTC, datetime

from missioncontrol.cli import mapping
from missioncontrol.cli.session import Session
from missioncontrol.cli.task_view import age
from missioncontrol.times import to_datetime
from missioncontrol.v1 import agent_pb2

COLUMNS = ("AGENT", "STATE", "SLOTS", "QUEUED", "HEARD", "CAPABILITIES", "LABELS", "HOST", "COORDINATOR")


def show(session: Session, agent: agent_pb2.Agent) -> None:
    """One agent, whole."""
    fields = {column.lower(): text for column, text in zip(COLUMNS, row(agent), strict=True)} | {
        "drain": _drain(agent) if agent.HasField("drain") else "",
        "kinds": ", ".join(agent.kinds),
        "resources": ", ".join(
            f"{name}: {agent.resources_used.get(name, 0):g} of {amount:g}"
            for name, amount in sorted(agent.resources.items())
        ),
        "queue limit": str(agent.queue_limit),
        "incarnation": agent.incarnation,
        "session": str(agent.session),
        "connected": mapping.to_json(agent.connect_time) if agent.HasField("connect_time") else "",
        "sdk": agent.sdk,
    }
    session.printer.fields(fields, value=mapping.to_json(agent))


def row(agent: agent_pb2.Agent) -> tuple[str, ...]:
    """A line of a list."""
    state = mapping.short_enum(agent_pb2.AgentState.DESCRIPTOR, agent.state) or ""
    besides = ["cordoned"] * agent.cordoned + ["drained"] * is_drained(agent)
    return (
        agent.id,
        f"{state} ({', '.join(besides)})" if besides else state,
        f"{agent.slots_used}/{agent.slots}",
        str(agent.queue_depth),
        _heard(agent),
        ", ".join(agent.capabilities),
        ", ".join(f"{key}={value}" for key, value in sorted(agent.labels.items())),
        agent.host,
        agent.coordinator_id,
    )


def _heard(agent: agent_pb2.Agent) -> str:
    if not agent.HasField("heartbeat_time"):
        return "never"
    return f"{age((datetime.now(UTC) - to_datetime(agent.heartbeat_time)).total_seconds())} ago"


def is_drained(agent: agent_pb2.Agent) -> bool:
    """Whether an ordered drain is done."""
    return agent.drain.state == agent_pb2.DRAIN_STATE_DRAINED


def _drain(agent: agent_pb2.Agent) -> str:
    drain = agent.drain
    if is_drained(agent):
        return "done"
    left = f"{drain.leases_left} leases left, which are {'returned' if drain.returns_started else 'finished'}"
    return f"{left}, until {mapping.to_json(drain.deadline_time)}" if drain.HasField("deadline_time") else left
