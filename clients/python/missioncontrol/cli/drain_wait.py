"""Waiting for drains before somebody's eyes: how many agents are done, and how many leases are left."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

import typer

from missioncontrol.cli import exit_codes
from missioncontrol.cli.agent_view import is_drained
from missioncontrol.cli.failures import complain
from missioncontrol.cli.printer import note
from missioncontrol.cli.session import Session
from missioncontrol.v1 import agent_pb2
from missioncontrol.v1 import agent_service_pb2 as pb

POLL_SECONDS = 0.5
AGENTS_PER_CALL_MAX = 1_000


async def wait_until_drained(session: Session, agent_ids: Sequence[str]) -> list[agent_pb2.Agent]:
    """The agents, once all are drained. Ends the command with FAILED if somebody calls a drain off meanwhile."""
    progress = _Progress()
    while True:
        agents = await _look(session, agent_ids)
        done = sum(map(is_drained, agents))
        left = sum(agent.drain.leases_left for agent in agents)
        progress.show(f"{done} of {len(agents)} agents drained, {left} leases left", last=done == len(agents))
        resumed = [agent.id for agent in agents if not agent.HasField("drain")]
        if resumed:
            complain(f"the drain of {', '.join(resumed[:10])} was called off")
            raise typer.Exit(exit_codes.FAILED)
        if done == len(agents):
            return agents
        await asyncio.sleep(POLL_SECONDS)


async def _look(session: Session, agent_ids: Sequence[str]) -> list[agent_pb2.Agent]:
    """The agents as they are: a preview changes nothing."""
    found: list[agent_pb2.Agent] = []
    for start in range(0, len(agent_ids), AGENTS_PER_CALL_MAX):
        ids = agent_ids[start : start + AGENTS_PER_CALL_MAX]
        request = pb.ChangeAgentsRequest(agent_ids=ids, change=pb.AGENT_CHANGE_RESUME, preview=True)
        async for page in session.client.agents.change(request):
            found += page.agents
    return found


class _Progress:
    """One line that is written over where somebody looks, else one line for each change."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._last = ""

    def show(self, line: str, *, last: bool) -> None:
        if line == self._last:
            return
        self._last = line
        if not self._live:
            note(line)
            return
        sys.stderr.write(f"\r\x1b[K{line}" + "\n" * last)
        sys.stderr.flush()
