"""`missionctl events`: tail, and the cursor file with which a tail goes on where it was."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from missioncontrol.calls.events import FeedBatch, FeedReset, position_of
from missioncontrol.cli import mapping
from missioncontrol.cli.failures import RefusedInputError
from missioncontrol.cli.printer import note, write_line
from missioncontrol.cli.session import Session, connected
from missioncontrol.cli.task_view import failure_text, progress_text
from missioncontrol.event_names import event_name, event_type
from missioncontrol.v1 import event_pb2, event_service_pb2, task_pb2

app = typer.Typer(help="Follows the activity feed.", rich_markup_mode=None)

# A cursor is a position; anything longer is some other file that would be overwritten.
CURSOR_BYTES_MAX = 256


@app.command("tail")
@connected
async def tail(
    session: Session,
    after: Annotated[
        str | None, typer.Option(help='Begin after this position; "head": only what is to come. Else: what is kept.')
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what happens next.")] = False,
    cursor_file: Annotated[
        Path | None, typer.Option(help="Begin after the position in it; keep it there, behind what was written.")
    ] = None,
    event_types: Annotated[list[str] | None, typer.Option("--type", help="task.failed, …; may be repeated.")] = None,
    queue: Annotated[str, typer.Option(help="Only of this queue.")] = "",
    task: Annotated[str, typer.Option(help="Only of this task.")] = "",
    agent: Annotated[str, typer.Option(help="Only of this agent.")] = "",
) -> None:
    """Writes the feed's events, oldest first, one a line. A broken connection goes on where it was.

    The cursor is written after the events were handed to stdout: after a crash some may come twice, none is lost.
    """
    wanted = event_service_pb2.EventFilter(
        types=[_event_type(name) for name in event_types or ()], queue=queue, task_id=task, agent_id=agent
    )
    cursor = Cursor(cursor_file) if cursor_file is not None else None
    begin = after if after is not None else cursor.read() if cursor is not None else ""
    await session.client.feed.list_page(begin if begin != "head" else "", page_size=1)  # Nobody there? Say so now.
    async for batch in session.client.feed.batches(begin, filter=wanted, follow=follow):
        for line in _lines(session, batch):
            write_line(line)
        sys.stdout.flush()
        if cursor is not None:
            cursor.write(batch.position)


class Cursor:
    """A position in a file, replaced as a whole: a reader, or a crash, sees the old one or the new one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written = ""

    def read(self) -> str:
        """The position in the file; the beginning if there is no file yet."""
        if not self._path.exists():
            return ""
        text = self._path.read_bytes()[: CURSOR_BYTES_MAX + 1].decode(errors="replace").strip()
        epoch, _, sequence = text.rpartition(":")
        if not text or (epoch and sequence.isascii() and sequence.isdigit() and len(text) <= CURSOR_BYTES_MAX):
            return text
        raise RefusedInputError(f"--cursor-file {self._path} holds no position; name another file, or delete it")

    def write(self, position: str) -> None:
        """Keeps the position, on disk before this returns."""
        if not position or position == self._written:
            return
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}.tmp")
        with draft.open("w") as file:
            file.write(f"{position}\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)
        self._written = position


def _event_type(name: str) -> event_pb2.EventType.ValueType:
    try:
        return event_type(name)
    except ValueError as error:
        raise RefusedInputError(f"--type {error}") from None


def _lines(session: Session, batch: FeedBatch) -> list[str]:
    if batch.reset is not None:
        return _reset_lines(session, batch.reset)
    if session.printer.is_json:
        return [
            mapping.dumps({"position": position_of(event, batch.position), **mapping.to_json(event)})
            for event in batch.events
        ]
    return [_text(event) for event in batch.events]


def _reset_lines(session: Session, reset: FeedReset) -> list[str]:
    note(
        f"missionctl: the feed cannot go on after {reset.requested} ({reset.reason}); it begins again after "
        f"{reset.position}: read anew what you keep"
    )
    if not session.printer.is_json:
        return []
    facts = {"reason": reset.reason, "requested": reset.requested, "position": reset.position}
    return [mapping.dumps({"reset": facts})]


def _text(event: event_pb2.Event) -> str:
    parts = [f"{event.sequence:>8}", mapping.to_json(event.time), f"{event_name(event.type):<20}"]
    parts += [part for part in (event.task_id, event.queue, event.agent_id) if part]
    if event.to_state:
        parts.append(task_pb2.TaskState.Name(event.to_state).removeprefix("TASK_STATE_"))
    if event.HasField("failure"):
        parts.append(failure_text(event.failure))
    if event.HasField("progress"):
        parts.append(progress_text(event.progress))
    return "  ".join((*parts, event.message) if event.message else parts)
