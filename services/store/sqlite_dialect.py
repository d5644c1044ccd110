"""The statements of the hot path in SQLite's words.

Writes take their rows as parameters of one VALUES list, in a few fixed lengths, so that each is prepared once (with
one JSON array instead it took three times as long, measured with 25 columns). Reads answer with one JSON array.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any

from services.store.statements import Kind, Read, Write, names

# Lengths of the VALUES lists: a small flush takes one statement for each table. 128 rows of 27 columns are well below
# SQLite's limit of 32,766 parameters.
LENGTHS = (128, 64, 32, *range(16, 0, -1))
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
BOOLEAN = frozenset({"cordoned", "paused", "has_dependents"})
# Left empty when they are read: what nobody needs who judges whether a report is known, or changes a schedule.
UNREAD = {"failure": "null", "output": "''", "usage": "''", "document": "''"}

FENCE = "UPDATE coordinators SET flush = ?1 WHERE id = ?2 AND term = ?3"
LAST_FLUSH = "SELECT flush FROM coordinators WHERE id = ?1 AND term = ?2"
ADVANCE_FEED = "UPDATE feed SET head = head + ?1 WHERE id = 1 RETURNING head"
HEAD = "SELECT head FROM feed"


def batches(write: Write, rows: Sequence[Sequence[Any]]) -> Iterator[tuple[str, list[Any]]]:
    """The statements that write these rows, with their parameters."""
    start = 0
    for length in LENGTHS:
        while len(rows) - start >= length:
            chunk = rows[start : start + length]
            yield of_length(write, length), list(chain.from_iterable(chunk))
            start += length


@cache
def of_length(write: Write, length: int) -> str:
    """The statement for so many rows."""
    row = f"({','.join('?' * len(write.columns))})"
    rows = ",".join([row] * length)
    name, columns = write.table.name, ", ".join(write.columns)
    if write.kind in (Kind.UPDATE, Kind.APPEND):
        changes = ", ".join(f"{column} = {changed(write, column)}" for column in write.changes)
        match = " AND ".join([*(f"{name}.{column} = r.{column}" for column in write.key), *filter(None, [write.only])])
        return f"WITH r ({columns}) AS (VALUES {rows}) UPDATE {name} SET {changes} FROM r WHERE {match}"
    if write.kind is Kind.DELETE:
        return f"WITH r AS (VALUES {rows}) DELETE FROM {name} WHERE ({columns}) IN (SELECT * FROM r)"
    return f"INSERT INTO {name} ({columns}) VALUES {rows} {conflict(write)}"


def changed(write: Write, column: str) -> str:
    """What a column becomes. Joined bytes are text to SQLite, unless it is told otherwise."""
    if write.kind is Kind.APPEND:
        return f"CAST({write.table.name}.{column} || r.{column} AS BLOB)"
    return f"r.{column}"


def conflict(write: Write) -> str:
    """What becomes of a row that is there already. In the words of both databases."""
    if write.kind is Kind.INSERT:
        return ""
    return f"ON CONFLICT ({', '.join(write.key)}) DO NOTHING"


@cache
def reading(read: Read) -> str:
    """The statement of a read. Its argument is a JSON array of keys."""
    columns = ", ".join(as_json(name) for name in names(read.table))
    if len(read.key) == 1:
        where = f"{read.key[0]} IN (SELECT value FROM json_each(?1))"
    else:
        parts = ", ".join(f"json_extract(value, '$[{place}]')" for place in range(len(read.key)))
        where = f"({', '.join(read.key)}) IN (SELECT {parts} FROM json_each(?1))"
    where = f"{read.only} AND {where}" if read.only else where
    return f"SELECT json_group_array(json_array({columns})) FROM {read.table.name} WHERE {where}"


def as_json(name: str) -> str:
    """A column as it stands in a row's JSON array."""
    if name in NESTED:
        return f"json(coalesce({name}, '{NESTED[name]}'))"
    if name in BOOLEAN:
        return f"json(iif({name}, 'true', 'false'))"
    return UNREAD.get(name, name)
