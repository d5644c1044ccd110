"""`missionctl agents`: list, get; cordon, uncordon, drain and resume are in `agent_changes.py`."""

from __future__ import annotations

from typing import Annotated

import typer

from missioncontrol.cli import agent_changes, mapping
from missioncontrol.cli.agent_view import COLUMNS, row, show
from missioncontrol.cli.failures import RefusedInputError
from missioncontrol.cli.session import Session, connected
from missioncontrol.cli.values import parse_pairs
from missioncontrol.v1 import agent_pb2

app = typer.Typer(help="Looks at agents, cordons and drains them.", rich_markup_mode=None)

AgentId = Annotated[str, typer.Argument(metavar="AGENT_ID", help="The agent's id.")]


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
    session.printer.table(COLUMNS, [row(agent) for agent in agents], value={"agents": mapping.list_json(agents)})


@app.command("get")
@connected
async def get_agent(session: Session, agent_id: AgentId) -> None:
    """Shows one agent."""
    show(session, (await session.client.agents.get(agent_id)).agent)


app.command("cordon")(agent_changes.cordon)
app.command("uncordon")(agent_changes.uncordon)
app.command("drain")(agent_changes.drain)
app.command("resume")(agent_changes.resume)


def _agent_state(name: str) -> agent_pb2.AgentState.ValueType:
    try:
        return agent_pb2.AgentState.Value(f"AGENT_STATE_{name.upper()}")
    except ValueError:
        names = ", ".join(each.removeprefix("AGENT_STATE_") for each in agent_pb2.AgentState.keys()[1:])
        raise RefusedInputError(f'--state "{name}" is no agent state; there are {names}') from None
