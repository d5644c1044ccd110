"""How far a task is, on stderr: a bar where somebody looks, else one line for each change of state."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

from missioncontrol.cli.printer import note
from missioncontrol.cli.task_view import state_name
from missioncontrol.v1 import task_pb2


class ProgressView(Protocol):
    """Shows a task as it changes."""

    def show(self, task: task_pb2.Task) -> None:
        """The task as it is now."""


@contextmanager
def progress_view() -> Iterator[ProgressView]:
    """A view that fits what stderr is."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[message]}"),
        console=Console(stderr=True, highlight=False),
        transient=True,
        # What is redirected is written to stderr, above the bar: right for a terminal, wrong for a pipe.
        redirect_stdout=sys.stdout.isatty(),
        redirect_stderr=True,
    )
    with progress:
        yield _Bar(progress)


class _Bar:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bar = progress.add_task("…", total=None, message="")

    def show(self, task: task_pb2.Task) -> None:
        known = task.progress.HasField("fraction")
        self._progress.update(
            self._bar,
            description=escape(_where(task)),
            total=1.0 if known else None,
            completed=task.progress.fraction,
            message=escape(task.progress.message),
        )


class _Lines:
    def __init__(self) -> None:
        self._last = ""

    def show(self, task: task_pb2.Task) -> None:
        line = f"{task.id} {_where(task)}"
        if line != self._last:
            note(line)
        self._last = line


def _where(task: task_pb2.Task) -> str:
    state = state_name(task)
    return f"{state} on {task.agent_id}" if task.agent_id and not task.HasField("end_time") else state
