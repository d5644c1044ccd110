"""Rows as domain values.

The columns of a table stand in the order of the fields of its struct, so a row becomes its value whole; columns that
hold JSON are decoded on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from services.domain.agent import Agent
from services.domain.cron_schedule import Schedule
from services.domain.event import Event
from services.domain.failure import Attempt, Failure, Progress
from services.domain.queue import Queue
from services.domain.task import Task
from services.store import schema

Value = TypeVar("Value")

_decode = msgspec.json.decode
decode_events = msgspec.json.Decoder(list[Event]).decode
_decode_progress = msgspec.json.Decoder(Progress).decode
_decode_failure = msgspec.json.Decoder(Failure).decode


def _json_columns(table: Any, names: set[str], *, after: int = 0) -> tuple[int, ...]:
    """Where in a row of this table JSON stands."""
    return tuple(index - after for index, column in enumerate(table.columns) if column.name in names)


_TASK_JSON = _json_columns(schema.tasks, {"retry", "avoid"})
_ATTEMPT_JSON = _json_columns(schema.attempts, {"failure"})
_AGENT_JSON = _json_columns(schema.agents, {"resources_used", "superseded", "profile"})
_QUEUE_JSON = _json_columns(schema.queues, {"policy"})

TASK_COLUMNS = len(schema.tasks.columns)
ATTEMPT_COLUMNS = len(schema.attempts.columns)


def task(row: Sequence[Any]) -> Task:
    """A row of `tasks`."""
    return _value(row, Task, _TASK_JSON, empty={_TASK_JSON[1]: ()})


def attempt(row: Sequence[Any]) -> Attempt:
    """A row of `attempts`."""
    return _value([*row[:-2], row[-2] or b"", row[-1] or b""], Attempt, _ATTEMPT_JSON)


def agent(row: Sequence[Any]) -> Agent:
    """A row of `agents`."""
    return _value(row, Agent, _AGENT_JSON)


def queue(row: Sequence[Any]) -> Queue:
    """A row of `queues`."""
    return _value(row, Queue, _QUEUE_JSON)


def schedule(row: Sequence[Any]) -> Schedule:
    """A row of `schedules`, but for its last column, the document."""
    return _value(row[:-1], Schedule, ())


def progress(text: str | None) -> Progress | None:
    """The last progress of a task."""
    return _decode_progress(text) if text else None


def failure(text: str | None) -> Failure | None:
    """Why a task ended that no attempt has ended."""
    return _decode_failure(text) if text else None


def _value(
    row: Sequence[Any], type_: type[Value], json: tuple[int, ...], *, empty: dict[int, Any] | None = None
) -> Value:
    values = list(row)
    for index in json:
        values[index] = _decode(values[index]) if values[index] else (empty or {}).get(index)
    return msgspec.convert(values, type_)
