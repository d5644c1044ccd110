"""One Schedule stream: the network around a `ScheduleSession`.

Two loops: one reads requests into a bounded inbox, the other writes what is in a bounded outbox. Between them are the
service's passes over all streams, which wait for neither.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Iterator

from missioncontrol.v1 import scheduler_service_pb2 as pb

from services import failpoints
from services.domain.errors import MissionControlError, ResourceExhausted, Unavailable
from services.scheduler import limits
from services.scheduler.session import ScheduleSession

Write = Callable[[pb.ScheduleResponse], Awaitable[None]]


class ScheduleStream:
    """Runs until the coordinator is gone, or `end` is called. `wake` asks for a pass."""

    def __init__(self, session: ScheduleSession, write: Write, *, wake: Callable[[], None]) -> None:
        self.session = session
        self._write = write
        self._wake = wake
        self._inbox: asyncio.Queue[pb.ScheduleRequest | None] = asyncio.Queue(limits.INBOX_MESSAGES_MAX)
        self._outbox: asyncio.Queue[pb.ScheduleResponse] = asyncio.Queue(limits.OUTBOX_MESSAGES_MAX)
        self._ping = 0
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, requests: AsyncIterable[pb.ScheduleRequest]) -> None:
        """Serve until the requests end. Raises what ended the stream otherwise."""
        async with asyncio.TaskGroup() as group:
            loops = (group.create_task(self._read(requests)), group.create_task(self._write_all()))
            await self._end
            for loop in loops:
                loop.cancel()

    @property
    def ended(self) -> bool:
        """Whether nothing of it counts any more."""
        return self._end.done()

    def received(self) -> Iterator[pb.ScheduleRequest]:
        """Take everything that was received, as long as the stream goes on. With the last request it ends."""
        while not self._inbox.empty() and not self.ended:
            request = self._inbox.get_nowait()
            if request is None:
                self._end.set_result(None)
            else:
                self._ping = request.ping or self._ping
                yield request

    def send(self, response: pb.ScheduleResponse | None) -> None:
        """Have what a pass led to written, and the answer to a ping: it says that passes are made.

        A coordinator that does not read is ended: nobody waits for it.
        """
        if self._ping:
            response = response or pb.ScheduleResponse()
            response.pong, self._ping = self._ping, 0
        if response is None:
            return
        try:
            self._outbox.put_nowait(response)
        except asyncio.QueueFull:
            self.end(ResourceExhausted(f"more than {limits.OUTBOX_MESSAGES_MAX} responses were not read"))

    def end(self, error: MissionControlError) -> None:
        """End the stream with that error."""
        if not self._end.done():
            self._end.set_exception(error)

    async def _read(self, requests: AsyncIterable[pb.ScheduleRequest]) -> None:
        async for request in requests:
            await self._inbox.put(request)
            self._wake()
        await self._inbox.put(None)
        self._wake()

    async def _write_all(self) -> None:
        while True:
            response = await self._outbox.get()
            failpoints.reach("scheduler.before_send", Unavailable)
            await self._write(response)
            failpoints.reach("scheduler.after_send", Unavailable)
