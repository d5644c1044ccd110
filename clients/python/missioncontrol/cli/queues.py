"""`missionctl queues`: list, get, set, apply, diff, pause, resume, stats."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Annotated

import typer

from missioncontrol.cli import exit_codes, mapping
from missioncontrol.cli.printer import write_line
from missioncontrol.cli.queue_changes import Result, carry_out, look
from missioncontrol.cli.queue_files import queue_text, read_queue_files
from missioncontrol.cli.session import Session, connected
from missioncontrol.cli.task_view import age
from missioncontrol.cli.values import parse_duration
from missioncontrol.times import duration_seconds, to_duration
from missioncontrol.v1 import queue_pb2

app = typer.Typer(help="Looks at queues, configures, pauses and resumes them.", rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="QUEUE", help="The queue's name.")]
Files = Annotated[
    list[str], typer.Option("--file", "-f", help="A file, a folder of them, or - for stdin; may be repeated.")
]
_COLUMNS = ("QUEUE", "STATE", "STRATEGY", "LEASE TTL", "VERSION", "CHANGED")
_STATS_COLUMNS = (
    *("QUEUE", "ADMISSION", "PENDING", "OLDEST", "SCHEDULED", "BLOCKED", "LEASED", "RUNNING", "PENDING BY PRIORITY"),
)
_LIMITS = ("lease_ttl", "default_queue_time_limit", "default_run_time_limit")


@app.command("list")
@connected
async def list_queues(session: Session) -> None:
    """Lists the queues that were configured or hold open tasks; as YAML, the configured ones as `apply` takes them."""
    queues = [queue async for queue in session.client.queues.list()]
    if session.printer.is_yaml:
        _show_documents(queue for queue in queues if queue.version)
        return
    session.printer.table(_COLUMNS, [_row(queue) for queue in queues], value={"queues": mapping.list_json(queues)})


@app.command("get")
@connected
async def get_queue(session: Session, name: Name) -> None:
    """Shows one queue, as YAML what `apply` takes. One that nobody configured has the default policy and version 0."""
    queue = (await session.client.queues.get(name)).queue
    if session.printer.is_yaml:
        _show_documents([queue])
    else:
        _show(session, queue)


@app.command("set")
@connected
async def set_queue(
    session: Session,
    name: Name,
    lease_ttl: Annotated[str | None, typer.Option(help="How long a lease lives without a heartbeat.")] = None,
    default_queue_time_limit: Annotated[str | None, typer.Option(help="For tasks that set none.")] = None,
    default_run_time_limit: Annotated[str | None, typer.Option(help="For tasks that set none.")] = None,
) -> None:
    """Replaces the queue's whole policy; what is left out is the default."""
    policy = queue_pb2.QueuePolicy()
    for field, text in zip(_LIMITS, (lease_ttl, default_queue_time_limit, default_run_time_limit), strict=True):
        if text is not None:
            getattr(policy, field).CopyFrom(to_duration(parse_duration(text, option=f"--{field.replace('_', '-')}")))
    _show(session, await session.client.queues.update(name, policy))


@app.command("apply")
@connected
async def apply_queues(
    session: Session,
    file: Files,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
) -> None:
    """Gives queues the policies that files say; what is so already stays as it is.

    All files are read before the first queue is changed. If the coordinator refuses a policy, that queue stays as it
    was, and those behind it are left alone.
    """
    changes = await look(session.client.queues, read_queue_files(file))
    done = {each.document.name: ("not applied", each.before.version) for each in changes}
    try:
        for change in changes:
            name, version = change.document.name, change.before.version
            if dry_run:
                done[name] = (f"would be {change.result}", version)
            else:
                result, queue = await carry_out(session.client.queues, change)
                done[name] = (result, queue.version)
    finally:
        rows = [(name, result, str(version)) for name, (result, version) in done.items()]
        value = [{"name": name, "result": str(result), "version": version} for name, (result, version) in done.items()]
        session.printer.table(("QUEUE", "RESULT", "VERSION"), rows, value={"queues": value})


@app.command("diff")
@connected
async def diff_queues(session: Session, file: Files) -> None:
    """Shows what `apply` would change, as a unified diff; exits with 1 if there is anything."""
    changes = await look(session.client.queues, read_queue_files(file))
    lines = [line for change in changes for line in change.difference()]
    if session.printer.is_json:
        session.printer.line({"queues": [{"name": each.document.name, "result": each.result} for each in changes]})
    else:
        sys.stdout.writelines(f"{line}\n" for line in lines)
    if any(change.result is not Result.UNCHANGED for change in changes):
        raise typer.Exit(exit_codes.FAILED)


@app.command("pause")
@connected
async def pause_queue(session: Session, name: Name) -> None:
    """Stops the grants of a queue. It goes on taking tasks, and what was granted goes on."""
    _show(session, await session.client.queues.pause(name))


@app.command("resume")
@connected
async def resume_queue(session: Session, name: Name) -> None:
    """Grants leases of a queue again."""
    _show(session, await session.client.queues.resume(name))


@app.command("stats")
@connected
async def queue_stats(
    session: Session, name: Annotated[str | None, typer.Argument(metavar="[QUEUE]", help="All if left out.")] = None
) -> None:
    """Counts the open tasks of one queue, or of each."""
    names = [name] if name else [queue.name async for queue in session.client.queues.list()]
    found = {each: (await session.client.queues.stats(each)).stats for each in names}
    value = {"queues": [{"name": each, **mapping.to_json(stats)} for each, stats in found.items()]}
    session.printer.table(_STATS_COLUMNS, [_stats_row(each, stats) for each, stats in found.items()], value=value)


def _show_documents(queues: Iterable[queue_pb2.Queue]) -> None:
    write_line("---\n".join(map(queue_text, queues)).rstrip())


def _show(session: Session, queue: queue_pb2.Queue) -> None:
    fields = dict(zip((column.lower() for column in _COLUMNS), _row(queue), strict=True))
    for name in _LIMITS[1:]:
        if queue.policy.HasField(name):  # type: ignore[arg-type] # names of fields
            fields[name.replace("_", " ")] = f"{duration_seconds(getattr(queue.policy, name)):g} s"
    session.printer.fields(fields, value=mapping.to_json(queue))


def _row(queue: queue_pb2.Queue) -> tuple[str, ...]:
    policy = queue.policy
    strategy = mapping.short_enum(queue_pb2.RoutingStrategy.DESCRIPTOR, policy.strategy) or "CENTRAL_QUEUE"
    return (
        queue.name,
        "paused" if queue.paused else "open",
        strategy,
        f"{duration_seconds(policy.lease_ttl):g} s" if policy.HasField("lease_ttl") else "default",
        str(queue.version),
        mapping.to_json(queue.update_time) if queue.HasField("update_time") else "never",
    )


def _stats_row(name: str, stats: queue_pb2.QueueStats) -> tuple[str, ...]:
    oldest = age(duration_seconds(stats.oldest_pending_age)) if stats.HasField("oldest_pending_age") else ""
    priorities = ", ".join(f"{each.priority}: {each.pending}" for each in stats.priorities)
    admission = mapping.short_enum(queue_pb2.AdmissionState.DESCRIPTOR, stats.admission) or ""
    counts = (stats.scheduled, stats.blocked, stats.leased, stats.running)
    return (name, admission, str(stats.pending), oldest, *map(str, counts), priorities)
