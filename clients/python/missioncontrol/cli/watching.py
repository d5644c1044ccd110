"""Waiting for a task before somebody's eyes: a progress bar on stderr, its live output and its result on stdout.

With `--output json` each change of the task is one line of JSON, the terminal one last. Ctrl-C ends the watching, not
the task.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from missioncontrol.calls.tasks import is_terminal
from missioncontrol.cli import mapping
from missioncontrol.cli.live_output import LiveOutput
from missioncontrol.cli.printer import note, write_line
from missioncontrol.cli.progress_bar import ProgressView, progress_view
from missioncontrol.cli.session import Session
from missioncontrol.cli.task_view import content
from missioncontrol.command import COMMAND_KIND, CommandOutput
from missioncontrol.errors import PayloadError, task_error
from missioncontrol.payload import decode_payload
from missioncontrol.v1 import task_pb2, task_service_pb2

Update = task_pb2.Task | task_service_pb2.OutputChunk


async def watch_to_end(session: Session, task_id: str, *, follow_output: bool) -> None:
    """Shows a task until it has ended, then its result. Raises TaskError unless it succeeded."""
    handle = session.client.handle(task_id)
    try:
        if session.printer.is_json:
            task = await _as_json(session, handle.updates())
        else:
            task = await _as_text(handle.updates_and_output() if follow_output else handle.updates())
    except asyncio.CancelledError:
        note(f"missionctl: stopped watching; the task goes on: missionctl tasks watch {task_id}")
        raise
    error = task_error(task)
    if error is not None:
        raise error


async def _as_json(session: Session, updates: AsyncGenerator[task_pb2.Task, None]) -> task_pb2.Task:
    async with aclosing(updates):
        async for task in updates:
            session.printer.line(mapping.to_json(task))
            sys.stdout.flush()
            if is_terminal(task.state):
                return task
    raise AssertionError("a watch ended before its task")


async def _as_text(updates: AsyncGenerator[Update, None]) -> task_pb2.Task:
    live = LiveOutput()
    with progress_view() as view:
        async with aclosing(updates):
            task = await _show_until_end(updates, view, live=live)
    _show_result(task, live)
    return task


async def _show_until_end(updates: AsyncIterator[Update], view: ProgressView, *, live: LiveOutput) -> task_pb2.Task:
    async for update in updates:
        if isinstance(update, task_service_pb2.OutputChunk):
            live.write(update)
            continue
        view.show(update)
        if is_terminal(update.state):
            return update
    raise AssertionError("a watch ended before its task")


def _show_result(task: task_pb2.Task, live: LiveOutput) -> None:
    """What the task produced, as far as it was not shown while it ran."""
    if task.HasField("output"):
        try:
            _show_output(task, live)
        except PayloadError:
            write_line(content(task.output))  # Some other agent's idea of a command.
    live.close()


def _show_output(task: task_pb2.Task, live: LiveOutput) -> None:
    if task.spec.kind == COMMAND_KIND:
        live.complete(decode_payload(task.output, CommandOutput), token=task.token)
    else:
        write_line(content(task.output))
