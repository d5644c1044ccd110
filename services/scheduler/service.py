"""SchedulerService: one session for each coordinator's stream, and nothing that they share but counters.

A coordinator has one stream at a time, and a newer one ends the older. Each has a view of its own: on SQLite there is
one coordinator. Several coordinators on one database will feed one view in common, so that agents of one can get tasks
of another; this module and the session's hold on its view change then.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterable, Callable, Iterator
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
from services.scheduler.session import ScheduleSession
from services.scheduler.stream import ScheduleStream

log = structlog.get_logger()


class ScheduleService(pb_grpc.SchedulerServiceServicer):
    """The servicer. It holds its open streams and the highest term, and no state of the fleet besides."""

    def __init__(self, metrics: SchedulerMetrics) -> None:
        self._metrics = metrics
        self._streams: set[ScheduleStream] = set()
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
        session = ScheduleSession(self._metrics)
        stream = ScheduleStream(session, context.write, now=steady_clock())
        self._streams.add(stream)
        try:
            await stream.run(self._introduced(request_iterator, stream))
        finally:
            self._streams.discard(stream)
            log.info("coordinator gone", coordinator_id=session.coordinator_id)

    def sessions(self) -> Iterator[ScheduleSession]:
        """Return the open sessions."""
        return (stream.session for stream in self._streams)

    def end_streams(self) -> None:
        """End every stream, and take no new ones: the coordinators dial again."""
        self._stopping = True
        for stream in self._streams:
            stream.end(Unavailable("the scheduler is stopping"))

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
        error: MissionControlError = SessionSuperseded(f"coordinator {coordinator_id} has a newer stream")
        for stream in self._streams:
            if stream is not newer and stream.session.coordinator_id == coordinator_id:
                stream.end(error)


def steady_clock() -> Callable[[], int]:
    """Return a clock, microseconds since 1970, that starts right and never jumps: a set clock delays nothing."""
    offset = time.time_ns() - time.monotonic_ns()
    return lambda: (time.monotonic_ns() + offset) // 1_000
