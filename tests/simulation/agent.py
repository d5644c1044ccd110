"""An agent's process: the real `AgentSession` with handlers that are timers, and a thin copy of `agent_connection.py`.

A frozen process does nothing, while its clock goes on: what would have happened in it happens when it thaws, in order.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, Protocol

from missioncontrol.session import AgentSession
from missioncontrol.session_effects import LeaseKey, Leave, Offer, Reconnect, Stop, Withdraw
from missioncontrol.v1 import agent_service_pb2 as pb
from missioncontrol.v1 import task_pb2

from services.domain.errors import IncarnationSuperseded
from tests.simulation.calls import Calls
from tests.simulation.clock import Clock
from tests.simulation.network import Stream

HANDOVER_SECONDS = 4.0
WAITS_MAX = 3.0


class Job(Protocol):
    """What a task does where it runs."""

    seconds: float
    outcome: str
    kills: bool


class Surroundings(Protocol):
    """What a process needs of the world."""

    def dial(self, stream: Stream | Calls) -> bool:
        """Connects a stream to the coordinator, if there is one."""

    def link_seconds(self) -> float:
        """How long a message takes."""

    def job(self, lease: pb.Lease) -> Job:
        """The work of a lease."""

    def ran(self, process: Process, key: LeaseKey) -> None:
        """A handler has started."""

    def ended(self, process: Process) -> None:
        """The process is over."""


class Process:
    """One incarnation."""

    def __init__(self, clock: Clock, world: Surroundings, hello: pb.Hello) -> None:
        self.agent_id = hello.agent_id
        self.incarnation = hello.incarnation
        self.slots = hello.slots
        self.session = AgentSession(hello, handover_seconds=HANDOVER_SECONDS)
        self.alive = True
        self.frozen = False
        self.disturbed_at = clock.now
        self.thawed_at = -inf
        self.stream: Stream | Calls | None = None
        self.polls = clock.chance(0.5)
        self.running: dict[LeaseKey, float] = {}
        self.told_to_stop: set[LeaseKey] = set()
        self.succeeded: set[LeaseKey] = set()
        self._offered: dict[LeaseKey, pb.Lease] = {}
        self._stopping: set[LeaseKey] = set()
        self._clock = clock
        self._world = world
        self._missed: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self._attempts = 0
        self._wake_time = inf
        self._reconnect = Reconnect("")
        self._connect()

    # What is done to it.

    def kill(self) -> None:
        """SIGKILL."""
        self._die()
        if self.stream is not None:
            self.stream.agent_died()

    def freeze(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT so many seconds later."""
        if not self.frozen and self.alive:
            self.frozen = True
            self.disturbed()
            self._clock.later(seconds, self.thaw)

    def thaw(self) -> None:
        """SIGCONT."""
        if not self.frozen or not self.alive:
            return
        self._clock.note(self.agent_id, "thaws")
        self.frozen = False
        self.thawed_at = self._clock.now
        self.disturbed()
        missed, self._missed = self._missed, []
        for what, arguments in missed:
            self._awake(what, *arguments)

    def leave(self) -> None:
        """SIGTERM."""
        self._awake(self._leave)

    def disturbed(self) -> None:
        """Something happened for which leases may be lost."""
        self.disturbed_at = self._clock.now

    @property
    def at_work(self) -> list[LeaseKey]:
        """What its handlers do, and were not told to stop."""
        return [key for key in self.running if key not in self.told_to_stop]

    @property
    def quiet(self) -> bool:
        """Whether nothing runs and nothing is left to say."""
        return not self.running and self.session.idle and not len(self.session.reports)

    # Its life.

    def _awake(self, what: Callable[..., None], *arguments: Any) -> None:
        if not self.alive:
            return
        if self.frozen:
            self._missed.append((what, arguments))
        else:
            what(*arguments)

    def _later(self, delay: float, what: Callable[..., None], *arguments: Any) -> None:
        self._clock.later(delay, self._awake, what, *arguments)

    def _die(self) -> None:
        if self.alive:
            self.alive = False
            self.running.clear()
            self._world.ended(self)

    def _leave(self) -> None:
        self.session.leave(self._clock.now, drain_seconds=3.0, leave_seconds=2.0)
        self._turn()

    def _turn(self) -> None:
        now = self._clock.now
        self.session.tick(now)
        while effects := self.session.take_effects(now):
            for effect in effects:
                self._do(effect)
        if not self.alive:
            return
        while self.stream is not None and (message := self.session.next_message(now)) is not None:
            self._clock.note(self.agent_id, "says", message)
            self.stream.up.send(message)
        due = min(self.session.next_time(), self.session.next_message_time() if self.stream is not None else inf)
        if due < self._wake_time or self._wake_time <= now:
            self._wake_time = due
            if due < inf:
                self._later(max(0.0, due - now), self._on_time, due)

    def _on_time(self, due: float) -> None:
        if due == self._wake_time:
            self._wake_time = inf
            self._turn()

    def _do(self, effect: object) -> None:
        match effect:
            case Offer(leases):
                for lease in leases:
                    self._offer(lease)
            case Withdraw(key) if self._offered.pop(key, None) is not None:
                self.session.withdrawn(key)
            case Stop(key, reason):
                self._clock.note(self.agent_id, "stops", key, reason.name)
                if self._offered.pop(key, None) is not None:
                    self.session.withdrawn(key)
                else:
                    self._stop(key)
            case Reconnect(why):
                self._clock.note(self.agent_id, "connects again:", why)
                self._reconnect = effect
                self._drop()
            case Leave():
                self._clock.note(self.agent_id, "has left")
                if self.stream is not None:
                    self.stream.leave()
                self._die()

    # Its handlers.

    def _offer(self, lease: pb.Lease) -> None:
        key = (lease.task_id, lease.token)
        others = [other for other in (*self.running, *self._offered) if other[0] == key[0]]
        assert not others, f"{key} is started in an agent that still runs {others}"
        assert len(self.running) + len(self._offered) < self.slots, "more work than slots"
        self._offered[key] = lease
        self._later(self._clock.random.choice((0.0, 0.0, 0.001, 0.05)), self._claim, key)

    def _claim(self, key: LeaseKey) -> None:
        lease = self._offered.pop(key, None)
        if lease is None:
            return
        self._clock.note(self.agent_id, "runs", key)
        job = self._world.job(lease)
        self.running[key] = self._clock.now
        self.session.claimed(key, self._clock.now)
        self._world.ran(self, key)
        if job.kills:
            self._later(job.seconds, self.kill)
        if self._clock.chance(0.2):
            self.session.progress(key, task_pb2.Progress(fraction=0.5))
            self.session.checkpoint(key, task_pb2.Payload(data=b"c"))
        self._later(job.seconds, self._finish, key, job)
        self._turn()

    def _finish(self, key: LeaseKey, job: Job) -> None:
        if key not in self.running or key in self._stopping:
            return
        if job.outcome == "succeeded":
            self.succeeded.add(key)
            self._ended(key, pb.Succeeded(output=task_pb2.Payload(data=key[0].encode())))
        elif job.outcome == "failed":
            reason = task_pb2.FAILURE_REASON_ERROR
            self._ended(key, pb.Failed(failure=task_pb2.Failure(reason=reason, message="it fails")))

    def _stop(self, key: LeaseKey) -> None:
        if key in self.running and key not in self._stopping:
            self.told_to_stop.add(key)
            self._stopping.add(key)
            delay = self._clock.random.choice((0.0, 0.0, 0.3, 0.3, 2.0, 8.0))
            self._later(delay, self._ended, key, pb.Cancelled())

    def _ended(self, key: LeaseKey, outcome: Any) -> None:
        if self.running.pop(key, None) is None:
            return
        self._stopping.discard(key)
        self._clock.note(self.agent_id, "ends", key, type(outcome).__name__)
        self.session.ended(key, outcome, self._clock.now)
        self._turn()

    # Its streams.

    def _connect(self) -> None:
        if self.stream is not None:
            return
        self.disturbed()
        stream = self._new_stream()
        stream.down.receive = lambda message: self._awake(self._receive, stream, message)
        stream.down.ended = lambda error: self._awake(self._on_end, stream, error)
        self._reconnect = Reconnect("the stream ended")
        self._attempts += 1
        self.stream = stream
        hello = self.session.connect(self._clock.now)
        self._clock.note(self.agent_id, "says", hello)
        if self._world.dial(stream):
            stream.up.send(hello)
        else:
            stream.end(None)
        self._turn()

    def _new_stream(self) -> Stream | Calls:
        if self.polls:
            return Calls(self._clock, self._world.link_seconds, self._awake, self.disturbed)
        return Stream(self._clock, self._world.link_seconds)

    def _receive(self, stream: Stream | Calls, message: pb.CoordinatorMessage) -> None:
        if stream is not self.stream:
            return
        self._clock.note(self.agent_id, "hears", message)
        self.session.receive(message, self._clock.now)
        if message.HasField("welcome"):
            self._attempts = 0
        self._turn()

    def _on_end(self, stream: Stream | Calls, error: Any) -> None:
        if stream is not self.stream:
            return
        self._clock.note(self.agent_id, "lost its stream", type(error).__name__)
        if isinstance(error, IncarnationSuperseded):
            self._die()
            return
        self._drop()
        self._turn()

    def _drop(self) -> None:
        if self.stream is None:
            return
        self.stream.leave()
        self.stream = None
        self.disturbed()
        self.session.disconnect()
        jitter = self.session.liveness.jitter_seconds
        longest = (
            jitter if self._attempts <= 1 else min(WAITS_MAX, 0.1 * 2 ** min(self._attempts, 16), max(2 * jitter, 1.0))
        )
        self._later(self._reconnect.delay_seconds + self._clock.random.uniform(0.0, longest), self._connect)
