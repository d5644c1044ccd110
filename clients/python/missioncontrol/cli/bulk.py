"""`missionctl tasks bulk`: cancel, retry, reprioritize and move all tasks that a filter finds."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated

import typer

from missioncontrol.cli import exit_codes
from missioncontrol.cli.failures import RefusedInputError
from missioncontrol.cli.interrupt import interruptible
from missioncontrol.cli.printer import note
from missioncontrol.cli.session import Session, connected
from missioncontrol.cli.tasks import task_state
from missioncontrol.cli.values import parse_pairs
from missioncontrol.requests import failure_reason
from missioncontrol.v1 import task_pb2
from missioncontrol.v1 import task_service_pb2 as pb

app = typer.Typer(
    help="Changes all tasks that a filter finds, oldest first. Shows how many and asks, unless --yes is given.",
    rich_markup_mode=None,
)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which tasks, and whether it is done, asked first, or only counted."""

    queue: Annotated[str, typer.Option(help="Only of this queue.")] = ""
    state: Annotated[list[str] | None, typer.Option(help="Only in this state, such as PENDING; may be repeated.")] = (
        None
    )
    kind: Annotated[str, typer.Option(help="Only of this kind.")] = ""
    agent: Annotated[str, typer.Option(help="Only those that this agent holds or ended.")] = ""
    label: Annotated[list[str] | None, typer.Option(help="Only with this key=value; may be repeated.")] = None
    dead: Annotated[bool, typer.Option("--dead", help="Only dead letters: their agent was lost too often.")] = False
    preview: Annotated[bool, typer.Option("--preview", help="Only count.")] = False
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False

    def request(self) -> pb.BulkChangeTasksRequest:
        """A request with this filter. Refuses one without any condition."""
        filter_ = pb.TaskFilter(
            queue=self.queue,
            states=[task_state(name) for name in self.state or ()],
            kind=self.kind,
            agent_id=self.agent,
            labels=parse_pairs(self.label or (), option="--label"),
        )
        if self.dead:
            filter_.states[:] = [task_pb2.TASK_STATE_FAILED]
            filter_.failure_reason = failure_reason("DEAD_LETTER")
        if not filter_.ByteSize():
            raise RefusedInputError("say which tasks, such as --queue NAME or --state PENDING")
        return pb.BulkChangeTasksRequest(filter=filter_)


@dataclass
class Sums:
    """What all pages come to."""

    matched: int = 0
    changed: int = 0
    skipped: int = 0


@app.command("cancel")
@connected
async def cancel(
    session: Session, wanted: Wanted, reason: Annotated[str, typer.Option(help="For people: why.")] = ""
) -> None:
    """Asks for a cancel of each task that has not ended. Those that an agent holds end a little later."""
    request = wanted.request()
    request.cancel.reason = reason
    await _run(session, wanted, request, doing="cancel")


@app.command("retry")
@connected
async def retry(
    session: Session,
    wanted: Wanted,
    request_id: Annotated[
        str, typer.Option(help="That of an earlier run that broke off: what it has made is not made again.")
    ] = "",
) -> None:
    """Makes a new task of each that has ended. The old ones stay as they are."""
    request = wanted.request()
    request.retry.SetInParent()
    request.request_id = request_id
    await _run(session, wanted, request, doing="retry")


@app.command("reprioritize")
@connected
async def reprioritize(
    session: Session,
    wanted: Wanted,
    priority: Annotated[int, typer.Option(min=-100, max=100, help="The new priority; higher goes first.")],
) -> None:
    """Gives another priority to each task that no agent holds and that has not ended."""
    request = wanted.request()
    request.reprioritize.priority = priority
    request.reprioritize.SetInParent()
    await _run(session, wanted, request, doing="reprioritize")


@app.command("move")
@connected
async def move(
    session: Session, wanted: Wanted, to: Annotated[str, typer.Option("--to", help="The other queue.")]
) -> None:
    """Puts each task that no agent holds into another queue, at its place by time. Its time limits stay as they are."""
    request = wanted.request()
    request.move.queue = to
    await _run(session, wanted, request, doing="move")


async def _run(session: Session, wanted: Wanted, request: pb.BulkChangeTasksRequest, *, doing: str) -> None:
    """Counts, asks, does it, and tells what it came to."""
    if not wanted.yes or wanted.preview:
        request.preview = True
        found = await _pages(session, request)
        note(f"would {doing} {found.changed} of {found.matched} tasks that match")
        if wanted.preview:
            _tell(session, found, preview=True)
            return
        if not found.changed:
            _tell(session, found, preview=False)
            return
        _ask(doing, found)
    request.preview = False
    _tell(session, await _pages(session, request), preview=False)


def _ask(doing: str, found: Sums) -> None:
    if not sys.stdin.isatty():
        raise RefusedInputError("there is nobody to ask; give --yes to do it, or --preview to count only")
    with interruptible():
        agreed = typer.confirm(f"{doing} {found.changed} tasks?", err=True)
    if not agreed:
        raise typer.Exit(exit_codes.INTERRUPTED)


async def _pages(session: Session, request: pb.BulkChangeTasksRequest) -> Sums:
    sums = Sums()
    async for page in session.client.tasks.change_many(request):
        sums.matched += page.matched
        sums.changed += page.changed
        sums.skipped += page.skipped
    return sums


def _tell(session: Session, sums: Sums, *, preview: bool) -> None:
    value = {"matched": sums.matched, "changed": sums.changed, "skipped": sums.skipped, "preview": preview}
    session.printer.fields({name: str(number) for name, number in value.items() if name != "preview"}, value=value)
