"""Copies of a whole database, made while it is in use, and put back.

SQLite is copied by its own backup interface; PostgreSQL by its own programs, which belong to its version.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from sqlalchemy.engine import URL

from services.domain.errors import FailedPrecondition, Unavailable
from services.store.database import conninfo_of, opened, read_url
from services.store.limits import SQLITE_BUSY_SECONDS
from services.store.origin import begin_epoch
from services.store.schema import metadata
from services.store.schema_check import read_schema_info


def backup(url: str, file: Path) -> None:
    """Writes the state of the database at one commit into a new file, and waits until it is on disk.

    Raises FailedPrecondition if the file exists, Unavailable if it cannot be done; nothing is left behind then.
    """
    if file.exists():
        raise FailedPrecondition(f"{file} exists already")
    parsed = read_url(url)
    part = file.with_name(f"{file.name}.part")
    try:
        if parsed.get_backend_name() == "postgresql":
            _run("pg_dump", parsed, "--format=custom", f"--file={part}")
        else:
            _copy_sqlite(Path(parsed.database or ""), part)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.rename(file)
    finally:
        part.unlink(missing_ok=True)


def restore(url: str, file: Path) -> str:
    """Replaces the database by what is in the file, and begins a new epoch in it, which it returns.

    Raises Unavailable if it cannot be done.
    """
    if read_url(url).get_backend_name() == "postgresql":
        return _restore_postgres(url, file)
    return _restore_sqlite(Path(read_url(url).database or ""), file)


def _restore_sqlite(target: Path, file: Path) -> str:
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.restored")
    try:
        _copy_sqlite(file, draft)
        with opened(f"sqlite:///{draft}") as engine, engine.connect() as connection:
            epoch = begin_epoch(connection)  # before anybody can write to it
        _copy_sqlite(draft, target)
    finally:
        for suffix in ("", "-wal", "-shm"):
            draft.with_name(draft.name + suffix).unlink(missing_ok=True)
    return epoch


def _restore_postgres(url: str, file: Path) -> str:
    newer = metadata.tables.keys() - _tables_in(file)
    with opened(url) as engine, engine.connect() as connection:
        if read_schema_info(connection) is not None:
            begin_epoch(connection)  # whoever still writes must not find its term in what is put back
    options = ("--clean", "--if-exists", "--no-owner", "--single-transaction", "--exit-on-error")
    _run("pg_restore", read_url(url), *options, str(file))
    with opened(url) as engine, engine.connect() as connection:
        for table in sorted(newer):  # it is none of what was put back, and in the way of the next upgrade
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {table}")
        return begin_epoch(connection)


def _tables_in(file: Path) -> set[str]:
    """The names of the tables that a copy has."""
    listed = _run("pg_restore", None, "--list", str(file)).splitlines()
    parts = [line.split() for line in listed]
    return {part[5] for part in parts if len(part) > 5 and part[3] == "TABLE" and part[4] != "DATA"}


def _read_only(file: Path) -> str:
    return f"file:{quote(str(file))}?mode=ro"


def _copy_sqlite(source: Path, target: Path) -> None:
    new = not target.exists()
    try:
        with (
            closing(sqlite3.connect(_read_only(source), uri=True, timeout=SQLITE_BUSY_SECONDS)) as read,
            closing(sqlite3.connect(target, timeout=SQLITE_BUSY_SECONDS)) as written,
        ):
            if not read.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_info'").fetchone():
                raise FailedPrecondition(f"{source} is no database of Mission Control")
            read.backup(written)
            if new:  # one file, which can be read where nothing can be written
                written.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        raise Unavailable(f"cannot copy {source} to {target}: {error}") from error


def _run(program: str, url: URL | None, *arguments: str) -> str:
    """Runs one of PostgreSQL's programs, on a database. A password goes through the environment."""
    path = shutil.which(program)
    if path is None:
        raise FailedPrecondition(f"{program} is not on the PATH: install PostgreSQL's client programs")
    environment = dict(os.environ)
    if url is not None:
        if url.password:
            environment["PGPASSWORD"] = str(url.password)
        # `URL.set(password=None)` leaves it, and a rendered URL names several hosts as libpq does not.
        arguments = (f"--dbname={conninfo_of(url._replace(password=None))}", *arguments)
    ended = subprocess.run([path, *arguments], capture_output=True, text=True, check=False, env=environment)
    if ended.returncode:
        raise Unavailable(f"{program} failed: {'; '.join(ended.stderr.strip().splitlines()[:2])}")
    return ended.stdout
