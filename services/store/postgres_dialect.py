"""The statements of the hot path in PostgreSQL's words: constant statements over arrays, one array for each column."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, SmallInteger, Table

from services.store.sqlite_dialect import NESTED, UNREAD, conflict
from services.store.statements import Kind, Read, Write, names

# A coordinator without its term finds no row, and the division ends the transaction with an error of its own: what
# follows in the pipeline is not run, and the COMMIT at its end is a ROLLBACK.
FENCE = (
    "WITH own AS (UPDATE coordinators SET flush = %s WHERE id = %s AND term = %s RETURNING id) "
    "SELECT 1 / count(*) FROM own"
)
FENCE_ERROR = "22012"  # division_by_zero
LAST_FLUSH = "SELECT flush FROM coordinators WHERE id = %s AND term = %s FOR UPDATE"
ADVANCE_FEED = (
    "WITH own AS (UPDATE feed SET head = %s WHERE id = 1 AND head = %s RETURNING id) SELECT 1 / count(*) FROM own"
)

# The system identifier is that of the cluster, the timeline rises with each promotion. The name of the current WAL file
# begins with the timeline; `pg_control_checkpoint` tells of a promotion only after the next checkpoint.
ORIGIN = (
    "SELECT (SELECT system_identifier FROM pg_control_system())::text"
    " || ':' || ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int"
    " || ':' || (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def session_options(settings: Mapping[str, str]) -> str:
    """Settings of a session, as libpq takes them in `options`. Values have no spaces."""
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


@cache
def writing(write: Write) -> str:
    """The statement of a write. Its arguments are its columns, each as an array."""
    name, columns = write.table.name, ", ".join(write.columns)
    arrays = ", ".join(f"%b::{array_type(write.table.c[column])}[]" for column in write.columns)
    if write.kind is Kind.UPDATE:
        changes = ", ".join(f"{column} = r.{column}" for column in write.changes)
        match = " AND ".join(f"{name}.{column} = r.{column}" for column in write.key)
        return f"UPDATE {name} SET {changes} FROM unnest({arrays}) AS r ({columns}) WHERE {match}"
    if write.kind is Kind.DELETE:
        match = " AND ".join(f"{name}.{column} = r.{column}" for column in write.key)
        return f"DELETE FROM {name} USING unnest({arrays}) AS r ({columns}) WHERE {match}"
    return f"INSERT INTO {name} ({columns}) SELECT * FROM unnest({arrays}) {conflict(write)}"


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
