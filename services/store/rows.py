"""Domain values as rows: in the order in which each statement takes its columns. Rows stop here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any

import msgspec
from msgspec.structs import astuple

from services.domain.agent import Agent
from services.domain.commands import NewTask
from services.domain.cron_schedule import Schedule
from services.domain.event import Event
from services.domain.failure import Attempt, Failure, Progress
from services.domain.ledger import RequestRecord
from services.domain.queue import Queue
from services.domain.requirements import Requirements
from services.domain.task import Task
from services.store import statements

Row = tuple[Any, ...]

encode = msgspec.json.Encoder().encode


def text(value: Any) -> str:
    """A value as JSON text."""
    return encode(value).decode()


def getter(
    kind: type[msgspec.Struct], columns: Iterable[str], *, json: frozenset[str] = frozenset()
) -> Callable[[Any], Row]:
    """Takes these fields of a value of this kind: all of it at once, then those that are wanted, which is six times
    faster than one attribute after the other.

    Those in `json` must be the last columns; they stand for themselves as text, or NULL.
    """
    names = list(columns)
    plain = [name for name in names if name not in json]
    assert names[: len(plain)] == plain, "JSON columns come last"
    places = [kind.__struct_fields__.index(name) for name in names]
    take: Callable[[Row], Row] = itemgetter(*places[: len(plain)])
    nested = places[len(plain) :]
    if not nested:
        return lambda value: take(astuple(value))

    def row(value: Any) -> Row:
        found = astuple(value)
        return take(found) + tuple([text(found[place]) if found[place] else None for place in nested])

    return row


created_task = getter(Task, statements.CREATE_TASKS.columns, json=frozenset({"retry", "avoid"}))
changed_task = getter(Task, statements.CHANGE_TASKS.columns, json=frozenset({"avoid"}))
relocated_task = getter(Task, statements.RELOCATE_TASKS.columns)
request = getter(RequestRecord, statements.CREATE_REQUESTS.columns)
attempt_head = getter(Attempt, statements.CREATE_ATTEMPTS.columns[:-3])
schedule_head = getter(Schedule, statements.CREATE_SCHEDULES.columns[:-1])
fired_schedule = getter(Schedule, statements.FIRE_SCHEDULES.columns)
agent_head = getter(Agent, statements.CREATE_AGENTS.columns[:-3])
agent_change_head = getter(Agent, statements.CHANGE_AGENTS.columns[:-1])


def admitted_agent(agent: Agent) -> Row:
    """The whole row of an agent."""
    return (*agent_head(agent), text(agent.resources_used), text(agent.superseded), text(agent.declared))


def changed_agent(agent: Agent) -> Row:
    """The part of an agent's row that changes with its load and state."""
    return (*agent_change_head(agent), text(agent.resources_used))


def detail(new: NewTask) -> Row:
    """What is kept of a submitted task apart from its state."""
    return (new.id, new.document, text(new.labels) if new.labels else None, None, None, None)


def attempt(ended: Attempt) -> Row:
    """An attempt that has ended."""
    return (
        *attempt_head(ended),
        text(ended.failure) if ended.failure is not None else None,
        ended.output,
        ended.usage,
    )


def queue(value: Queue) -> Row:
    """A queue."""
    head = (value.namespace, value.name, text(value.policy), value.paused, value.version, value.update_time)
    return (*head, int(value.admission))


def schedule(value: Schedule, document: bytes) -> Row:
    """A schedule."""
    return (*schedule_head(value), document)


def need(pair: tuple[str, Requirements]) -> Row:
    """A set of requirements, under its name."""
    return (pair[0], text(pair[1]))


def patch(pair: tuple[str, bytes]) -> Row:
    """What is appended to a task's spec."""
    return pair


def checkpoint(pair: tuple[str, bytes]) -> Row:
    """A task's last checkpoint."""
    return pair


def progress(pair: tuple[str, Progress]) -> Row:
    """A task's last progress."""
    return (pair[0], text(pair[1]))


def failure(pair: tuple[str, Failure]) -> Row:
    """Why a task ended, if no attempt of it tells."""
    return (pair[0], text(pair[1]))


def event_chunk(first: int, events: Sequence[Event]) -> Row:
    """Events, with the number of the first."""
    return (first + len(events) - 1, first, events[-1].time, text(events))


def event_task(task_id: str, last: int) -> Row:
    """That a chunk tells of a task."""
    return (task_id, last)
