"""Changes of many tasks at once, as values, and which tasks each of them changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import msgspec

from services.domain.task import Task
from services.domain.task_filter import WAITING, TaskFilter


class Cancel(msgspec.Struct, frozen=True):
    """Cancels, or asks whoever holds the task to stop."""

    reason: str = ""


class Reprioritize(msgspec.Struct, frozen=True):
    """Gives another priority to what no agent holds."""

    priority: int


class Move(msgspec.Struct, frozen=True):
    """Puts what no agent holds into another queue. Its limits are those that it has: the queue's defaults are for what
    is submitted to it.
    """

    queue: str


TaskChange = Cancel | Reprioritize | Move


class ChangeTasks(msgspec.Struct, frozen=True):
    """Changes those of the tasks that the filter still wants and that the change applies to. Answer: their ids.

    `patch` says of the stored spec, opaque here, what the change makes of it: it is appended.
    """

    filter_: TaskFilter
    task_ids: Sequence[str]
    change: TaskChange
    patch: bytes = b""


def is_changed(task: Task, change: TaskChange) -> bool:
    """Whether the change does something to the task as it is."""
    match change:
        case Cancel():
            return not task.terminal and not task.cancel_request_time
        case Reprioritize(priority=priority):
            return task.state in WAITING and task.priority != priority
        case Move(queue=queue):
            return task.state in WAITING and task.queue != queue
        case _:
            assert_never(change)
