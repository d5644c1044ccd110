"""A scheduler that says what a test says, on a real server, and keeps what it was told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from missioncontrol.v1 import scheduler_service_pb2 as pb
from missioncontrol.v1 import scheduler_service_pb2_grpc as pb_grpc
from prometheus_client import CollectorRegistry

from services.transport.server import create_server


class ScriptedScheduler(pb_grpc.SchedulerServiceServicer):
    """See the module. One stream at a time."""

    def __init__(self) -> None:
        self._server = create_server("scheduler", listen="127.0.0.1:0", registry=CollectorRegistry())
        self._server.add(pb_grpc.add_SchedulerServiceServicer_to_server, self)
        self._says: asyncio.Queue[pb.ScheduleResponse | None] = asyncio.Queue()
        self._heard = asyncio.Condition()
        self._numbers = 1_000_000
        self.requests: list[pb.ScheduleRequest] = []
        self.results: dict[int, int] = {}
        self.silent = False  # whether it leaves pings unanswered, as if it were stopped

    async def start(self) -> str:
        return await self._server.start()

    async def stop(self) -> None:
        await self.end_stream()
        await self._server.stop(grace_seconds=0)

    async def Schedule(self, request_iterator: AsyncIterator[pb.ScheduleRequest], context: Any) -> None:  # type: ignore[override]
        reading = asyncio.ensure_future(self._read(request_iterator))
        while (said := await self._says.get()) is not None:
            await context.write(said)
        reading.cancel()

    async def _read(self, requests: AsyncIterator[pb.ScheduleRequest]) -> None:
        async for request in requests:
            async with self._heard:
                self.requests.append(request)
                self.results.update((result.number, result.outcome) for result in request.results)
                self._heard.notify_all()
            if request.ping and not self.silent:
                self._says.put_nowait(pb.ScheduleResponse(pong=request.ping))

    async def end_stream(self) -> None:
        self._says.put_nowait(None)

    async def say(self, **fields: Any) -> None:
        """Says something, and returns when the coordinator has taken it in and has told everything until then.

        A placement of a task that nobody knows goes with it; its result shows that.
        """
        self._numbers += 1
        response = pb.ScheduleResponse(**fields)
        response.placements.add(number=self._numbers, task_id="nobody", agent_id="nobody", session=1)
        self._says.put_nowait(response)
        await self.until(lambda: self._numbers in self.results)

    def place(self, task_id: str, agent_id: str, session: int) -> None:
        """Proposes an agent, and waits for nothing."""
        placement = pb.Placement(number=1, task_id=task_id, agent_id=agent_id, session=session)
        self._says.put_nowait(pb.ScheduleResponse(placements=[placement]))

    async def offer(self, group_id: int, *agents: tuple[str, int]) -> None:
        """Says a standing placement; without agents it is withdrawn."""
        offered = [pb.StandingAgent(agent_id=agent_id, session=session) for agent_id, session in agents]
        await self.say(standing=[pb.StandingPlacement(group_id=group_id, agents=offered)])

    async def until(self, is_so: Any) -> None:
        async with self._heard:
            await self._heard.wait_for(is_so)

    def told(self) -> list[str]:
        """Every task that it was told of, in order."""
        return [task.task_id for request in self.requests for ready in request.ready for task in ready.tasks]

    def group_ids(self) -> list[int]:
        return [group.id for request in self.requests for group in request.groups]

    def leases(self, agent_id: str) -> int | None:
        """How many leases an agent has by what was told last."""
        known = [agent.leases for request in self.requests for agent in request.agents if agent.agent_id == agent_id]
        return known[-1] if known else None
