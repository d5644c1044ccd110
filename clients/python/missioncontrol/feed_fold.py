"""Folds the feed and compares it with what lists say: both must tell the same of every task."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from missioncontrol.calls.tasks import is_terminal
from missioncontrol.v1 import event_pb2, task_pb2

_TELL_PRIORITY = frozenset({event_pb2.EVENT_TYPE_TASK_CREATED, event_pb2.EVENT_TYPE_TASK_CHANGED})


class Told(NamedTuple):
    """A task as an event left it, or as a list has it."""

    state: task_pb2.TaskState.ValueType
    version: int
    token: int
    failures: int
    redeliveries: int
    blockers: int
    queue: str
    priority: int | None
    """None where nothing has told it: the log begins behind it."""

    def __str__(self) -> str:
        name = task_pb2.TaskState.Name(self.state).removeprefix("TASK_STATE_")
        return f"{name} (version {self.version}, token {self.token})"


@dataclass
class FeedFold:
    """One namespace's tasks, and whether the sequence of all events has gaps."""

    namespace: str
    sequence: int = 0
    first: int = 0
    findings: list[str] = field(default_factory=list)
    tasks: dict[str, Told] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether the log was read from its first event on."""
        return self.first <= 1

    def take(self, events: Iterable[event_pb2.Event]) -> None:
        """The next events, of all namespaces."""
        for event in events:
            if not self.first:
                self.first = event.sequence
            elif event.sequence != self.sequence + 1:
                self.findings.append(f"the feed has {event.sequence} after {self.sequence}")
            self.sequence = event.sequence
            # A schedule's firing names the task that it made, which has an event of its own.
            if event.task_id and not event.schedule and event.namespace == self.namespace:
                self._take_task(event)

    def _take_task(self, event: event_pb2.Event) -> None:
        before = self.tasks.get(event.task_id)
        expected = before.version + 1 if before is not None else 1
        if event.version != expected and (before is not None or self.whole):
            self.findings.append(f"event {event.sequence}: version {event.version} of {event.task_id}, not {expected}")
        if before is not None and event.from_state != before.state:
            self.findings.append(f"event {event.sequence}: {event.task_id} does not come from {before}")
        priority = event.priority if event.type in _TELL_PRIORITY else before.priority if before is not None else None
        counts = (event.version, event.token, event.failures, event.redeliveries, event.blockers)
        self.tasks[event.task_id] = Told(event.to_state, *counts, event.queue, priority)

    def compare(self, tasks: Iterable[task_pb2.Task]) -> None:
        """Notes what a list says otherwise; it is of the position that was reached."""
        for task in tasks:
            told = self.tasks.get(task.id)
            priority = None if told is not None and told.priority is None else task.spec.priority
            counts = (task.version, task.token, task.failures, task.redeliveries, task.blockers)
            listed = Told(task.state, *counts, task.spec.queue, priority)
            if told != listed and (told is not None or self.whole):
                self.findings.append(f"task {task.id}: {listed} in the list, {told or 'nothing'} in the feed")

    def unfinished(self) -> set[str]:
        """The tasks that have not ended: a list must hold them."""
        return {task_id for task_id, told in self.tasks.items() if not is_terminal(told.state)}
