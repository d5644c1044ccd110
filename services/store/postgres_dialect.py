"""The statements of the hot path in PostgreSQL's words: constant statements over arrays, one array for each column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, SmallInteger, Table

from services.store.sqlite_dialect import NESTED, UNREAD, conflict
from services.store.statements import Check, Kind, Read, Write, names

# A coordinator without its term finds no row, and the division ends the transaction with an error of its own: what
# follows in the pipeline is not run, and the COMMIT at its end is a ROLLBACK.
FENCE = (
    "WITH own AS (UPDATE coordinators SET flush = %s WHERE id = %s AND term = %s RETURNING id) "
    "SELECT 1 / count(*) FROM own"
)
FENCE_ERROR = "22012"  # division_by_zero
LAST_FLUSH = "SELECT flush, base FROM coordinators WHERE id = %s AND term = %s FOR UPDATE"
# Too few rows found: the root of a negative number is an error of its own, and the end of the transaction.
CONFLICT_ERROR = "2201F"  # invalid_argument_for_power_function
# Takes the feed's counter, whose lock is held until the commit, and numbers the events behind it. What they were
# numbered from is kept in our own row: a COMMIT without an answer is looked up there.
APPEND_EVENTS = (
    "WITH own AS (UPDATE feed SET head = head + %(events)s WHERE id = 1 RETURNING head - %(events)s AS base), "
    "mine AS (UPDATE coordinators SET base = own.base FROM own WHERE id = %(coordinator_id)s), "
    "chunks AS (INSERT INTO event_chunks (last, first, time, events, coordinator_id) "
    "SELECT own.base + r.last, own.base + r.first, r.time, r.events, %(coordinator_id)s "
    "FROM own, unnest(%(lasts)b::bigint[], %(firsts)b::bigint[], %(times)b::bigint[], %(texts)b::text[]) "
    "AS r (last, first, time, events)), "
    "notes AS (INSERT INTO event_tasks (task_id, last) SELECT r.task_id, own.base + r.last "
    "FROM own, unnest(%(task_ids)b::text[], %(task_lasts)b::bigint[]) AS r (task_id, last)) "
    "SELECT base FROM own"
)
# Writers of ours that wait for their client in mid-transaction: stopped, or cut off. Whoever holds our lock is one.
END_STOPPED = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() "
    "AND pid <> pg_backend_pid() AND application_name = %s AND wait_event = 'ClientRead' "
    "AND xact_start < clock_timestamp() - %s * interval '1 second'"
)

# The system identifier is that of the cluster, the timeline rises with each promotion. The name of the current WAL file
# begins with the timeline; `pg_control_checkpoint` tells of a promotion only after the next checkpoint.
ORIGIN = (
    "SELECT (SELECT system_identifier FROM pg_control_system())::text"
    " || ':' || ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int"
    " || ':' || (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def session_options(given: str, settings: Mapping[str, str]) -> str:
    """Settings of a session, as libpq takes them in `options`, behind what a URL gave. Values have no spaces."""
    return " ".join([*given.split(), *(f"-c {name}={value}" for name, value in settings.items())])


@cache
def writing(write: Write) -> str:
    """The statement of a write. Its arguments are its columns, each as an array."""
    name, columns = write.table.name, ", ".join(write.columns)
    arrays = arrays_of(write.table, write.columns)
    if write.kind in (Kind.UPDATE, Kind.APPEND):
        return f"UPDATE {name} {changing(write)} FROM unnest({arrays}) AS r ({columns}) WHERE {matching(write)}"
    if write.kind is Kind.DELETE:
        match = " AND ".join(f"{name}.{column} = r.{column}" for column in write.key)
        return f"DELETE FROM {name} USING unnest({arrays}) AS r ({columns}) WHERE {match}"
    return f"INSERT INTO {name} ({columns}) SELECT * FROM unnest({arrays}) {conflict(write)}"


@cache
def guarded(write: Write) -> str:
    """The statement of an update, or a delete, of rows that must have the version that was read.

    Its arguments are its columns, and those versions, each as an array; then the number of rows.
    """
    name, columns = write.table.name, ", ".join(write.columns)
    arrays = arrays_of(write.table, write.columns)
    change = f"DELETE FROM {name} USING" if write.kind is Kind.DELETE else f"UPDATE {name} {changing(write)} FROM"
    return (
        f"WITH done AS ({change} unnest({arrays}, %b::bigint[]) AS r ({columns}, before) "
        f"WHERE {matching(write)} AND {name}.version = r.before RETURNING 1) "
        "SELECT sqrt(count(*) - %b::bigint) FROM done"
    )


@cache
def checking(check: Check) -> str:
    """The statement of a check. Its arguments are the number of rows, then the key's columns and the versions, each as
    an array. A row that is not there has version 0.
    """
    name, columns = check.table.name, ", ".join(check.key)
    arrays = arrays_of(check.table, check.key)
    match = " AND ".join(f"{name}.{column} = r.{column}" for column in check.key)
    return (
        f"SELECT sqrt(count(*) - %b::bigint) FROM unnest({arrays}, %b::bigint[]) AS r ({columns}, before) "
        f"LEFT JOIN {name} ON {match} WHERE {check.version} = r.before"
    )


def arrays_of(table: Table, columns: Iterable[str]) -> str:
    """Places for these columns, each an array."""
    return ", ".join(f"%b::{array_type(table.c[column])}[]" for column in columns)


def changing(write: Write) -> str:
    """What an update sets."""
    before = f"{write.table.name}.%s || " if write.kind is Kind.APPEND else ""
    return "SET " + ", ".join(f"{column} = {before and before % column}r.{column}" for column in write.changes)


def matching(write: Write) -> str:
    """Which row an update changes."""
    keys = [f"{write.table.name}.{column} = r.{column}" for column in write.key]
    return " AND ".join([*keys, write.only] if write.only else keys)


@cache
def reading(read: Read) -> str:
    """The statement of a read. Its arguments are its key's columns, each as an array."""
    columns = ", ".join(as_json(read.table, name) for name in names(read.table))
    arrays = ", ".join(f"%s::{array_type(read.table.c[column])}[]" for column in read.key)
    where = f"({', '.join(read.key)}) IN (SELECT * FROM unnest({arrays}))"
    where = f"{read.only} AND {where}" if read.only else where
    return f"SELECT coalesce(json_agg(json_build_array({columns})), '[]')::text FROM {read.table.name} WHERE {where}"


def as_json(table: Table, name: str) -> str:
    """A column as it stands in a row's JSON array."""
    if name in NESTED:
        return f"coalesce({name}, '{NESTED[name]}')::json"
    if name in UNREAD:
        return "NULL::json" if UNREAD[name] == "null" else "''::text"
    return f"{table.name}.{name}"


def array_type(column: Column[Any]) -> str:
    """The type of a column's values."""
    for kind, name in _TYPES:
        if isinstance(column.type, kind):
            return name
    return "text"


# The narrower integers first: they are kinds of the wider one.
_TYPES: tuple[tuple[type[Any], str], ...] = (
    (SmallInteger, "smallint"),
    (BigInteger, "bigint"),
    (Integer, "integer"),
    (Boolean, "boolean"),
    (LargeBinary, "bytea"),
)
