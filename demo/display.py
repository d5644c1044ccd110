"""Shows the run while it goes on: a live picture on a terminal, a line every two seconds anywhere else.

It reads the board and the list of agents and changes nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import grpc
from missioncontrol.v1 import agent_pb2
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from demo.board import Board
from services.domain.task import TaskState
from services.fleet.audit import SeenEvent
from services.fleet.observe import Observer

LIVE_SECONDS = 0.25
PLAIN_SECONDS = 2.0


class Display:
    """Draws until it is cancelled."""

    def __init__(self, console: Console, board: Board, *, total: int, observer: Observer) -> None:
        self._console = console
        self._board = board
        self._total = total
        self._observer = observer
        self._started = time.monotonic()

    async def run(self) -> None:
        """A live picture on a terminal, plain lines elsewhere."""
        if self._console.is_terminal:
            await self._run_live()
        else:
            await self._run_plain()

    def say(self, sentence: str) -> None:
        """A line that stays, above the picture if there is one."""
        self._console.print(f"demo: {sentence}", markup=False)

    async def _run_live(self) -> None:
        with Live(self._picture([]), console=self._console, auto_refresh=False, transient=True) as live:
            while True:
                live.update(self._picture(await self._agents()), refresh=True)
                await asyncio.sleep(LIVE_SECONDS)

    async def _run_plain(self) -> None:
        while True:
            await asyncio.sleep(PLAIN_SECONDS)
            self.say(self._progress_line())

    async def _agents(self) -> Sequence[agent_pb2.Agent]:
        try:
            return await self._observer.agents()
        except grpc.aio.AioRpcError:
            # The picture is no place to fail: what matters is judged at the end.
            return []

    def _progress_line(self) -> str:
        board = self._board
        waiting = board.count(TaskState.SCHEDULED, TaskState.PENDING)
        return (
            f"{time.monotonic() - self._started:5.1f} s  {board.ended}/{self._total} ended, "
            f"{board.count(TaskState.RUNNING)} running, {board.count(TaskState.LEASED)} leased, {waiting} waiting, "
            f"{len(board.redelivered)} redelivered; feed at {board.sequence}"
        )

    def _picture(self, agents: Sequence[agent_pb2.Agent]) -> RenderableType:
        bar = ProgressBar(total=max(self._total, 1), completed=self._board.ended)
        feed = Text("\n".join(map(_event_line, self._board.recent)), no_wrap=True, overflow="ellipsis")
        return Group(
            Text(self._progress_line()), bar, _agent_table(agents, self._board), Panel(feed, title="feed", height=10)
        )


def _agent_table(agents: Sequence[agent_pb2.Agent], board: Board) -> Table:
    table = Table("agent", "state", "slots used", "queue depth", "ended", expand=True)
    for agent in agents:
        state = agent_pb2.AgentState.Name(agent.state).removeprefix("AGENT_STATE_").lower()
        slots = f"{agent.slots_used}/{agent.slots}"
        style = "" if agent.state == agent_pb2.AGENT_STATE_READY else "red"
        table.add_row(agent.id, state, slots, str(agent.queue_depth), str(board.ended_by[agent.id]), style=style)
    return table


def _event_line(event: SeenEvent) -> str:
    name = event.type.name.lower().replace("_", ".", 1)
    return f"{event.sequence:>6}  {name:<22} {event.task_id[-12:]:<12}  {event.agent_id}"
