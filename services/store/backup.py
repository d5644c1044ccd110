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

from sqlalchemy.engine import URL

from services.domain.errors import FailedPrecondition, Unavailable
from services.store.database import read_url
from services.store.limits import SQLITE_BUSY_SECONDS


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


def restore(url: str, file: Path) -> None:
    """Replaces the database by what is in the file. Raises Unavailable if it cannot be done."""
    parsed = read_url(url)
    if parsed.get_backend_name() == "postgresql":
        options = ("--clean", "--if-exists", "--no-owner", "--single-transaction", "--exit-on-error")
        _run("pg_restore", parsed, *options, str(file))
    else:
        target = Path(parsed.database or "")
        target.parent.mkdir(parents=True, exist_ok=True)
        _copy_sqlite(file, target)


def _copy_sqlite(source: Path, target: Path) -> None:
    try:
        with (
            closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=SQLITE_BUSY_SECONDS)) as read,
            closing(sqlite3.connect(target, timeout=SQLITE_BUSY_SECONDS)) as written,
        ):
            if not read.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_info'").fetchone():
                raise FailedPrecondition(f"{source} is no database of Mission Control")
            read.backup(written)
    except sqlite3.Error as error:
        raise Unavailable(f"cannot copy {source} to {target}: {error}") from error


def _run(program: str, url: URL, *arguments: str) -> None:
    """Runs one of PostgreSQL's programs on a database. A password goes through the environment."""
    path = shutil.which(program)
    if path is None:
        raise FailedPrecondition(f"{program} is not on the PATH: install PostgreSQL's client programs")
    environment = {**os.environ, "PGPASSWORD": str(url.password)} if url.password else None
    bare = url.set(drivername="postgresql", password=None).render_as_string()
    ended = subprocess.run(
        [path, f"--dbname={bare}", *arguments], capture_output=True, text=True, check=False, env=environment
    )
    if ended.returncode:
        raise Unavailable(f"{program} failed: {ended.stderr.strip().splitlines()[0] if ended.stderr else ''}")
