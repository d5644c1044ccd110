"""What the feed has told so far, counted for the display and for the moment of the kill.

Knows events and nothing else: it is folded one event at a time, in the order of the feed.
"""

from __future__ import annotations

from collections import Counter, deque

from services.domain.event import EventType
from services.domain.task import TERMINAL, TaskState
from services.fleet.audit import SeenEvent

RECENT_EVENTS = 8


class Board:
    """Counts of tasks by state and by agent, and the last events."""

    def __init__(self) -> None:
        self.states: dict[str, TaskState] = {}
        self.ended_by: Counter[str] = Counter()
        self.redelivered: set[str] = set()
        self.recent: deque[SeenEvent] = deque(maxlen=RECENT_EVENTS)
        self.sequence = 0
        self._running: dict[str, str] = {}

    def take(self, event: SeenEvent) -> None:
        """Counts one event."""
        self.sequence = event.sequence
        self.recent.append(event)
        if not event.task_id or event.to_state is None:
            return
        self.states[event.task_id] = event.to_state
        self._running.pop(event.task_id, None)
        if event.to_state is TaskState.RUNNING:
            self._running[event.task_id] = event.agent_id
        elif event.to_state in TERMINAL:
            self.ended_by[event.agent_id] += 1
        elif event.type is EventType.TASK_REQUEUED:
            self.redelivered.add(event.task_id)

    @property
    def ended(self) -> int:
        """How many tasks are terminal."""
        return sum(state in TERMINAL for state in self.states.values())

    def count(self, *states: TaskState) -> int:
        """How many tasks are in one of these states."""
        return sum(state in states for state in self.states.values())

    def running_on(self, agent_id: str) -> set[str]:
        """The tasks that run on this agent."""
        return {task_id for task_id, agent in self._running.items() if agent == agent_id}

    def open_tasks(self) -> list[str]:
        """The tasks that have not ended."""
        return [task_id for task_id, state in self.states.items() if state not in TERMINAL]
