"""When heartbeats are due, which of them came back, and until when that proves a lease.

Times are monotonic seconds that the caller brings. Nothing here knows the leases, only the version of their set.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import inf

from missioncontrol import agent_limits as limits
from missioncontrol.session_leases import seconds
from missioncontrol.v1 import agent_service_pb2 as pb


@dataclass(slots=True)
class Liveness:
    """The heartbeats of one stream after another. `echoed_*` outlives a stream: leases do, too."""

    interval_seconds: float = limits.HEARTBEAT_SECONDS
    echo_seconds: float = limits.ECHO_SECONDS
    jitter_seconds: float = limits.RECONNECT_SECONDS
    welcomed: bool = False
    echoed_sent_time: float = -inf
    """When the last heartbeat (or Hello) that the coordinator answered was sent."""
    echoed_version: int = -1
    """The version of the set of leases that it named."""
    _number: int = 0
    _sent_time: float = -inf
    _heard_time: float = inf
    _stream_version: int = -1
    _unechoed: deque[tuple[int, float, int]] = field(default_factory=deque)

    def begin(self, version: int, now: float) -> None:
        """A Hello that names this version is sent on a new stream."""
        self.welcomed = False
        self._number = 0
        self._sent_time = self._heard_time = now
        self._stream_version = -1
        self._unechoed.clear()
        self._unechoed.append((0, now, version))

    def welcome(self, welcome: pb.Welcome, now: float) -> None:
        """The Hello was answered: it counts as the stream's first heartbeat."""
        self.welcomed = True
        self._heard_time = now
        self.interval_seconds = seconds(welcome.heartbeat_interval) or limits.HEARTBEAT_SECONDS
        self.echo_seconds = seconds(welcome.echo_timeout) or limits.ECHO_SECONDS
        self.jitter_seconds = seconds(welcome.reconnect_jitter_max)
        _, self.echoed_sent_time, self.echoed_version = self._unechoed.popleft()

    def renewed_time(self, version: int, delivered_time: float) -> float:
        """From when what came to the set with this version runs: its delivery, or the last echo that names it."""
        return max(delivered_time, self.echoed_sent_time) if version <= self.echoed_version else delivered_time

    def heartbeat_time(self, shortest_ttl: float) -> float:
        """When the next heartbeat is due."""
        if not self.welcomed or len(self._unechoed) >= limits.UNECHOED_MAX:
            return inf
        return self._sent_time + min(self.interval_seconds, shortest_ttl / limits.HEARTBEATS_PER_TTL)

    def heartbeat(self, version: int, now: float) -> pb.Heartbeat:
        """The next heartbeat, sent now. The caller fills in the set where `held_included` says so."""
        self._number += 1
        self._sent_time = now
        self._unechoed.append((self._number, now, version))
        return pb.Heartbeat(number=self._number, held_version=version, held_included=version != self._stream_version)

    def echo(self, echo: pb.HeartbeatEcho, now: float) -> None:
        """A heartbeat came back."""
        while self._unechoed and self._unechoed[0][0] <= echo.number:
            number, sent_time, version = self._unechoed.popleft()
            if number == echo.number and version == echo.held_version:
                self._heard_time = now
                self._stream_version = version
                self.echoed_sent_time, self.echoed_version = sent_time, version

    def end(self) -> None:
        """The stream is gone: nothing is due on it."""
        self.welcomed = False
        self._heard_time = inf

    @property
    def silence_time(self) -> float:
        """When the stream counts as broken, unless something is heard before."""
        return self._heard_time + (self.echo_seconds if self.welcomed else limits.WELCOME_SECONDS)
