"""The coordinator's figures for Prometheus: flow, reliability, and how full it is.

Counted from commits, so they tell what is on disk.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.coordinator.fast_metrics import FastCounter, FastHistogram
from services.domain.errors import MissionControlError
from services.domain.event import EventType
from services.domain.failure import AttemptOutcome
from services.domain.task import Task, TaskState
from services.store.flush import Committed

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 43200)


class CoordinatorMetrics:
    """See the module. Listens to the journal."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._events = FastCounter(
            "missioncontrol_events",
            "Committed events of the feed, by type.",
            label="type",
            values=EventType,
            registry=registry,
        )
        self._attempts = FastCounter(
            "missioncontrol_attempts",
            "Attempts that ended, by outcome.",
            label="outcome",
            values=AttemptOutcome,
            registry=registry,
        )
        self._flushes = Counter("missioncontrol_flushes", "Transactions of the journal.", registry=registry)
        self._tasks = FastCounter(
            "missioncontrol_tasks_finished",
            "Tasks that became terminal, by state.",
            label="state",
            values=TaskState,
            registry=registry,
        )
        self._refused = Counter(
            "missioncontrol_submits_refused",
            "Submits that were refused, by reason.",
            ["reason"],
            registry=registry,
        )
        self._wait = FastHistogram(
            "missioncontrol_queue_wait_seconds",
            "From the moment a task was first ready to the start of the attempt that ended it.",
            buckets=SECONDS,
            registry=registry,
        )
        self._run = FastHistogram(
            "missioncontrol_run_seconds",
            "From the start of the last attempt to its end.",
            buckets=SECONDS,
            registry=registry,
        )

    def gauge(self, name: str, documentation: str, value: Callable[[], float]) -> None:
        """Adds a figure that is asked for when it is scraped."""
        Gauge(name, documentation, registry=self._registry).set_function(value)

    def refused(self, error: MissionControlError) -> None:
        """Counts a submit that was refused."""
        self._refused.labels(error.reason.lower()).inc()

    def on_committed(self, committed: Committed) -> None:
        """Counts one commit."""
        self._flushes.inc()
        self._events.count(event.type for event in committed.events)
        self._attempts.count(attempt.outcome for attempt in committed.ended)
        finished = [task for task in committed.tasks.values() if task.end_time]
        self._tasks.count(task.state for task in finished)
        for task in finished:
            self._observe(task)

    def _observe(self, task: Task) -> None:
        if task.start_time and task.state in (TaskState.SUCCEEDED, TaskState.FAILED):
            self._wait.observe((task.start_time - task.queued_time) / 1e6)
            self._run.observe((task.end_time - task.start_time) / 1e6)
