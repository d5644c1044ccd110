"""`missionctl tasks`: list, get, explain, attempts, cancel, retry, watch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from missioncontrol import limits
from missioncontrol.cli import mapping, routing, task_view
from missioncontrol.cli.failures import RefusedInputError
from missioncontrol.cli.session import Session, connected
from missioncontrol.cli.task_view import TaskId
from missioncontrol.cli.values import parse_pairs
from missioncontrol.cli.watching import watch_to_end
from missioncontrol.requests import failure_reason
from missioncontrol.v1 import task_pb2, task_service_pb2

app = typer.Typer(help="Looks at tasks, explains, cancels and retries them.", rich_markup_mode=None)
app.command("explain")(routing.explain_task)


@app.command("list")
@connected
async def list_tasks(
    session: Session,
    queue: Annotated[str, typer.Option(help="Only of this queue.")] = "",
    state: Annotated[
        list[str] | None, typer.Option(help="Only in this state, such as RUNNING; may be repeated.")
    ] = None,
    kind: Annotated[str, typer.Option(help="Only of this kind.")] = "",
    agent: Annotated[str, typer.Option(help="Only those that this agent holds or ended.")] = "",
    label: Annotated[list[str] | None, typer.Option(help="Only with this key=value; may be repeated.")] = None,
    dead: Annotated[bool, typer.Option("--dead", help="Only dead letters: their agent was lost too often.")] = False,
    limit: Annotated[int, typer.Option(min=0, help="At most this many; 0 for all.")] = 100,
) -> None:
    """Lists tasks, newest first."""
    request = task_service_pb2.ListTasksRequest(
        queue=queue,
        states=[task_state(name) for name in state or ()],
        kind=kind,
        agent_id=agent,
        labels=parse_pairs(label or (), option="--label"),
        page_size=min(limit or limits.PAGE_SIZE_MAX, limits.PAGE_SIZE_MAX),
    )
    if dead:
        request.states[:] = [task_pb2.TASK_STATE_FAILED]
        request.failure_reason = failure_reason("DEAD_LETTER")
    tasks, position = await _pages(session, request, limit)
    value = {"tasks": mapping.list_json(tasks), "position": position} if session.printer.is_json else None
    session.printer.table(task_view.COLUMNS, [task_view.row(task) for task in tasks], value=value)


@app.command("get")
@connected
async def get_task(session: Session, task_id: TaskId) -> None:
    """Shows one task whole, with payload and output."""
    response = await session.client.tasks.get(task_id)
    task_view.show_task(session, response.task, position=response.position)


@app.command("attempts")
@connected
async def list_attempts(session: Session, task_id: TaskId) -> None:
    """Lists every try at a task, oldest first."""
    attempts = await session.client.tasks.attempts(task_id)
    value = {"attempts": mapping.list_json(attempts)}
    session.printer.table(task_view.ATTEMPT_COLUMNS, [task_view.attempt_row(each) for each in attempts], value=value)


@app.command("cancel")
@connected
async def cancel_task(
    session: Session,
    task_id: TaskId,
    reason: Annotated[str, typer.Option(help="For people: why.")] = "",
) -> None:
    """Asks for a cancel. A task that an agent holds ends a little later; `tasks watch` waits for that."""
    task = await session.client.tasks.cancel(task_id, reason=reason)
    task_view.show_task(session, task)


@app.command("retry")
@connected
async def retry_task(session: Session, task_id: TaskId) -> None:
    """Makes a new task of one that has ended, and shows it. The old one stays as it is."""
    response = await session.client.tasks.retry(task_id)
    task_view.show_task(session, response.task)


@app.command("watch")
@connected
async def watch_task(
    session: Session,
    task_id: TaskId,
    follow_output: Annotated[bool, typer.Option(help="Show live what it writes.")] = True,
) -> None:
    """Waits until a task has ended, with its progress and live output. Exits with 1 unless it succeeded."""
    task = (await session.client.tasks.get(task_id)).task
    await watch_to_end(session, task.id, follow_output=follow_output)


def task_state(name: str) -> task_pb2.TaskState.ValueType:
    """A task state by its short name, in any case."""
    try:
        return task_pb2.TaskState.Value(f"TASK_STATE_{name.upper()}")
    except ValueError:
        names = ", ".join(each.removeprefix("TASK_STATE_") for each in task_pb2.TaskState.keys()[1:])
        raise RefusedInputError(f'"{name}" is no task state; there are {names}') from None


async def _pages(
    session: Session, request: task_service_pb2.ListTasksRequest, limit: int
) -> tuple[Sequence[task_pb2.Task], str]:
    """The tasks of as many pages as it takes, and the position of the first: following from there misses nothing."""
    page = await session.client.tasks.list_page(request)
    tasks, position = list(page.tasks), page.position
    while page.next_page_token and (not limit or len(tasks) < limit):
        request.page_token = page.next_page_token
        page = await session.client.tasks.list_page(request)
        tasks += page.tasks
    return tasks[: limit or None], position
