"""The leases that an agent has: which are held, which run, and in which order those that wait are started.

A lease is *held* from its delivery until its last report is acknowledged; held leases are what heartbeats name. It is
*busy* from the moment it is handed over until its work has really ended, held or not: a busy lease takes a slot.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import Enum
from math import inf

from google.protobuf.duration_pb2 import Duration

from missioncontrol.session_effects import LeaseKey, StopReason, WithdrawReason
from missioncontrol.session_warm_keys import WarmKeys
from missioncontrol.v1 import agent_service_pb2 as pb
from missioncontrol.v1 import task_pb2


class Phase(Enum):
    """Where a lease stands in the agent."""

    WAITING = "in the agent's queue"
    OFFERED = "handed over, not yet claimed by a handler"
    RUNNING = "claimed by a handler"
    ENDED = "its last report is made"


@dataclass(slots=True, eq=False)
class HeldLease:
    """One lease and what the session knows of it. Times are monotonic seconds."""

    lease: pb.Lease
    key: LeaseKey
    version: int
    """Of the set of leases held, when this one came to it: a heartbeat of this version or a later one names it."""
    ttl_seconds: float
    renewed_time: float
    """The time to live runs from here at the earliest, before any echoed heartbeat named the lease."""
    phase: Phase = Phase.WAITING
    held: bool = True
    stop: StopReason | None = None
    withdraw: WithdrawReason | None = None
    offered_time: float = inf
    progress: task_pb2.Progress | None = None
    progress_time: float = -inf
    progress_in_flight: bool = False
    checkpoint: task_pb2.Payload | None = None
    checkpoint_in_flight: bool = False
    refused: int = 0
    """How many outcomes of it the coordinator called invalid."""

    @property
    def busy(self) -> bool:
        """Whether it takes a slot."""
        return self.phase is Phase.OFFERED or self.phase is Phase.RUNNING

    def may_stop(self, reason: StopReason) -> bool:
        """Whether its work is to be told so. The first reason stands, since the handler was told it; only a cancel wins
        over it, being final.
        """
        return self.stop is None or (reason is StopReason.CANCEL and self.stop is not StopReason.DROPPED)


def seconds(duration: Duration) -> float:
    """A Duration as float seconds."""
    return duration.seconds + duration.nanos * 1e-9


@dataclass(slots=True)
class LeaseTable:
    """All leases of the agent. `version` rises by one with each that comes to the held set or goes from it."""

    slots: int
    queue_limit: int
    warm: WarmKeys = field(default_factory=WarmKeys)
    version: int = 0
    busy: int = 0
    held: int = 0
    lingering: int = 0
    """Busy and not held any more."""
    shortest_ttl: float = inf
    """Not longer than the time to live of any lease held; exact after `references`."""
    _leases: dict[LeaseKey, HeldLease] = field(default_factory=dict)
    _waiting: dict[LeaseKey, HeldLease] = field(default_factory=dict)
    _busy_tasks: dict[str, LeaseKey] = field(default_factory=dict)
    _offered: deque[HeldLease] = field(default_factory=deque)

    @classmethod
    def of(cls, hello: pb.Hello) -> LeaseTable:
        """The empty table of an agent that offers this."""
        return cls(hello.slots, hello.queue_limit, WarmKeys(hello.warm_keys))

    def __iter__(self) -> Iterator[HeldLease]:
        return iter(tuple(self._leases.values()))

    def get(self, key: LeaseKey) -> HeldLease | None:
        """The lease, held or busy."""
        return self._leases.get(key)

    def has_work(self, key: LeaseKey) -> bool:
        """Whether its work runs, or may begin."""
        lease = self._leases.get(key)
        return lease is not None and lease.phase is not Phase.ENDED

    @property
    def full(self) -> bool:
        """Whether one more lease would be more than the agent offered to take. What lingers is no lease any more: one
        that comes for its slot waits for its end.
        """
        return self._load >= self.slots + self.queue_limit

    @property
    def _load(self) -> int:
        return len(self._waiting) + self.busy - self.lingering

    def surplus(self, slots: int, stuck: Collection[str]) -> list[HeldLease]:
        """The waiting leases that cannot stay if so many slots are left: those of tasks that are stuck, and the newest
        that are too many, all of them if no slot is left.
        """
        room = slots + self.queue_limit if slots > 0 else 0
        behind = [lease for lease in self._waiting.values() if lease.key[0] in stuck]
        others = [lease for lease in reversed(self._waiting.values()) if lease.key[0] not in stuck]
        return behind + others[: max(0, self._load - len(behind) - room)]

    def add(self, lease: pb.Lease, ttl_seconds: float, renewed_time: float) -> HeldLease:
        """Takes in a lease: held, and nothing else yet."""
        key = (lease.task_id, lease.token)
        self.version += 1
        self.held += 1
        self.shortest_ttl = min(self.shortest_ttl, ttl_seconds)
        held = HeldLease(lease, key, self.version, ttl_seconds, renewed_time)
        self._leases[key] = held
        return held

    def wait(self, lease: HeldLease) -> None:
        """Puts a lease at the end of the agent's queue."""
        self._waiting[lease.key] = lease

    def offer(self, now: float) -> tuple[HeldLease, ...]:
        """Hands over as many waiting leases as slots are free, oldest first. A task whose earlier work lingers waits
        for its end.
        """
        free = self.slots - self.busy
        if free <= 0 or not self._waiting:
            return ()
        chosen: list[HeldLease] = []
        for lease in self._waiting.values():
            if len(chosen) == free:
                break
            task_id = lease.key[0]
            if task_id not in self._busy_tasks:
                self._busy_tasks[task_id] = lease.key
                chosen.append(lease)
        for lease in chosen:
            del self._waiting[lease.key]
            lease.phase, lease.offered_time = Phase.OFFERED, now
        self.busy += len(chosen)
        self._offered.extend(chosen)
        return tuple(chosen)

    def unclaimed_time(self, handover_seconds: float) -> float:
        """When the oldest of the leases handed over has waited so long for a handler; infinity if none waits."""
        while self._offered and self._offered[0].phase is not Phase.OFFERED:
            self._offered.popleft()
        return self._offered[0].offered_time + handover_seconds if self._offered else inf

    def skip_offer(self) -> HeldLease:
        """Takes the oldest offer off the list of those looked at, and returns it."""
        return self._offered.popleft()

    def end(self, lease: HeldLease) -> None:
        """The lease's work is over, or will never start: its slot, or its place in the queue, is free."""
        if lease.phase is Phase.RUNNING:
            self.warm.used(lease.lease.spec.affinity_key)
        if lease.busy:
            self.busy -= 1
            self.lingering -= int(not lease.held)
            self._busy_tasks.pop(lease.key[0], None)
        elif lease.phase is Phase.WAITING:
            self._waiting.pop(lease.key, None)
        lease.phase = Phase.ENDED
        if not lease.held:
            self._leases.pop(lease.key, None)

    def forget(self, lease: HeldLease) -> None:
        """Takes the lease off the held set. If its work still runs, its slot stays taken until `end`."""
        if lease.held:
            lease.held = False
            self.version += 1
            self.held -= 1
            self.lingering += int(lease.busy)
        if lease.phase is Phase.WAITING:
            self.end(lease)
        elif lease.phase is Phase.ENDED:
            self._leases.pop(lease.key, None)

    def warm_keys(self) -> list[str]:
        """The affinity keys that the agent is warm for, newest first."""
        running = [each.lease.spec.affinity_key for each in self._leases.values() if each.phase is Phase.RUNNING]
        return self.warm.newest_first(reversed(running))

    def references(self) -> list[pb.LeaseReference]:
        """The set of leases held, as heartbeats and Hello name it."""
        held = [lease for lease in self._leases.values() if lease.held]
        self.shortest_ttl = min((lease.ttl_seconds for lease in held), default=inf)
        return [pb.LeaseReference(task_id=lease.key[0], token=lease.key[1]) for lease in held]
