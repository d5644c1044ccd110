"""The scheduler's process: one real `ScheduleSession` for each stream. Everything that knows its interface is here."""

from __future__ import annotations

from missioncontrol.v1 import scheduler_service_pb2 as pb
from prometheus_client import CollectorRegistry

from services.scheduler.metrics import SchedulerMetrics
from services.scheduler.session import ScheduleSession
from tests.simulation.clock import Clock
from tests.simulation.network import Stream

METRICS = SchedulerMetrics(CollectorRegistry())


class Scheduler:
    """May be killed at any time; what it knew is gone then."""

    def __init__(self, clock: Clock, name: str) -> None:
        self.name = name
        self.up = True
        self._clock = clock
        self._served: list[Served] = []

    def accept(self, stream: Stream) -> None:
        """A coordinator dials. Its newer stream does not end the older: that is the network's business here."""
        self._served.append(Served(self._clock, stream, self.name))

    def kill(self) -> None:
        """The process is gone, and the kernel says so, or the machine is, and nobody does."""
        self.up = False
        for served in self._served:
            served.kill()
        self._served.clear()

    def start(self) -> None:
        """A new process."""
        self.up = True


class Served:
    """One stream."""

    def __init__(self, clock: Clock, stream: Stream, name: str) -> None:
        self._clock = clock
        self._stream = stream
        self._name = name
        self._session = ScheduleSession(METRICS, stopwatch=lambda: 0.0)
        self._planned = False
        self._due: int | None = None
        self._over = False
        stream.up.receive = self._receive
        stream.up.ended = lambda _error: self._end()

    def kill(self) -> None:
        """The process is gone."""
        if not self._over:
            self._end()
            self._stream.cut()

    def _end(self) -> None:
        self._over = True

    def _receive(self, request: pb.ScheduleRequest) -> None:
        if not self._over:
            self._session.receive(request, self._clock.micros)
            self._plan()

    def _plan(self) -> None:
        if not self._planned:
            self._planned = True
            self._clock.later(0.0002, self._step)

    def _step(self) -> None:
        self._planned = False
        if self._over:
            return
        response = self._session.decide(self._clock.micros)
        if response is not None:
            for placement in response.placements:
                self._clock.note(self._name, "places", placement.task_id, placement.agent_id, placement.session)
            self._stream.down.send(response)
        if self._session.more:
            self._plan()
        due = self._session.next_time()
        if due is not None and due != self._due:
            self._due = due
            self._clock.later(max(0.0, (due - self._clock.micros) / 1e6), self._wake, due)

    def _wake(self, due: int) -> None:
        if self._due == due:
            self._due = None
            self._plan()
