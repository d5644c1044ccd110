"""What the model of the store holds, and how it says answers: the store's rows and answers as plain values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from services.domain.agent import Agent, AgentState, DrainMode
from services.domain.commands import Admission, Created, NewTask, Refusal, ReportKind
from services.domain.errors import AlreadyExists
from services.domain.failure import AttemptOutcome
from services.domain.policy import QueuePolicy
from services.domain.queue import Queue
from services.domain.task import Task, TaskState

SECOND = 1_000_000
AVOID = 10 * SECOND
LEASE_TTL = 30 * SECOND
RUN_LIMIT_GRACE = 10 * SECOND
DRAIN_GRACE = 10 * SECOND
OVER = {TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED, TaskState.EXPIRED}
HELD = {TaskState.LEASED, TaskState.RUNNING}
PRESENT = {AgentState.READY, AgentState.DRAINING}
ENDINGS = {
    ReportKind.SUCCEEDED: AttemptOutcome.SUCCEEDED,
    ReportKind.FAILED: AttemptOutcome.FAILED,
    ReportKind.CANCELLED: AttemptOutcome.CANCELLED,
    ReportKind.RETURNED: AttemptOutcome.RETURNED,
    ReportKind.REJECTED: AttemptOutcome.REJECTED,
}


class OneOf(frozenset[Any]):
    """Answers of which any is right: several reasons forbid it, and nobody promised which is named."""


@dataclass
class ModelTask:
    """A task, and the attempts that have ended: by token, (agent, incarnation, outcome, digest)."""

    new: NewTask
    queue_limit: int
    run_limit: int
    state: TaskState
    queue: str
    priority: int
    wake: int = 0
    version: int = 1
    token: int = 0
    agent: str = ""
    failures: int = 0
    redeliveries: int = 0
    cancelled: bool = False
    marked: bool = False  # another task waited for it
    waits_for: list[str] = field(default_factory=list)
    end_time: int = 0
    avoid: dict[str, int] = field(default_factory=dict)
    attempts: dict[int, tuple[str, str, AttemptOutcome, str]] = field(default_factory=dict)

    @property
    def held(self) -> bool:
        return self.state in HELD

    @property
    def gpus(self) -> float:
        return self.new.requirements.resources.get("gpu", 0.0)

    def summary(self) -> tuple[Any, ...]:
        counts = (self.version, self.token, self.failures, self.redeliveries, len(self.waits_for))
        return (self.new.id, self.state, *counts, self.cancelled, self.queue, self.priority)


@dataclass
class ModelAgent:
    """An agent. What it holds is found at the tasks."""

    id: str
    incarnation: str
    slots: int
    queue_limit: int
    gpus: float
    kinds: tuple[str, ...]
    session: int = 0
    state: AgentState = AgentState.READY
    cordoned: bool = False
    drain: DrainMode = DrainMode.NONE
    drain_time: int = 0
    expire_time: int = 0
    superseded: set[str] = field(default_factory=set)

    def summary(self) -> tuple[Any, ...]:
        return (self.id, self.incarnation, self.session, self.state, self.cordoned, self.drain, self.drain_time)


@dataclass
class ModelQueue:
    """A queue; version 0 if nobody configured it."""

    policy: QueuePolicy = field(default_factory=QueuePolicy)
    paused: bool = False
    version: int = 0


def seen_task(row: Any) -> tuple[Any, ...]:
    asked = bool(row.cancel_request_time)
    counts = (row.version, row.token, row.failures, row.redeliveries, row.blockers)
    return (row.id, row.state, *counts, asked, row.queue, row.priority)


def seen_agent(row: Any) -> tuple[Any, ...]:
    return (row.id, row.incarnation, row.session, row.state, row.cordoned, row.drain_mode, row.drain_time)


SEEN: dict[type, Callable[[Any], Any]] = {
    AlreadyExists: lambda answer: ("reused", answer.metadata["task_id"]),
    Created: lambda answer: ("same", answer.task_id) if answer.task is None else ("created", seen_task(answer.task)),
    Refusal: lambda answer: (answer.number, answer.reason),
    Admission: lambda answer: (
        answer.session,
        tuple(sorted((task.id, task.token) for task in answer.kept)),
        tuple(answer.dropped),
        answer.drain_mode,
        answer.drain_time,
    ),
    list: lambda answer: tuple(map(seen, answer)),
    Queue: lambda answer: (answer.policy, answer.paused, answer.version),
    Task: seen_task,
    Agent: seen_agent,
}


def seen(answer: Any) -> Any:
    """What the store has answered, in the model's words."""
    if type(answer) in SEEN:
        return SEEN[type(answer)](answer)
    return type(answer).__name__ if isinstance(answer, Exception) else answer


def agree(expected: Any, found: Any) -> bool:
    """Whether an answer is the expected one, or one of them."""
    if isinstance(expected, OneOf):
        return found in expected
    if isinstance(expected, tuple) and isinstance(found, tuple):
        return len(expected) == len(found) and all(map(agree, expected, found))
    return bool(expected == found)
