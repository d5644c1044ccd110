"""Domain values as rows: in the order in which each statement takes its columns. Rows stop here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from services.domain.agent import Agent
from services.domain.commands import NewTask
from services.domain.event import Event
from services.domain.failure import Attempt, Progress
from services.domain.queue import Queue
from services.domain.requirements import Requirements
from services.store import statements

Row = tuple[Any, ...]

encode = msgspec.json.Encoder().encode


def text(value: Any) -> str:
    """A value as JSON text."""
    return encode(value).decode()


def getter(columns: Iterable[str], *, json: frozenset[str] = frozenset()) -> Callable[[Any], Row]:
    """Takes these attributes of a value.

    Those in `json` must be the last columns; they stand for themselves as text, or NULL.
    """
    names = list(columns)
    plain = [name for name in names if name not in json]
    assert names[: len(plain)] == plain, "JSON columns come last"
    take: Callable[[Any], Row] = attrgetter(*plain)
    nested = [name for name in names if name in json]
    if not nested:
        return take
    take_nested = attrgetter(*nested, "id")
    empty = (None,) * len(nested)

    def row(value: Any) -> Row:
        *found, _ = take_nested(value)
        if not any(found):
            return (*take(value), *empty)
        return (*take(value), *[text(one) if one else None for one in found])

    return row


created_task = getter(statements.CREATE_TASKS.columns, json=frozenset({"retry", "avoid"}))
changed_task = getter(statements.CHANGE_TASKS.columns, json=frozenset({"avoid"}))
request = getter(statements.CREATE_REQUESTS.columns)
agent_head = attrgetter(*statements.ADMIT_AGENTS.columns[:-3])
agent_change_head = attrgetter(*statements.CHANGE_AGENTS.columns[:-1])


def admitted_agent(agent: Agent) -> Row:
    """The whole row of an agent."""
    return (*agent_head(agent), text(agent.resources_used), text(agent.superseded), text(agent.declared))


def changed_agent(agent: Agent) -> Row:
    """The part of an agent's row that changes with its load and state."""
    return (*agent_change_head(agent), text(agent.resources_used))


def detail(new: NewTask) -> Row:
    """What is kept of a submitted task apart from its state."""
    return (new.id, new.document, text(new.labels) if new.labels else None, None, None)


def attempt(ended: Attempt) -> Row:
    """An attempt that has ended."""
    return (
        *attempt_head(ended),
        text(ended.failure) if ended.failure is not None else None,
        ended.output,
        ended.usage,
    )


attempt_head = attrgetter(*statements.CREATE_ATTEMPTS.columns[:-3])


def queue(value: Queue) -> Row:
    """A queue."""
    return (value.namespace, value.name, text(value.policy), value.paused, value.version, value.update_time)


def need(pair: tuple[str, Requirements]) -> Row:
    """A set of requirements, under its name."""
    return (pair[0], text(pair[1]))


def checkpoint(pair: tuple[str, bytes]) -> Row:
    """A task's last checkpoint."""
    return pair


def progress(pair: tuple[str, Progress]) -> Row:
    """A task's last progress."""
    return (pair[0], text(pair[1]))


def event_chunk(first: int, events: Sequence[Event]) -> Row:
    """Events, with the number of the first."""
    return (first + len(events) - 1, first, events[-1].time, text(events))


def event_task(task_id: str, last: int) -> Row:
    """That a chunk tells of a task."""
    return (task_id, last)
