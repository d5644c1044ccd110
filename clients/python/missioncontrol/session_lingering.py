"""Work whose lease is gone and that does not stop: it has a slot which the coordinator takes for free.

For a moment that is as it should be, since work that is told to stop needs one; a lease that comes for the slot waits.
What takes longer is told to the coordinator, in the way in which it learns all else of an agent, by Hello: the agent
connects again with fewer slots, and once more when the work has ended. Otherwise each task that it is given would wait
in vain, or be rejected and given again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from missioncontrol import agent_limits as limits
from missioncontrol.session_effects import LeaseKey
from missioncontrol.v1 import agent_service_pb2 as pb


@dataclass(slots=True)
class Lingering:
    """What lingers, and what of it the last Hello told. Times are monotonic seconds that the caller brings."""

    _leases: dict[LeaseKey, tuple[float, pb.Lease]] = field(default_factory=dict)
    """With the time from which it counts as lingering."""
    _told: frozenset[LeaseKey] = frozenset()

    def begin(self, lease: pb.Lease, now: float) -> None:
        """The lease is gone, its work was told to stop."""
        self._leases.setdefault((lease.task_id, lease.token), (now + limits.LINGERING_SECONDS, lease))

    def end(self, key: LeaseKey) -> None:
        """Its work has ended."""
        self._leases.pop(key, None)

    def changed(self, now: float) -> bool:
        """Whether the coordinator should be told anew."""
        return self._overdue(now) != self._told

    @property
    def due_time(self) -> float:
        """When time alone makes it so."""
        return min((time for key, (time, _) in self._leases.items() if key not in self._told), default=inf)

    @property
    def told_tasks(self) -> frozenset[str]:
        """The tasks whose earlier work was told to linger: a new lease of one could not start here."""
        return frozenset(task_id for task_id, _ in self._told)

    def tell(self, hello: pb.Hello, now: float) -> int:
        """Takes off Hello what is not there to be used; returns how many slots are left. None left is a drain."""
        self._told = self._overdue(now)
        left = hello.slots - len(self._told)
        if left > 0:
            hello.slots = left
        else:
            hello.draining = True
        for key in self._told:
            for name, amount in self._leases[key][1].spec.requirements.resources.items():
                if name in hello.resources:
                    hello.resources[name] = max(0.0, hello.resources[name] - amount)
        return left

    def _overdue(self, now: float) -> frozenset[LeaseKey]:
        if not self._leases:
            return frozenset()
        return frozenset(key for key, (time, _) in self._leases.items() if now >= time)
