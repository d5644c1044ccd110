"""`missionctl submit`: one task from the command line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, cast

import typer

from missioncontrol.cli import mapping
from missioncontrol.cli.failures import RefusedInputError
from missioncontrol.cli.printer import write_line
from missioncontrol.cli.session import Session, connected
from missioncontrol.cli.submit_options import (
    InputOptions,
    ProcessOptions,
    RetryOptions,
    RoutingOptions,
)
from missioncontrol.cli.watching import watch_to_end
from missioncontrol.command import COMMAND_KIND
from missioncontrol.requests import SubmitOptions, task_request
from missioncontrol.v1 import task_service_pb2


@connected
async def submit(
    session: Session,
    argv: Annotated[list[str] | None, typer.Argument(metavar="[-- ARGV...]", help="The command to run.")] = None,
    *,
    command: Annotated[
        bool, typer.Option("--command", help="Run ARGV as a command; so it is if there is one.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Wait for its end; exit with 1 unless it succeeded.")] = False,
    task: InputOptions,
    process: ProcessOptions,
    routing: RoutingOptions,
    retry: RetryOptions,
) -> None:
    """Submits a task and prints its id; with --watch waits for it and shows what it writes.

    missionctl submit --watch -- make test

    missionctl submit --kind summarise --payload '{"path": "README.md"}' --queue docs
    """
    request = read_request(argv or [], command=command, task=task, process=process, routing=routing, retry=retry)
    created = (await session.client.tasks.create(request, wait_for_room=routing.patience)).task
    if watch:
        await watch_to_end(session, created.id, follow_output=True)
    elif session.printer.is_json:
        session.printer.line(mapping.to_json(created))
    else:
        write_line(created.id)


def read_request(
    argv: list[str],
    *,
    command: bool,
    task: InputOptions,
    process: ProcessOptions,
    routing: RoutingOptions,
    retry: RetryOptions,
) -> task_service_pb2.CreateTaskRequest:
    """The submit that the options describe: of a command if there is one, or else of a task for a handler."""
    options = {**routing.read(now=datetime.now(UTC)), **retry.read()}
    if argv or command:
        return _command_request(argv, task, process=process, options=options)
    return _task_request(task, process, options=options)


def _command_request(
    argv: list[str], task: InputOptions, *, process: ProcessOptions, options: Mapping[str, object]
) -> task_service_pb2.CreateTaskRequest:
    if not argv:
        raise RefusedInputError("there is no command; write it after --, as in `missionctl submit -- echo hello`")
    if task.given:
        raise RefusedInputError(f"{', '.join(task.given)}: not with a command; leave one of the two out")
    return task_request(COMMAND_KIND, process.document(argv), **_set(options))


def _task_request(
    task: InputOptions, process: ProcessOptions, *, options: Mapping[str, object]
) -> task_service_pb2.CreateTaskRequest:
    if process.given:
        raise RefusedInputError(f"{', '.join(process.given)}: only with a command; write it after --")
    if not task.kind:
        raise RefusedInputError("what is to be done? Give --kind, or a command after --")
    data, said = task.read()
    return task_request(task.kind, data, **_set({**options, **said}))


def _set(options: Mapping[str, object]) -> SubmitOptions:
    """The options that were given."""
    return cast(SubmitOptions, {name: value for name, value in options.items() if value not in (None, [], {})})
