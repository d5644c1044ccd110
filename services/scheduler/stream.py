"""One Schedule stream: the network around a `ScheduleSession`.

Two loops: one reads requests into a bounded inbox, the other takes everything that is in it, decides, and writes. The
busier the stream, the more a pass takes at once; while nothing is received and no time is due, nothing runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable

from missioncontrol.v1 import scheduler_service_pb2 as pb

from services import failpoints
from services.domain.errors import MissionControlError, Unavailable
from services.scheduler import limits
from services.scheduler.session import ScheduleSession

Write = Callable[[pb.ScheduleResponse], Awaitable[None]]


class ScheduleStream:
    """Runs a session until the coordinator is gone, or `end` is called. `now` gives microseconds since 1970."""

    def __init__(self, session: ScheduleSession, write: Write, *, now: Callable[[], int]) -> None:
        self.session = session
        self._write = write
        self._now = now
        self._inbox: asyncio.Queue[pb.ScheduleRequest | None] = asyncio.Queue(limits.INBOX_MESSAGES_MAX)
        self._ended = False
        self._ping = 0
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, requests: AsyncIterable[pb.ScheduleRequest]) -> None:
        """Serve until the requests end. Raises what ended the stream otherwise."""
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(self._read(requests))
            ending = group.create_task(self._wait_for_end())
            while not self._ended:
                await self._wait()
                await self.step()
            reading.cancel()
            ending.cancel()

    async def step(self) -> None:
        """Take everything that was received, and say what follows from it: at most one response."""
        now = self._now()
        while not self._inbox.empty() and not self._ended:
            self._take(self._inbox.get_nowait(), now)
        response = None if self._ended else self.session.decide(now)
        if self._ping and not self._ended:
            response = response or pb.ScheduleResponse()
            response.pong, self._ping = self._ping, 0
        if response is not None:
            failpoints.reach("scheduler.before_send", Unavailable)
            await self._write(response)
            failpoints.reach("scheduler.after_send", Unavailable)

    def end(self, error: MissionControlError) -> None:
        """End the stream with that error, from outside."""
        if not self._end.done():
            self._end.set_exception(error)

    async def _read(self, requests: AsyncIterable[pb.ScheduleRequest]) -> None:
        async for request in requests:
            await self._inbox.put(request)
        await self._inbox.put(None)

    async def _wait_for_end(self) -> None:
        await self._end

    async def _wait(self) -> None:
        """Return when there is something to do: more to decide, a request, or a time that is due."""
        if self.session.more or not self._inbox.empty():
            # A full house must not keep the reader and the other streams from their turns.
            await asyncio.sleep(0)
            return
        due = self.session.next_time()
        seconds = None if due is None else max(due - self._now(), 0) / 1_000_000
        try:
            async with asyncio.timeout(seconds):
                request = await self._inbox.get()
        except TimeoutError:
            return
        self._take(request, self._now())

    def _take(self, request: pb.ScheduleRequest | None, now: int) -> None:
        if request is None:
            self._ended = True
        else:
            self._ping = request.ping or self._ping
            self.session.receive(request, now)
