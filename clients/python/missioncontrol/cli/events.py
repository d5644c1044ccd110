"""`missionctl events`: tail with its cursor file, and verify."""

from __future__ import annotations

import os
import sys
from bisect import bisect_right
from pathlib import Path
from typing import Annotated

import typer

from missioncontrol import limits
from missioncontrol.calls.events import FeedBatch, FeedReset, position_of, sequence_of
from missioncontrol.cli import exit_codes, mapping
from missioncontrol.cli.failures import RefusedInputError
from missioncontrol.cli.printer import note, write_line
from missioncontrol.cli.session import Session, connected
from missioncontrol.cli.task_view import failure_text, progress_text, waiting_text
from missioncontrol.client import Client
from missioncontrol.event_names import event_name, event_type
from missioncontrol.feed_fold import FeedFold
from missioncontrol.v1 import event_pb2, event_service_pb2, task_pb2, task_service_pb2

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
        Path | None,
        typer.Option(
            help="Keep the position in it, behind what was written, and begin there; --after is for the first time."
        ),
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
    begin = (cursor.read() if cursor is not None else "") or after or ""
    await session.client.feed.list_page(begin if begin != "head" else "", page_size=1)  # Nobody there? Say so now.
    async for batch in session.client.feed.batches(begin, filter=wanted, follow=follow):
        for line in _lines(session, batch):
            write_line(line)
        sys.stdout.flush()
        if cursor is not None:
            cursor.write(batch.position)


@app.command("verify")
@connected
async def verify(session: Session) -> None:
    """Reads the whole feed, checks that no number is missing, and compares what it tells with the list of tasks.

    Exit code 1 if they do not agree. The fleet may be at work meanwhile.
    """
    fold, tasks = await verified(session.client)
    for finding in fold.findings:
        note(f"missionctl: {finding}")
    said = "from its beginning" if fold.whole else f"from {fold.first} on, what was before is not kept"
    verdict = f"{len(fold.findings)} findings" if fold.findings else "they agree"
    if session.printer.is_json:
        facts = {"events": fold.sequence, "first": fold.first, "tasks": tasks, "findings": fold.findings}
        session.printer.line(facts)
    else:
        write_line(f"the feed up to {fold.sequence}, {said}, and {tasks} tasks: {verdict}")
    if fold.findings:
        raise typer.Exit(exit_codes.FAILED)


async def verified(client: Client) -> tuple[FeedFold, int]:
    """The feed, folded and compared with every page of the list of tasks at that page's own position; their number."""
    reader = FeedReader(client)
    request = task_service_pb2.ListTasksRequest(page_size=limits.PAGE_SIZE_MAX)
    unfinished: set[str] | None = None
    listed: set[str] = set()
    while True:
        page = await client.tasks.list_page(request)
        await reader.read_to(sequence_of(page.position))
        unfinished = reader.fold.unfinished() if unfinished is None else unfinished
        reader.fold.compare(page.tasks)
        listed.update(task.id for task in page.tasks)
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    reader.fold.findings += [f"task {task_id} has not ended, and is in no list" for task_id in unfinished - listed]
    return reader.fold, len(listed)


class FeedReader:
    """Reads the feed of all namespaces in pages, just as far as it is told to."""

    def __init__(self, client: Client) -> None:
        self.fold = FeedFold(client.namespace)
        self._client = client
        self._position = ""
        self._ahead: list[event_pb2.Event] = []

    async def read_to(self, sequence: int) -> None:
        """Folds everything up to this sequence."""
        while self.fold.sequence < sequence:
            if not self._ahead:
                everything = event_service_pb2.EventFilter(namespace="*")
                page = await self._client.feed.list_page(self._position, filter=everything)
                if page.HasField("reset"):
                    raise RefusedInputError("the feed was cut off or replaced while it was read; try again")
                self._position, self._ahead = page.next_position, list(page.events)
                if not page.events and page.next_position == page.position:
                    return
            end = bisect_right(self._ahead, sequence, key=lambda event: event.sequence)
            self.fold.take(self._ahead[:end])
            if end < len(self._ahead) and not end:
                return
            self._ahead = self._ahead[end:]


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
            session.printer.text({"position": position_of(event, batch.position), **mapping.to_json(event)})
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
    return [session.printer.text({"reset": facts})]


def _text(event: event_pb2.Event) -> str:
    parts = [f"{event.sequence:>8}", mapping.to_json(event.time), f"{event_name(event.type):<20}"]
    parts += [part for part in (event.schedule, event.task_id, event.queue, event.agent_id) if part]
    if event.to_state:
        parts.append(task_pb2.TaskState.Name(event.to_state).removeprefix("TASK_STATE_"))
    if event.HasField("failure"):
        parts.append(failure_text(event.failure))
    if event.HasField("progress"):
        parts.append(progress_text(event.progress))
    if event.HasField("group"):
        parts.append(f"{event.group.kind} (priority {event.group.priority})")
    if event.HasField("waiting"):
        parts.append(waiting_text(event.waiting))
    return "  ".join((*parts, event.message) if event.message else parts)
