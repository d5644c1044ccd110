"""The constant statements of the hot path, for SQLite.

Each works on many rows at once: a flush of a hundred tasks runs about as many statements as a flush of one, and the
interpreter lock changes hands once per statement, not once per row. Writes take their rows as parameters of one
VALUES list, in a few fixed lengths, so that each is prepared once (with one JSON array instead it took three times as
long, measured with 25 columns). Reads answer with one JSON array. Columns come from the schema, so neither side names
them twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any

from sqlalchemy import Table

from services.domain.task import HELD
from services.store import schema

# Columns that are JSON themselves and stand in a row's JSON array as such; the value stands for NULL.
NESTED = {
    "retry": "null",
    "avoid": "[]",
    "resources_used": "{}",
    "superseded": "[]",
    "profile": "{}",
    "policy": "[]",
    "requirements": "{}",
}
# Columns of the domain's structs that are booleans in JSON and integers in SQLite.
BOOLEAN = frozenset({"cordoned", "paused"})
# What nobody needs who judges whether a report is known: left empty when attempts are read.
UNREAD = {"failure": "null", "output": "''", "usage": "''"}
# Set when the task is created, never again.
TASK_FIXED = frozenset(
    {"namespace", "queue", "kind", "priority", "needs_id", "affinity_key", "create_time", "queue_limit_micros"}
    | {"run_limit_micros", "retry_of", "request_id", "retry"}
)
# Set when an agent connects; the rest of its row is written with every change of its load.
AGENT_FIXED = frozenset({"profile", "superseded", "incarnation", "connect_time"})

# Lengths of the VALUES lists: a small flush takes one statement for each table. 128 rows of 27 columns are well below
# SQLite's limit of 32,766 parameters.
LENGTHS = (128, 64, 32, *range(16, 0, -1))


def names(table: Table) -> list[str]:
    """The table's columns, in order."""
    return [column.name for column in table.columns]


class Write:
    """A statement that takes rows: `columns` in order, for as many rows as it is run with."""

    def __init__(self, columns: Sequence[str], before: str, after: str = "") -> None:
        self.columns = tuple(columns)
        self._row = f"({','.join('?' * len(self.columns))})"
        self._before = before
        self._after = after

    def batches(self, rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[str, list[Any]]]:
        """The statements that write these rows, with their parameters."""
        start = 0
        for length in LENGTHS:
            while len(rows) - start >= length:
                chunk = rows[start : start + length]
                yield self.of_length(length), list(chain.from_iterable(chunk))
                start += length

    @cache  # noqa: B019 - a handful of these live as long as the process
    def of_length(self, length: int) -> str:
        """The statement for so many rows."""
        return f"{self._before} {','.join([self._row] * length)} {self._after}"


def insert_into(table: Table, *, conflict: str = "") -> Write:
    """Writes new rows."""
    columns = names(table)
    return Write(columns, f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES", conflict)


def upsert_into(table: Table, *, key: Sequence[str]) -> Write:
    """Writes rows in place of what is there."""
    changes = ", ".join(f"{name} = excluded.{name}" for name in names(table) if name not in key)
    return insert_into(table, conflict=f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}")


def update_of(table: Table, *, key: Sequence[str], columns: Sequence[str]) -> Write:
    """Changes these columns of rows that are there."""
    changes = ", ".join(f"{name} = r.{name}" for name in columns)
    match = " AND ".join(f"{table.name}.{name} = r.{name}" for name in key)
    given = [*key, *columns]
    return Write(
        given, f"WITH r ({', '.join(given)}) AS (VALUES", f") UPDATE {table.name} SET {changes} FROM r WHERE {match}"
    )


def changing(table: Table, *, key: Sequence[str], fixed: frozenset[str]) -> list[str]:
    """The columns that may change."""
    return [name for name in names(table) if name not in fixed and name not in key]


def as_json(name: str) -> str:
    """A column as it stands in a row's JSON array."""
    if name in NESTED:
        return f"json(coalesce({name}, '{NESTED[name]}'))"
    if name in BOOLEAN:
        return f"json(iif({name}, 'true', 'false'))"
    return UNREAD.get(name, name)


def rows_of(table: Table, where: str) -> str:
    """Reads rows as one JSON array of arrays. The argument is a JSON array of keys."""
    columns = ", ".join(as_json(name) for name in names(table))
    return f"SELECT json_group_array(json_array({columns})) FROM {table.name} WHERE {where}"


def pairs(first: str, second: str) -> str:
    """Rows whose two columns are among the pairs of one JSON array."""
    keys = "SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?1)"
    return f"({first}, {second}) IN ({keys})"


FENCE = "UPDATE coordinators SET flush = ?1 WHERE id = ?2 AND term = ?3"
LAST_FLUSH = "SELECT flush FROM coordinators WHERE id = ?1 AND term = ?2"

READ_TASKS = rows_of(schema.tasks, "id IN (SELECT value FROM json_each(?1))")
READ_HELD = rows_of(schema.tasks, f"state IN ({schema.states(HELD)}) AND {pairs('namespace', 'agent_id')}")
READ_AGENTS = rows_of(schema.agents, pairs("namespace", "id"))
READ_QUEUES = rows_of(schema.queues, pairs("namespace", "name"))
READ_REQUESTS = rows_of(schema.requests, pairs("namespace", "request_id"))
READ_ATTEMPTS = rows_of(schema.attempts, pairs("task_id", "token"))
READ_NEEDS = rows_of(schema.needs, "id IN (SELECT value FROM json_each(?1))")

CREATE_TASKS = insert_into(schema.tasks)
CHANGE_TASKS = update_of(schema.tasks, key=["id"], columns=changing(schema.tasks, key=["id"], fixed=TASK_FIXED))
CREATE_DETAILS = insert_into(schema.task_details)
KEEP_CHECKPOINTS = update_of(schema.task_details, key=["task_id"], columns=["checkpoint"])
KEEP_PROGRESS = update_of(schema.task_details, key=["task_id"], columns=["progress"])
CREATE_ATTEMPTS = insert_into(schema.attempts)
CREATE_REQUESTS = insert_into(schema.requests)
CREATE_NEEDS = insert_into(schema.needs, conflict="ON CONFLICT (id) DO NOTHING")
AGENT_KEY = ["namespace", "id"]
ADMIT_AGENTS = upsert_into(schema.agents, key=AGENT_KEY)
CHANGE_AGENTS = update_of(
    schema.agents, key=AGENT_KEY, columns=changing(schema.agents, key=AGENT_KEY, fixed=AGENT_FIXED)
)
CHANGE_QUEUES = upsert_into(schema.queues, key=["namespace", "name"])

READ_HEAD = "SELECT head FROM feed WHERE id = 1"
ADVANCE_FEED = "UPDATE feed SET head = ?1 WHERE id = 1 AND head = ?2"
APPEND_EVENTS = insert_into(schema.event_chunks)
NOTE_TASKS = insert_into(schema.event_tasks)

# Every write, in the one order in which tables are written: the feed last.
WRITES: tuple[Write, ...] = (
    CREATE_REQUESTS,
    CREATE_NEEDS,
    CREATE_TASKS,
    CREATE_DETAILS,
    CHANGE_TASKS,
    CREATE_ATTEMPTS,
    KEEP_CHECKPOINTS,
    KEEP_PROGRESS,
    ADMIT_AGENTS,
    CHANGE_AGENTS,
    CHANGE_QUEUES,
    APPEND_EVENTS,
    NOTE_TASKS,
)
