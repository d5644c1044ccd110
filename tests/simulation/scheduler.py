"""The scheduler's process: one real `Planner` for all its streams. Everything that knows its interface is here."""

from __future__ import annotations

from missioncontrol.v1 import scheduler_service_pb2 as pb
from prometheus_client import CollectorRegistry

from services.scheduler.metrics import SchedulerMetrics
from services.scheduler.planner import Planner
from tests.simulation.clock import Clock
from tests.simulation.network import Stream

METRICS = SchedulerMetrics(CollectorRegistry())


class Scheduler:
    """May be killed at any time; what it knew is gone then."""

    def __init__(self, clock: Clock, name: str) -> None:
        self.name = name
        self.up = True
        self._clock = clock
        self._process = Process(clock, name)

    def accept(self, stream: Stream) -> None:
        """A coordinator dials."""
        self._process.accept(stream)

    def kill(self) -> None:
        """The process is gone, and the kernel says so, or the machine is, and nobody does."""
        self.up = False
        self._process.kill()

    def start(self) -> None:
        """A new process."""
        self.up = True
        self._process = Process(self._clock, self.name)


class Process:
    """One life of a scheduler."""

    def __init__(self, clock: Clock, name: str) -> None:
        self.planner = Planner(METRICS, stopwatch=lambda: 0.0)
        self._clock = clock
        self._name = name
        self._served: dict[int, Served] = {}
        self._planned = False
        self._due: int | None = None
        self._over = False

    def accept(self, stream: Stream) -> None:
        """A coordinator dials. Its newer stream ends the older with its first message."""
        served = Served(self, stream)
        self._served[served.session.source] = served

    def kill(self) -> None:
        """It is gone."""
        self._over = True
        for served in self._served.values():
            served.stream.cut()
        self._served.clear()

    def receive(self, served: Served, request: pb.ScheduleRequest) -> None:
        """A message has arrived."""
        if self._over or served.session.source not in self._served:
            return
        if request.coordinator_id:
            self._supersede(request.coordinator_id, served)
        self.planner.receive(served.session, request, self._clock.micros)
        self._plan()

    def leave(self, served: Served) -> None:
        """A stream is over."""
        if self._served.pop(served.session.source, None) is not None:
            self.planner.leave(served.session)
            self._plan()

    def _supersede(self, coordinator_id: str, newer: Served) -> None:
        for served in list(self._served.values()):
            if served is not newer and served.session.coordinator_id == coordinator_id:
                served.stream.end(None)
                self.leave(served)

    def _plan(self) -> None:
        if not self._planned:
            self._planned = True
            self._clock.later(0.0002, self._step)

    def _step(self) -> None:
        self._planned = False
        if self._over:
            return
        for session, response in self.planner.decide(self._clock.micros):
            for placement in response.placements:
                self._clock.note(self._name, "places", placement.task_id, placement.agent_id, placement.session)
            self._served[session.source].stream.down.send(response)
        if self.planner.more:
            self._plan()
        due = self.planner.next_time()
        if due is not None and due != self._due:
            self._due = due
            self._clock.later(max(0.0, (due - self._clock.micros) / 1e6), self._wake, due)

    def _wake(self, due: int) -> None:
        if self._due == due:
            self._due = None
            self._plan()


class Served:
    """One stream."""

    def __init__(self, process: Process, stream: Stream) -> None:
        self.session = process.planner.join()
        self.stream = stream
        stream.up.receive = lambda request: process.receive(self, request)
        stream.up.ended = lambda _error: process.leave(self)
