"""SchedulerService: the streams of all coordinators around one `Planner`.

A coordinator has one stream at a time, and a newer one ends the older. `run` makes passes over all streams: each takes
everything that was received, decides once, and leaves what there is to say in the streams' outboxes. The busier the
streams, the more a pass takes at once; while nothing is received and no time is due, nothing runs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, Callable
from typing import Any

import structlog
from missioncontrol.v1 import scheduler_service_pb2 as pb
from missioncontrol.v1 import scheduler_service_pb2_grpc as pb_grpc

from services.domain.errors import (
    MissionControlError,
    ResourceExhausted,
    SchedulerSuperseded,
    SessionSuperseded,
    Unavailable,
)
from services.scheduler import limits
from services.scheduler.metrics import SchedulerMetrics
from services.scheduler.planner import Planner
from services.scheduler.stream import ScheduleStream

log = structlog.get_logger()


class ScheduleService(pb_grpc.SchedulerServiceServicer):
    """The servicer: open streams, the highest term, and the planner. Nothing is placed unless `run` runs beside it."""

    def __init__(self, metrics: SchedulerMetrics) -> None:
        self.planner = Planner(metrics)
        self._streams: dict[int, ScheduleStream] = {}
        self._now = steady_clock()
        self._wake = asyncio.Event()
        self._stopping = False
        self._term = 0  # the highest that a coordinator has named

    async def Schedule(  # type: ignore[override]  # noqa: N802  # it writes to its context; the contract's name
        self, request_iterator: AsyncIterable[pb.ScheduleRequest], context: Any
    ) -> None:
        """The conversation of scheduler_service.proto."""
        if self._stopping:
            raise Unavailable("the scheduler is stopping")
        if len(self._streams) >= limits.STREAMS_MAX:
            raise ResourceExhausted(f"more than {limits.STREAMS_MAX} streams")
        session = self.planner.join()
        stream = self._streams[session.source] = ScheduleStream(session, context.write, wake=self._wake.set)
        try:
            await stream.run(self._introduced(request_iterator, stream))
        finally:
            self._leave(stream)
            log.info("coordinator gone", coordinator_id=session.coordinator_id)

    async def run(self) -> None:
        """Make passes until cancelled."""
        while True:
            await self._wait()
            self.step()

    def step(self) -> None:
        """Take everything that was received, and say what follows from it: at most one response on each stream."""
        self._wake.clear()
        now = self._now()
        for stream in list(self._streams.values()):
            self._take(stream, now)
        responses = {session.source: response for session, response in self.planner.decide(now)}
        for source, stream in self._streams.items():
            stream.send(responses.get(source))

    def end_streams(self) -> None:
        """End every stream, and take no new ones: the coordinators dial again."""
        self._stopping = True
        for stream in self._streams.values():
            stream.end(Unavailable("the scheduler is stopping"))

    async def _wait(self) -> None:
        """Return when there is something to do: more to decide, a request, or a time that is due."""
        if self.planner.more or self._wake.is_set():
            # A full house must not keep the readers and writers from their turns.
            await asyncio.sleep(0)
            return
        due = self.planner.next_time()
        seconds = None if due is None else max(due - self._now(), 0) / 1_000_000
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    def _take(self, stream: ScheduleStream, now: int) -> None:
        try:
            for request in stream.received():
                self.planner.receive(stream.session, request, now)
        except MissionControlError as error:
            stream.end(error)
        if stream.ended:
            self._leave(stream)

    def _leave(self, stream: ScheduleStream) -> None:
        if self._streams.pop(stream.session.source, None) is not None:
            self.planner.leave(stream.session)
            self._wake.set()

    async def _introduced(
        self, requests: AsyncIterable[pb.ScheduleRequest], stream: ScheduleStream
    ) -> AsyncIterable[pb.ScheduleRequest]:
        """Pass the requests on; with the first, end the older stream of the same coordinator."""
        known = False
        async for request in requests:
            if not known:
                known = True
                self._check_term(request.term)
                self._supersede(request.coordinator_id, stream)
                log.info("coordinator connected", coordinator_id=request.coordinator_id)
            yield request

    def _check_term(self, term: int) -> None:
        """Refuses a coordinator that has not heard of the last choice. Term 0: it has only one scheduler to choose."""
        if 0 < term < self._term:
            raise SchedulerSuperseded(f"term {term} is over: this scheduler knows of term {self._term}")
        self._term = max(self._term, term)

    def _supersede(self, coordinator_id: str, newer: ScheduleStream) -> None:
        for stream in list(self._streams.values()):
            if stream is not newer and stream.session.coordinator_id == coordinator_id:
                stream.end(SessionSuperseded(f"coordinator {coordinator_id} has a newer stream"))
                self._leave(stream)


def steady_clock() -> Callable[[], int]:
    """Return a clock, microseconds since 1970, that starts right and never jumps: a set clock delays nothing."""
    offset = time.time_ns() - time.monotonic_ns()
    return lambda: (time.monotonic_ns() + offset) // 1_000
