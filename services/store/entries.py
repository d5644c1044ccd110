"""What waits in the journal's queue, and what of it is with the writer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from services.domain.commands import ApplyReports, Command, CreateTasks, Forget, GrantLeases
from services.domain.schedule_commands import FireSchedule
from services.domain.task_changes import ChangeTasks
from services.store.flush import Prepared

Read = Callable[[Connection], Any]


class Entry:
    """A command, or a read, with the future of whoever waits for it."""

    __slots__ = ("future", "work")

    def __init__(self, work: Command | Read, future: asyncio.Future[Any]) -> None:
        self.work = work
        self.future = future


class Flight:
    """A flush that is with the writer."""

    __slots__ = ("abandoned", "begin", "entries", "prepared")

    def __init__(self, entries: list[Entry], prepared: Prepared, begin: float) -> None:
        self.entries = entries
        self.prepared = prepared
        self.begin = begin
        self.abandoned = False  # what it stands on was not written


def size(work: Command | Read) -> int:
    """How many items a command holds."""
    match work:
        case CreateTasks(tasks=items) | ApplyReports(reports=items) | GrantLeases(placements=items):
            return len(items)
        case ChangeTasks(task_ids=task_ids):
            return len(task_ids)
        case Forget(tasks=tasks, chunks=chunks):
            return len(tasks) + sum(len(chunk.task_ids) for chunk in chunks)
        case FireSchedule(firings=firings):
            return 1 + len(firings)
        case _:
            return 1
