"""Who holds what, as the feed tells it while a test runs: what a test waits for before it goes on to the next fault."""

from __future__ import annotations

import time

from services.domain.event import EventType
from services.domain.task import HELD, TaskState
from services.fleet.audit import SeenEvent

Lease = tuple[str, int]
"""A task and the token of one of its leases."""


class Leases:
    """A follower's `on_event`. Times are monotonic seconds, of the arrival of the event."""

    def __init__(self) -> None:
        self.granted: dict[Lease, float] = {}
        self._requeued: set[Lease] = set()
        self._agents: dict[Lease, str] = {}
        self._holders: dict[str, tuple[Lease, str, TaskState]] = {}

    def on_event(self, event: SeenEvent) -> None:
        """Takes in one event."""
        if event.to_state is None:
            return
        lease = (event.task_id, event.token)
        if event.to_state in HELD:
            self.granted.setdefault(lease, time.monotonic())
            self._agents[lease] = event.agent_id
            self._holders[event.task_id] = (lease, event.agent_id, event.to_state)
            return
        self._holders.pop(event.task_id, None)
        if event.type is EventType.TASK_REQUEUED:
            self._requeued.add(lease)

    def held(self, agent_id: str) -> set[Lease]:
        """The leases of this agent, also those whose work has not started."""
        return {lease for lease, holder, _ in self._holders.values() if holder == agent_id}

    def running(self, agent_id: str) -> set[Lease]:
        """The leases of this agent whose work has started."""
        return {
            lease
            for lease, holder, state in self._holders.values()
            if holder == agent_id and state is TaskState.RUNNING
        }

    def holder(self, lease: Lease) -> str:
        """The agent that has or had this lease."""
        return self._agents[lease]

    def requeued(self, lease: Lease) -> bool:
        """Whether the lease was taken away, and its task given back to the queue."""
        return lease in self._requeued

    def granted_again(self, lease: Lease) -> float:
        """When the task was leased once more after this lease; 0 if that has not been told."""
        task_id, token = lease
        return self.granted.get((task_id, token + 1), 0.0)
