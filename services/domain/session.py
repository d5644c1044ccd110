"""The coordinator's half of an agent's conversation: which leases its heartbeats still renew. No wire, no clock, no
event loop.

A lease lives from its grant, or from the last heartbeat that named it, for its time to live. Instants here are
seconds of the coordinator's monotonic clock, given by the caller: they decide only what may be revoked, the revoking
transaction decides whether.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence

import msgspec

from services.domain.agent import AgentKey
from services.domain.commands import LeaseKey, RevokeLeases, RevokeReason
from services.domain.errors import IncarnationSuperseded, MissionControlError, SessionSuperseded, VersionMismatch

# The versions of the conversation that this coordinator speaks, oldest and newest.
PROTOCOL_VERSION_MIN = 1
PROTOCOL_VERSION_MAX = 1

# Progress is recorded at most this often per attempt.
PROGRESS_SECONDS = 1.0


def negotiate(oldest: int, newest: int) -> int:
    """The newest protocol version of `oldest` to `newest` that we speak, too. Raises VersionMismatch."""
    version = min(newest, PROTOCOL_VERSION_MAX)
    if version < max(oldest, PROTOCOL_VERSION_MIN):
        raise VersionMismatch(
            f"the agent speaks protocol versions {oldest} to {newest}, "
            f"this coordinator {PROTOCOL_VERSION_MIN} to {PROTOCOL_VERSION_MAX}",
            coordinator_versions=f"{PROTOCOL_VERSION_MIN}-{PROTOCOL_VERSION_MAX}",
        )
    return version


class Intervals(msgspec.Struct, frozen=True):
    """The times of a conversation, seconds. `silence` is how long a stream without heartbeats counts as alive."""

    heartbeat: float
    echo_timeout: float
    silence: float
    lease_ttl: float
    reconnect_jitter_max: float


def intervals_for(lease_ttl_seconds: float) -> Intervals:
    """The times that fit a time to live: at its default of 30 s a heartbeat each 5 s, an echo within 12 s."""
    heartbeat = min(5.0, lease_ttl_seconds / 6)
    echo_timeout = min(12.0, lease_ttl_seconds * 0.4)
    return Intervals(
        heartbeat=heartbeat,
        echo_timeout=echo_timeout,
        silence=echo_timeout + heartbeat,
        lease_ttl=lease_ttl_seconds,
        reconnect_jitter_max=min(3.0, lease_ttl_seconds / 10),
    )


class Due(msgspec.Struct, frozen=True):
    """What a tick found.

    Leases that ran out, leases that were never confirmed, and whether the stream has gone silent.
    """

    expired: list[LeaseKey]
    undelivered: list[LeaseKey]
    silent: bool


class Session:
    """One session of an agent, on this coordinator.

    After its stream broke it lives on, until a new one or the last lease's end.
    """

    def __init__(self, key: AgentKey, number: int, intervals: Intervals, *, now: float) -> None:
        self.key = key
        self.number = number
        self.intervals = intervals
        self.last_heartbeat = now
        self._ttl: dict[LeaseKey, float] = {}
        self._since: dict[LeaseKey, float] = {}  # leases that the last heartbeat did not name: alive since
        self._named: Collection[LeaseKey] = frozenset()
        self._unconfirmed: deque[tuple[int, float, Sequence[LeaseKey]]] = deque()
        self._progress: dict[LeaseKey, float] = {}
        self.cancelled: set[LeaseKey] = set()  # leases whose work has to stop
        self.recalled: set[LeaseKey] = set()  # leases that are wanted back if their work has not started
        self._ttl_min = float("inf")

    @property
    def leases(self) -> Collection[LeaseKey]:
        """The leases that this session holds."""
        return self._ttl.keys()

    def keep(self, leases: Iterable[tuple[LeaseKey, float]], *, now: float) -> None:
        """Takes over the leases (with their time to live) that Hello named."""
        for lease, ttl_seconds in leases:
            self.grant(lease, ttl_seconds, now=now)
        self._named = frozenset(self._ttl)
        self._since.clear()

    def grant(self, lease: LeaseKey, ttl_seconds: float, *, now: float) -> None:
        """A lease was committed for this session."""
        self._ttl[lease] = ttl_seconds
        self._since[lease] = now
        self._ttl_min = min(self._ttl_min, ttl_seconds)

    def cancel(self, lease: LeaseKey) -> None:
        """The work of this lease has to stop: ordered again with each heartbeat until the lease ends."""
        if lease in self._ttl:
            self.cancelled.add(lease)

    def recall(self, lease: LeaseKey) -> None:
        """The lease is wanted back, if its work has not started: ordered again if the agent did not have it yet."""
        if lease in self._ttl:
            self.recalled.add(lease)

    def wanted(self, lease: LeaseKey) -> list[str]:
        """What was ordered of the lease, by the names that orders have."""
        found = (("cancel", self.cancelled), ("recall", self.recalled))
        return [kind for kind, leases in found if lease in leases]

    def sent(self, batch: int, leases: Sequence[LeaseKey], *, now: float) -> None:
        """A batch went out; it has to be confirmed."""
        self._unconfirmed.append((batch, now, leases))

    def confirm(self, batch: int) -> None:
        """The agent has this batch, and all before it."""
        while self._unconfirmed and self._unconfirmed[0][0] <= batch:
            self._unconfirmed.popleft()

    def end(self, lease: LeaseKey) -> None:
        """The lease is over, for whatever reason."""
        self._ttl.pop(lease, None)
        self._since.pop(lease, None)
        self.cancelled.discard(lease)
        self.recalled.discard(lease)
        self._progress.pop(lease, None)
        if not self._ttl:
            self._ttl_min = float("inf")

    def heartbeat(self, held: Collection[LeaseKey] | None, *, now: float) -> None:
        """A heartbeat came; None means "the same set as before". What it names is renewed, what it left out is not."""
        if held is not None:
            for lease in self._ttl:
                if lease in held:
                    self._since.pop(lease, None)
                else:
                    self._since.setdefault(lease, self.last_heartbeat)
            self._named = held
        self.last_heartbeat = now

    def tick(self, now: float) -> Due:
        """What is due. The caller revokes it; each tick names it again until `end` is called."""
        self._forget_delivered(now)
        undelivered: list[LeaseKey] = []
        for _, sent_at, leases in self._unconfirmed:
            if now - sent_at < self.intervals.echo_timeout:
                break
            undelivered += [lease for lease in leases if lease in self._since]
        silence = now - self.last_heartbeat
        expired: list[LeaseKey] = []
        if self._since or silence >= self._ttl_min:
            expired = [lease for lease, ttl in self._ttl.items() if now - self._alive_since(lease) >= ttl]
        return Due(expired, undelivered, silence >= self.intervals.silence)

    def _forget_delivered(self, now: float) -> None:
        """Batches without a receipt whose leases were named or have ended: an agent may never send receipts."""
        while self._unconfirmed:
            _, sent_at, leases = self._unconfirmed[0]
            if now - sent_at < self.intervals.echo_timeout or any(lease in self._since for lease in leases):
                break
            self._unconfirmed.popleft()

    def _alive_since(self, lease: LeaseKey) -> float:
        return self._since.get(lease, self.last_heartbeat)

    def expires_in(self, now: float) -> float:
        """Seconds until the last of its leases runs out, if nothing renews them."""
        return max((ttl - (now - self._alive_since(lease)) for lease, ttl in self._ttl.items()), default=0.0)

    def takes_progress(self, lease: LeaseKey, *, now: float) -> bool:
        """Whether a progress report is recorded now; a later one will be, if this one came too early.

        That of a lease that is not held is for the journal to refuse, and not remembered here.
        """
        last = self._progress.get(lease)
        if last is not None and now - last < PROGRESS_SECONDS:
            return False
        if lease in self._ttl:
            self._progress[lease] = now
        return True


def revoking(session: Session, due: Due) -> list[RevokeLeases]:
    """The commands that take back what is due."""
    found = ((due.expired, RevokeReason.EXPIRED), (due.undelivered, RevokeReason.UNDELIVERED))
    return [RevokeLeases(session.key, session.number, leases, reason) for leases, reason in found if leases]


def superseded(agent_id: str, incarnation: str, *, by: str) -> MissionControlError:
    """Why the stream of this incarnation ends when the agent has a newer one, of the incarnation `by`."""
    if incarnation == by:
        return SessionSuperseded(f"agent {agent_id} has connected again")
    return IncarnationSuperseded(
        f"agent {agent_id} was started again elsewhere: this process (incarnation {incarnation}) has to exit",
        agent_id=agent_id,
    )
