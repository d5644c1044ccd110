"""`missionctl queues`: list, get, set, pause, resume, stats, depths, simulate."""

from __future__ import annotations

from typing import Annotated

import typer

from missioncontrol.cli import mapping, routing
from missioncontrol.cli.session import Session, connected
from missioncontrol.cli.task_view import age
from missioncontrol.cli.values import parse_duration
from missioncontrol.times import duration_seconds, to_duration
from missioncontrol.v1 import queue_pb2

app = typer.Typer(help="Looks at queues, configures, pauses and resumes them.", rich_markup_mode=None)
app.command("depths")(routing.depths)
app.command("simulate")(routing.simulate)

Name = Annotated[str, typer.Argument(metavar="QUEUE", help="The queue's name.")]
_COLUMNS = ("QUEUE", "STATE", "STRATEGY", "LEASE TTL", "VERSION", "CHANGED")
_STATS_COLUMNS = ("QUEUE", "PENDING", "OLDEST", "SCHEDULED", "LEASED", "RUNNING", "PENDING BY PRIORITY")
_LIMITS = ("lease_ttl", "default_queue_time_limit", "default_run_time_limit")


@app.command("list")
@connected
async def list_queues(session: Session) -> None:
    """Lists the queues that were configured or hold open tasks."""
    queues = [queue async for queue in session.client.queues.list()]
    session.printer.table(_COLUMNS, [_row(queue) for queue in queues], value={"queues": mapping.list_json(queues)})


@app.command("get")
@connected
async def get_queue(session: Session, name: Name) -> None:
    """Shows one queue. One that nobody configured has the default policy and version 0."""
    _show(session, (await session.client.queues.get(name)).queue)


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
    return (name, str(stats.pending), oldest, str(stats.scheduled), str(stats.leased), str(stats.running), priorities)
