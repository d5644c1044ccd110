"""`missionctl agents`: list, get, cordon, uncordon, drain."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from missioncontrol.cli import mapping
from missioncontrol.cli.failures import RefusedInputError
from missioncontrol.cli.session import Session, connected
from missioncontrol.cli.task_view import age
from missioncontrol.cli.values import parse_duration, parse_pairs
from missioncontrol.times import to_datetime
from missioncontrol.v1 import agent_pb2, agent_service_pb2

app = typer.Typer(help="Looks at agents, cordons and drains them.", rich_markup_mode=None)

AgentId = Annotated[str, typer.Argument(metavar="AGENT_ID", help="The agent's id.")]
_COLUMNS = ("AGENT", "STATE", "SLOTS", "QUEUED", "HEARD", "CAPABILITIES", "LABELS", "HOST", "COORDINATOR")


@app.command("list")
@connected
async def list_agents(
    session: Session,
    state: Annotated[list[str] | None, typer.Option(help="Only in this state, such as READY; may be repeated.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="Only with this key=value; may be repeated.")] = None,
) -> None:
    """Lists agents: state, slots in use of all, leases that have not started, and the last heartbeat."""
    states = [_agent_state(name) for name in state or ()]
    labels = parse_pairs(label or (), option="--label")
    agents = [agent async for agent in session.client.agents.list(states=states, labels=labels)]
    session.printer.table(_COLUMNS, [_row(agent) for agent in agents], value={"agents": mapping.list_json(agents)})


@app.command("get")
@connected
async def get_agent(session: Session, agent_id: AgentId) -> None:
    """Shows one agent."""
    _show(session, (await session.client.agents.get(agent_id)).agent)


@app.command("cordon")
@connected
async def cordon_agent(session: Session, agent_id: AgentId) -> None:
    """No new work for this agent; what it has goes on."""
    _show(session, await session.client.agents.cordon(agent_id))


@app.command("uncordon")
@connected
async def uncordon_agent(session: Session, agent_id: AgentId) -> None:
    """Takes the cordon off, and a drain that was ordered."""
    _show(session, await session.client.agents.uncordon(agent_id))


@app.command("drain")
@connected
async def drain_agent(
    session: Session,
    agent_id: AgentId,
    return_work: Annotated[bool, typer.Option("--return", help="Stop what runs and give it back at once.")] = False,
    time_limit: Annotated[str | None, typer.Option(help="What still runs after this is given back.")] = None,
) -> None:
    """Cordons an agent and lets it finish what runs; what has not started goes back at once. Burns no retries."""
    if return_work and time_limit:
        raise RefusedInputError("--return gives back at once; leave --time-limit out")
    limit = parse_duration(time_limit, option="--time-limit").total_seconds() if time_limit else None
    mode = agent_service_pb2.DRAIN_MODE_RETURN if return_work else agent_service_pb2.DRAIN_MODE_FINISH
    _show(session, await session.client.agents.drain(agent_id, mode=mode, time_limit_seconds=limit))


def _agent_state(name: str) -> agent_pb2.AgentState.ValueType:
    try:
        return agent_pb2.AgentState.Value(f"AGENT_STATE_{name.upper()}")
    except ValueError:
        names = ", ".join(each.removeprefix("AGENT_STATE_") for each in agent_pb2.AgentState.keys()[1:])
        raise RefusedInputError(f'--state "{name}" is no agent state; there are {names}') from None


def _show(session: Session, agent: agent_pb2.Agent) -> None:
    fields = {column.lower(): text for column, text in zip(_COLUMNS, _row(agent), strict=True)} | {
        "kinds": ", ".join(agent.kinds),
        "resources": ", ".join(
            f"{name}: {agent.resources_used.get(name, 0):g} of {amount:g}"
            for name, amount in sorted(agent.resources.items())
        ),
        "queue limit": str(agent.queue_limit),
        "lanes": "\n".join(map(_lane, agent.lanes)),
        "warm keys": ", ".join(agent.warm_keys),
        "incarnation": agent.incarnation,
        "session": str(agent.session),
        "connected": mapping.to_json(agent.connect_time) if agent.HasField("connect_time") else "",
        "sdk": agent.sdk,
    }
    session.printer.fields(fields, value=mapping.to_json(agent))


def _lane(lane: agent_pb2.LaneDepth) -> str:
    """Such as "build, lane urgent, priority 50: 2 running, 1 not started"."""
    name = f", lane {lane.lane}" if lane.lane else ""
    return f"{lane.queue}{name}, priority {lane.priority}: {lane.running} running, {lane.leased} not started"


def _row(agent: agent_pb2.Agent) -> tuple[str, ...]:
    state = mapping.short_enum(agent_pb2.AgentState.DESCRIPTOR, agent.state) or ""
    return (
        agent.id,
        f"{state} (cordoned)" if agent.cordoned else state,
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
