"""Opening the database: its URL, its connections and their settings.

SQLite runs with WAL and synchronous=FULL: with NORMAL, acknowledged commits do not survive a power cut. There is one
connection that writes; readers have their own and see the last commit. No connection is in a transaction unless
somebody begins one: a single statement is its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from psycopg.conninfo import make_conninfo
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import QueuePool

from services.domain.errors import FailedPrecondition
from services.store.limits import (
    POSTGRES_NETWORK,
    READERS_MAX,
    SQLITE_BUSY_SECONDS,
    SQLITE_CACHE_KIB,
    SQLITE_CHECKPOINT_PAGES,
    SQLITE_MMAP_BYTES,
)
from services.store.postgres_dialect import session_options

# What reads: it waits for nobody's lock for long, and a client that went away holds no snapshot.
POSTGRES_SETTINGS = {
    "application_name": "missioncontrol",
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
    "jit": "off",
}


def open_database(url: str) -> Engine:
    """An engine for this URL, ready to use. Raises FailedPrecondition for one that is not supported."""
    parsed = read_url(url)
    if parsed.get_backend_name() == "postgresql":
        return _open_postgres(parsed)
    file = Path(parsed.database or "")
    file.parent.mkdir(parents=True, exist_ok=True)
    connect_args = {"timeout": SQLITE_BUSY_SECONDS, "check_same_thread": False}
    engine = _engine(parsed, connect_args)
    event.listen(engine, "connect", prepare_sqlite)
    return engine


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    """The same, for as long as it is used."""
    engine = open_database(url)
    try:
        yield engine
    finally:
        engine.dispose()


def _open_postgres(url: URL) -> Engine:
    options = session_options(str(url.query.get("options", "")), POSTGRES_SETTINGS)
    return _engine(url, {"options": options, **POSTGRES_NETWORK})


def _engine(url: URL, connect_args: dict[str, Any]) -> Engine:
    return create_engine(
        url,
        poolclass=QueuePool,
        pool_size=READERS_MAX + 3,  # the journal reads; the membership and the choice of the scheduler write
        max_overflow=0,
        pool_pre_ping=url.get_backend_name() == "postgresql",
        connect_args=connect_args,
        # The journal and the readers begin their transactions by themselves.
        isolation_level="AUTOCOMMIT",
    )


def require_database(url: str) -> None:
    """Raises FailedPrecondition if there is nothing to open, for those who must not make an empty database instead."""
    parsed = read_url(url)
    if parsed.get_backend_name() == "postgresql":
        return
    file = Path(parsed.database or "")
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


def read_url(url: str) -> URL:
    """The URL in its parts. Raises FailedPrecondition, which does not show a URL with a password."""
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, ValueError):  # a port that is none, and may be a part of a password
        raise FailedPrecondition(f"the database URL is none: use {_URLS}") from None
    if backend == "postgresql":
        return _with_hosts(parsed.set(drivername="postgresql+psycopg"))
    if backend != "sqlite":
        raise FailedPrecondition(f"database {backend!r} is not supported: use {_URLS}")
    if not parsed.database or parsed.database == ":memory:":
        raise FailedPrecondition("the SQLite database must be a file: sqlite:///path/to/file.db")
    return parsed


def _with_hosts(url: URL) -> URL:
    """`?host=a:5432,b:5433` is libpq's way to name several servers; SQLAlchemy wants one `host` for each."""
    hosts = url.query.get("host")
    if isinstance(hosts, str) and "," in hosts:
        return url.update_query_dict({"host": hosts.split(",")})
    return url


def conninfo_of(url: URL) -> str:
    """The same database as libpq takes it, for a PostgreSQL URL."""
    _, arguments = url.get_dialect()().create_connect_args(url)
    return make_conninfo(**{name: value for name, value in arguments.items() if name != "context"})


_URLS = "sqlite:///path/to/file.db or postgresql+psycopg://user@host/database"
