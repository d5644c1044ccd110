"""`missionctl schedules`: create, apply, list, get, pause, resume, delete."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from missioncontrol.cli import mapping
from missioncontrol.cli.failures import RefusedInputError
from missioncontrol.cli.json_reading import from_json
from missioncontrol.cli.printer import write_line
from missioncontrol.cli.session import Session, connected
from missioncontrol.cli.submit import read_request
from missioncontrol.cli.submit_options import InputOptions, ProcessOptions, RetryOptions, RoutingOptions
from missioncontrol.cli.task_view import age
from missioncontrol.cli.text_input import read_text
from missioncontrol.errors import NotFound
from missioncontrol.times import rfc3339, to_datetime
from missioncontrol.v1 import schedule_service_pb2

app = typer.Typer(help="Makes tasks by the clock.", rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="SCHEDULE", help="The schedule's name.")]
_COLUMNS = ("SCHEDULE", "CRON", "TIME ZONE", "STATE", "NEXT", "IN", "LAST", "MISSED", "KIND", "QUEUE")


@dataclass(frozen=True, kw_only=True)
class TimeOptions:
    """When a schedule fires."""

    cron: Annotated[str, typer.Option(help='Minute, hour, day, month, weekday; or with seconds first. "0 3 * * 1-5"')]
    time_zone: Annotated[str, typer.Option(help='An IANA name, such as "Europe/Berlin".')] = "UTC"
    missed: Annotated[str, typer.Option(help="Firings that nobody could do: skip, one (the last), or all (100).")] = (
        "one"
    )
    paused: Annotated[bool, typer.Option("--paused", help="It begins with `resume`.")] = False


@app.command("create")
@connected
async def create_schedule(
    session: Session,
    name: Name,
    argv: Annotated[list[str] | None, typer.Argument(metavar="[-- ARGV...]", help="The command to run.")] = None,
    *,
    times: TimeOptions,
    task: InputOptions,
    process: ProcessOptions,
    routing: RoutingOptions,
    retry: RetryOptions,
) -> None:
    """Makes a schedule. Its task is described as for `missionctl submit`.

    missionctl schedules create nightly --cron "0 3 * * *" --time-zone Europe/Berlin -- make report
    """
    if routing.not_before or routing.request_id:
        raise RefusedInputError(
            "--not-before, --request-id: not with a schedule, which makes many tasks; leave them out"
        )
    request = read_request(argv or [], command=False, task=task, process=process, routing=routing, retry=retry)
    value = {"name": name, "cron": times.cron, "time_zone": times.time_zone, "missed_policy": times.missed}
    schedule = from_json(schedule_service_pb2.Schedule, value, path="schedule")
    schedule.paused = times.paused
    schedule.spec.CopyFrom(request.spec)
    if await _exists(session, name):
        raise RefusedInputError(
            f"there is a schedule {name}; delete it, or change it with `missionctl schedules apply`"
        )
    _show(session, await session.client.schedules.update(schedule))


@app.command("apply")
@connected
async def apply_schedules(
    session: Session,
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="JSON files; - for stdin.")],
) -> None:
    """Makes or replaces the schedules of files, each as `get -o json` writes one, or a list of them.

    Nothing is done if a file cannot be understood. What a schedule has only in answers is not looked at; one that is
    there stays paused or not.
    """
    schedules = [schedule for name in files for schedule in _read(name)]
    after = [await session.client.schedules.update(schedule) for schedule in schedules]
    _list(session, after)


@app.command("list")
@connected
async def list_schedules(session: Session) -> None:
    """Lists the schedules, and when they fire next."""
    _list(session, [schedule async for schedule in session.client.schedules.list()])


@app.command("get")
@connected
async def get_schedule(session: Session, name: Name) -> None:
    """Shows one schedule. With -o json it is what `apply` reads."""
    _show(session, (await session.client.schedules.get(name)).schedule)


@app.command("pause")
@connected
async def pause_schedule(session: Session, name: Name) -> None:
    """Stops firing. Instants that pass meanwhile are not missed."""
    _show(session, await session.client.schedules.pause(name))


@app.command("resume")
@connected
async def resume_schedule(session: Session, name: Name) -> None:
    """Fires again, from the next instant on."""
    _show(session, await session.client.schedules.resume(name))


@app.command("delete")
@connected
async def delete_schedule(session: Session, name: Name) -> None:
    """Deletes a schedule. The tasks that it made stay."""
    await session.client.schedules.delete(name)
    if session.printer.is_json:
        session.printer.line({"deleted": name})
    else:
        write_line(f"deleted {name}")


async def _exists(session: Session, name: str) -> bool:
    try:
        await session.client.schedules.get(name)
    except NotFound:
        return False
    return True


def _read(name: str) -> list[schedule_service_pb2.Schedule]:
    where, text = read_text(name)
    try:
        value: Any = json.loads(text)
    except ValueError as error:
        raise RefusedInputError(f"{where} is no JSON: {error}") from None
    if isinstance(value, dict) and value.keys() == {"schedules"}:
        value = value["schedules"]
    documents = value if isinstance(value, list) else [value]
    return [from_json(schedule_service_pb2.Schedule, each, path=where) for each in documents]


def _list(session: Session, schedules: list[schedule_service_pb2.Schedule]) -> None:
    rows = [_row(schedule) for schedule in schedules]
    session.printer.table(_COLUMNS, rows, value={"schedules": mapping.list_json(schedules)})


def _show(session: Session, schedule: schedule_service_pb2.Schedule) -> None:
    fields = dict(zip((column.lower() for column in _COLUMNS), _row(schedule), strict=True))
    fields["if missed"] = (mapping.short_enum(_POLICY, schedule.missed_policy) or "ONE").lower()
    fields["last task"] = schedule.last_task_id
    fields["version"] = str(schedule.version)
    session.printer.fields(fields, value=mapping.to_json(schedule))


_POLICY = schedule_service_pb2.MissedPolicy.DESCRIPTOR


def _row(schedule: schedule_service_pb2.Schedule) -> tuple[str, ...]:
    has_next = schedule.HasField("next_time")
    left = (to_datetime(schedule.next_time) - datetime.now(UTC)).total_seconds() if has_next else 0.0
    return (
        schedule.name,
        schedule.cron,
        schedule.time_zone,
        "paused" if schedule.paused else "on",
        _instant(schedule.next_time) if has_next else "never",
        age(max(0.0, left)) if has_next else "",
        _instant(schedule.last_time) if schedule.HasField("last_time") else "never",
        str(schedule.missed),
        schedule.spec.kind,
        schedule.spec.queue,
    )


def _instant(value: Any) -> str:
    """Whole seconds are all that a schedule has."""
    return rfc3339(value).replace(".000000", "")
