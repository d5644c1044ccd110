"""The coordinator's and the agents' side of the play: who holds what, and what the scheduler is told of it."""

from __future__ import annotations

from collections import Counter, deque
from typing import NamedTuple

from benchmarks.routing_study.workload import Arrival
from services.domain.policy import QueuePolicy
from services.domain.requirements import AgentProfile
from services.domain.schedule import LeaseLoad, SchedulableAgent

NAMESPACE, QUEUE, KIND = "default", "study", "work"


class FleetPlan(NamedTuple):
    """Agents that are all alike. `queue_limit` is the room of an agent's own queue, beyond its slots.

    `keys_max`: an agent keeps what it needs for so many keys, those used last.
    """

    agents: int
    slots: int = 1
    queue_limit: int = 0
    keys_max: int = 0


class Job:
    """A task that was sent. `number` is by what the measure knows it."""

    __slots__ = ("arrival", "cold", "number", "priority")

    def __init__(self, arrival: Arrival, number: int, priority: int) -> None:
        self.arrival = arrival
        self.number = number
        self.priority = priority
        self.cold = False


class StudyAgent:
    """An agent: its running tasks, its own queue, and the keys that it is warm for, the one used last at the end."""

    __slots__ = ("_plan", "_profile", "agent_id", "free", "held", "key", "last_grant_time", "leases", "own", "warm")

    def __init__(self, number: int, plan: FleetPlan, policy: QueuePolicy) -> None:
        self._plan = plan
        # Numbered with leading zeros: reserved pools take agents by their ids.
        self.agent_id = f"agent-{number:05}"
        self.key = f"{NAMESPACE}/{self.agent_id}"
        self._profile = AgentProfile(frozenset({KIND}))
        self.free = plan.slots
        self.own: deque[Job] = deque()
        self.leases = 0
        self.last_grant_time = 0
        self.warm: dict[str, int] = {}
        # What the leases are of, if the policy needs it.
        self.held: Counter[int] | None = Counter() if policy.counts_leases else None

    def grant(self, job: Job, now: int) -> None:
        """Take a lease."""
        self.leases += 1
        self.last_grant_time = now
        if self.held is not None:
            self.held[job.priority] += 1
        self.own.append(job)

    def start(self, now: int) -> Job | None:
        """Start the first task of its own queue if a slot is free."""
        if not self.free or not self.own:
            return None
        self.free -= 1
        job = self.own.popleft()
        if key := job.arrival.key:
            job.cold = key not in self.warm
            self._keep_warm(key, now)
        return job

    def end(self, job: Job, now: int) -> None:
        """End a task: its slot and its lease are free."""
        self.free += 1
        self.leases -= 1
        if self.held is not None:
            self.held[job.priority] -= 1
        if job.arrival.key in self.warm:
            self._keep_warm(job.arrival.key, now)

    def told(self) -> SchedulableAgent:
        """What a coordinator says of it after a commit that changed it."""
        return SchedulableAgent(
            self.key, NAMESPACE, self.agent_id, 1, True, self._profile, self._plan.slots, self.leases,
            queue_limit=self._plan.queue_limit, loads=self._loads(), warm_keys=dict(self.warm) if self.warm else {},
            last_grant_time=self.last_grant_time,
        )  # fmt: skip

    def _loads(self) -> tuple[LeaseLoad, ...]:
        if self.held is None:
            return ()
        return tuple(LeaseLoad(QUEUE, priority, "", leases) for priority, leases in self.held.items() if leases)

    def _keep_warm(self, key: str, now: int) -> None:
        self.warm.pop(key, None)
        self.warm[key] = now
        if len(self.warm) > self._plan.keys_max:
            del self.warm[next(iter(self.warm))]
