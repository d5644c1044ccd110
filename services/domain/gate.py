"""What one flush knows of a queue that may refuse tasks: how deep it is, and what its rate leaves."""

from __future__ import annotations

from collections.abc import Container, Iterable

from services.domain.event import Event
from services.domain.queue import QueueKey
from services.domain.task import TaskState


class Gate:
    """A queue's depth and allowance, from the beginning of a flush on; the fold changes both.

    `tokens` are the submits that its rate allows now, `taken` those that the fold has used.
    """

    __slots__ = ("pending", "refused", "taken", "tokens")

    def __init__(self, *, pending: int = 0, tokens: float = 0.0) -> None:
        self.pending = pending
        self.tokens = tokens
        self.taken = 0
        self.refused = 0


def pending_changes(events: Iterable[Event], queues: Container[QueueKey]) -> dict[QueueKey, int]:
    """How much deeper these events make each of the queues; those that stay as deep may be missing."""
    changes: dict[QueueKey, int] = {}
    for event in events:
        data = event.data
        change = (data.to_state == TaskState.PENDING) - (data.from_state == TaskState.PENDING)
        if change and (key := (event.namespace, event.queue)) in queues:
            changes[key] = changes.get(key, 0) + change
    return changes
