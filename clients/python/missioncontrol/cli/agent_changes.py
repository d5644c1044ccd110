"""`missionctl agents`: cordon, uncordon, drain and resume, of the agents that are named or that a selector finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from missioncontrol.cli import mapping
from missioncontrol.cli.agent_view import COLUMNS, row, show
from missioncontrol.cli.drain_wait import wait_until_drained
from missioncontrol.cli.failures import RefusedInputError
from missioncontrol.cli.printer import note
from missioncontrol.cli.session import Session, connected
from missioncontrol.cli.values import parse_duration, read_selector
from missioncontrol.times import to_duration
from missioncontrol.v1 import agent_pb2
from missioncontrol.v1 import agent_service_pb2 as pb


class Mode(StrEnum):
    """What `--mode` takes."""

    FINISH = "finish"
    RETURN = "return"


@dataclass(frozen=True, kw_only=True)
class Which:
    """Which agents, and whether it is done or only shown."""

    agent_ids: Annotated[list[str] | None, typer.Argument(metavar="[AGENT_ID]...", help="The agents' ids.")] = None
    selector: Annotated[
        list[str] | None,
        typer.Option(help="Only agents whose labels meet this, such as zone=eu; may be repeated: each must hold."),
    ] = None
    preview: Annotated[bool, typer.Option("--preview", help="Only show which agents it would be.")] = False

    def request(self, change: pb.AgentChange.ValueType) -> pb.ChangeAgentsRequest:
        """The request of a change."""
        if not self.agent_ids and not self.selector:
            raise RefusedInputError("name agents, or say which with --selector, such as --selector zone=eu")
        selectors = [read_selector(text) for text in self.selector or ()]
        return pb.ChangeAgentsRequest(
            agent_ids=self.agent_ids or (), selectors=selectors, change=change, preview=self.preview
        )

    @property
    def is_one(self) -> bool:
        """Whether it is one agent that is named."""
        return len(self.agent_ids or ()) == 1 and not self.selector and not self.preview


@connected
async def cordon(session: Session, which: Which) -> None:
    """No new work for these agents; what they have goes on."""
    await _change(session, which, which.request(pb.AGENT_CHANGE_CORDON))


@connected
async def uncordon(session: Session, which: Which) -> None:
    """New work again for these agents. A drain goes on: `resume` ends it."""
    await _change(session, which, which.request(pb.AGENT_CHANGE_UNCORDON))


@connected
async def resume(session: Session, which: Which) -> None:
    """Calls a drain off, or ends it when it is done: new work again. A cordon stays: `uncordon` takes it off."""
    await _change(session, which, which.request(pb.AGENT_CHANGE_RESUME))


@connected
async def drain(
    session: Session,
    which: Which,
    mode: Annotated[
        Mode, typer.Option(help="finish: what runs may end. return: it is stopped and given back at once.")
    ] = Mode.FINISH,
    deadline: Annotated[
        str | None,
        typer.Option("--deadline", "--time-limit", help="What still runs after this, such as 10m, is given back."),
    ] = None,
    return_work: Annotated[bool, typer.Option("--return", hidden=True, help="The same as --mode return.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until nothing is left, and show how far it is.")] = False,
) -> None:
    """Has agents end what they have, and take nothing new; what has not started goes back at once. Burns no retries."""
    request = which.request(pb.AGENT_CHANGE_DRAIN)
    returns = return_work or mode is Mode.RETURN
    if returns and deadline:
        raise RefusedInputError("--mode return gives back at once; leave --deadline (--time-limit) out")
    if wait and which.preview:
        raise RefusedInputError("--preview changes nothing; leave --wait out")
    request.mode = pb.DRAIN_MODE_RETURN if returns else pb.DRAIN_MODE_FINISH
    if deadline:
        request.time_limit.CopyFrom(to_duration(parse_duration(deadline, option="--deadline").total_seconds()))
    agents = await _pages(session, request)
    if wait:
        agents = await wait_until_drained(session, [agent.id for agent in agents])
    _tell(session, which, agents)


async def _change(session: Session, which: Which, request: pb.ChangeAgentsRequest) -> None:
    _tell(session, which, await _pages(session, request))


async def _pages(session: Session, request: pb.ChangeAgentsRequest) -> list[agent_pb2.Agent]:
    """The agents of all pages, and a word on how many there are."""
    agents: list[agent_pb2.Agent] = []
    changed = 0
    async for page in session.client.agents.change(request):
        agents += page.agents
        changed += page.changed
    verb = "would change" if request.preview else "changed"
    if len(agents) != 1 or request.preview:
        note(f"{len(agents)} agents, {changed} {verb}")
    return agents


def _tell(session: Session, which: Which, agents: Sequence[agent_pb2.Agent]) -> None:
    if which.is_one and agents:
        show(session, agents[0])
        return
    session.printer.table(COLUMNS, [row(agent) for agent in agents], value={"agents": mapping.list_json(agents)})
