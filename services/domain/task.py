"""The life of a task: its states, the one table of edges between them, and the row that remembers where it stands.

The table is the only source: the CHECK constraints, the diagram in ARCHITECTURE.md and the log checkers are derived
from it. What is not in it raises. The payload is not here; it lies apart, as the opaque document that was submitted.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import msgspec

from services.domain.retry import RetryPolicy


class TaskState(IntEnum):
    """Where a task stands. The numbers are those of the wire."""

    SCHEDULED = 1
    PENDING = 2
    LEASED = 3
    RUNNING = 4
    SUCCEEDED = 5
    FAILED = 6
    CANCELLED = 7
    EXPIRED = 8
    BLOCKED = 9


TERMINAL = frozenset({TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED, TaskState.EXPIRED})
HELD = frozenset({TaskState.LEASED, TaskState.RUNNING})

# (from, to) → what brings it about. A change that keeps the state (progress, a cancel request) is not an edge.
TRANSITIONS: dict[tuple[TaskState, TaskState], str] = {
    (TaskState.BLOCKED, TaskState.PENDING): "the last task that it depends on ended",
    (TaskState.BLOCKED, TaskState.SCHEDULED): "the same, before its time",
    (TaskState.BLOCKED, TaskState.FAILED): "a task that it depends on did not succeed",
    (TaskState.BLOCKED, TaskState.CANCELLED): "cancelled, or a task that it depends on did not succeed",
    (TaskState.SCHEDULED, TaskState.PENDING): "time has come",
    (TaskState.SCHEDULED, TaskState.CANCELLED): "cancelled",
    (TaskState.PENDING, TaskState.LEASED): "granted",
    (TaskState.PENDING, TaskState.CANCELLED): "cancelled",
    (TaskState.PENDING, TaskState.EXPIRED): "queue time limit (a lease that has not started is taken back first)",
    (TaskState.LEASED, TaskState.RUNNING): "started",
    (TaskState.LEASED, TaskState.PENDING): "returned, rejected, recalled, agent lost",
    (TaskState.LEASED, TaskState.CANCELLED): "cancelled, and the lease ended",
    (TaskState.RUNNING, TaskState.SUCCEEDED): "succeeded",
    (TaskState.RUNNING, TaskState.FAILED): "no retry left, or lost too often",
    (TaskState.RUNNING, TaskState.SCHEDULED): "attempt failed, retries left: backoff",
    (TaskState.RUNNING, TaskState.PENDING): "returned, agent lost",
    (TaskState.RUNNING, TaskState.CANCELLED): "cancelled, and the lease ended",
}


class IllegalTransition(AssertionError):
    """Our own mistake: an edge that the table does not have."""


class Avoided(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An agent that the task must not go to before an instant, because it rejected or lost it.

    One that failed it is avoided only while another could run it (`if_others`).
    """

    agent_id: str
    until_time: int
    if_others: bool = False


class Task(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False):
    """The narrow state row of a task. Instants are microseconds since 1970 UTC, 0 for "never"; so are limits, 0 for
    "none".

    `wake_time` is the next instant at which a timer has to look at the task: its schedule time, the end of its time
    in the queue, or the end of its time to run. The current lease is part of this row (`agent_id`, `token`), so there
    cannot be two. `blockers` counts the tasks that it depends on and that have not ended; it is 0 unless BLOCKED.
    `has_dependents`: another task waited for it at least once.
    """

    id: str
    namespace: str
    queue: str
    kind: str
    priority: int
    needs_id: str
    affinity_key: str
    state: TaskState
    version: int
    create_time: int
    queued_time: int = 0
    wake_time: int = 0
    grant_time: int = 0
    start_time: int = 0
    end_time: int = 0
    cancel_request_time: int = 0
    token: int = 0
    agent_id: str = ""
    failures: int = 0
    redeliveries: int = 0
    failure_reason: int = 0
    queue_limit_micros: int = 0
    run_limit_micros: int = 0
    retry_of: str = ""
    request_id: str = ""
    shard: int = 0
    fairness_key: str = ""
    blockers: int = 0
    dependency_policy: int = 0
    has_dependents: bool = False
    retry: RetryPolicy | None = None
    avoid: tuple[Avoided, ...] = ()

    @property
    def terminal(self) -> bool:
        """Whether nothing can happen to it any more."""
        return self.state in TERMINAL

    @property
    def held(self) -> bool:
        """Whether an agent has a current lease of it."""
        return self.state in HELD


def advance(task: Task, to: TaskState, /, **changes: Any) -> Task:
    """The task after the edge to `to`, one version later.

    Raises IllegalTransition for an edge that is not in the table.
    """
    if (task.state, to) not in TRANSITIONS:
        raise IllegalTransition(f"{task.id}: {task.state.name} -> {to.name}")
    return msgspec.structs.replace(task, state=to, version=task.version + 1, **changes)


def amend(task: Task, /, **changes: Any) -> Task:
    """The task after a change that keeps its state, one version later."""
    return msgspec.structs.replace(task, version=task.version + 1, **changes)
