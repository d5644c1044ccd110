"""Opening the database: its connections, its schema, and what a service refuses to run on.

SQLite runs with WAL and synchronous=FULL: with NORMAL, acknowledged commits do not survive a power cut. There is one
connection that writes; readers have their own and see the last commit.
"""

from __future__ import annotations

import secrets
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError
from sqlalchemy.pool import QueuePool

from services.domain.errors import FailedPrecondition, Unavailable
from services.store import schema
from services.store.limits import (
    READERS_MAX,
    SQLITE_BUSY_SECONDS,
    SQLITE_CACHE_KIB,
    SQLITE_CHECKPOINT_PAGES,
    SQLITE_MMAP_BYTES,
)


def open_database(url: str) -> Engine:
    """An engine for this URL, ready to use. Raises FailedPrecondition for one that is not supported."""
    parsed, file = _read_url(url)
    file.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        parsed,
        poolclass=QueuePool,
        pool_size=READERS_MAX + 1,
        max_overflow=0,
        connect_args={"timeout": SQLITE_BUSY_SECONDS, "check_same_thread": False},
        # The journal and the readers begin their transactions by themselves.
        isolation_level="AUTOCOMMIT",
    )
    event.listen(engine, "connect", prepare_sqlite)
    return engine


def require_database(url: str) -> None:
    """Raises FailedPrecondition if there is nothing to open, for those who must not make an empty database instead."""
    _, file = _read_url(url)
    if not file.is_file() or not file.stat().st_size:
        raise FailedPrecondition(f"there is no database in {file}")


def prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    """The settings of every SQLite connection."""
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = OFF",
        "temp_store = MEMORY",
        f"wal_autocheckpoint = {SQLITE_CHECKPOINT_PAGES}",
        f"cache_size = -{SQLITE_CACHE_KIB}",
        f"mmap_size = {SQLITE_MMAP_BYTES}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def prepare_schema(engine: Engine) -> None:
    """Makes the schema in an empty database, and refuses one of another version.

    Raises FailedPrecondition, Unavailable.
    """
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                ensure_schema(connection)
            except BaseException:
                connection.exec_driver_sql("ROLLBACK")
                raise
            connection.exec_driver_sql("COMMIT")
    except DatabaseError as error:
        raise Unavailable(
            f"cannot open the database {engine.url.render_as_string(hide_password=True)}: {error.orig}"
        ) from error


def ensure_schema(connection: Connection) -> None:
    """The part of `prepare_schema` that runs in one transaction."""
    if not inspect(connection).has_table(schema.schema_info.name):
        schema.metadata.create_all(connection)
        connection.execute(insert(schema.schema_info).values(id=1, version=schema.SCHEMA_VERSION))
        connection.execute(insert(schema.feed).values(id=1, epoch=secrets.token_hex(4), head=0, first=1))
        return
    version = connection.scalar(select(schema.schema_info.c.version))
    if version != schema.SCHEMA_VERSION:
        raise FailedPrecondition(
            f"the database has schema version {version}, this program needs {schema.SCHEMA_VERSION}: "
            "use the program of the version that made it"
        )


def _read_url(url: str) -> tuple[URL, Path]:
    """The URL in its parts, and its file. Raises FailedPrecondition, which does not show a URL with a password."""
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except ArgumentError:
        raise FailedPrecondition("the database URL is none: use sqlite:///path/to/file.db") from None
    if backend != "sqlite":
        raise FailedPrecondition(f"database {backend!r} is not supported: use sqlite:///path/to/file.db")
    if not parsed.database or parsed.database == ":memory:":
        raise FailedPrecondition("the SQLite database must be a file: sqlite:///path/to/file.db")
    return parsed, Path(parsed.database)
