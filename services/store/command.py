"""`missionctl db`: looks after a database.

Registered as an entry point, so only machines with the server package have it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.exc import DatabaseError

from services.config import CoordinatorSettings, load
from services.domain.errors import MissionControlError
from services.store.away import wait_for_schema
from services.store.backup import backup, restore
from services.store.check import Finding, check
from services.store.database import opened, require_database
from services.store.migration import upgrade
from services.store.origin import begin_epoch
from services.store.schema_check import check_schema, read_schema_info
from services.store.transactions import begin_checking

app = typer.Typer(help="Look after a database.", no_args_is_help=True)

FOUND = 1
UNREADABLE = 5
Url = Annotated[str, typer.Option("--database-url", help="Default: MISSIONCONTROL_DATABASE_URL.")]


class OutputFormat(StrEnum):
    """What `--output` takes, as in the SDK's commands, which this package does not know."""

    TABLE = "table"
    JSON = "json"


Output = Annotated[OutputFormat, typer.Option("--output", "-o", help="How to write it.")]


@app.callback()
def database() -> None:
    """Look after a database."""


@app.command("upgrade")
def upgrade_command(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """Make the schema in an empty database, or bring it to the newest version.

    Programs of the version before go on running on it. Exit code 5: the database cannot be reached.
    """
    with explained("the database cannot be upgraded"), opened(database_url(url)) as engine:
        upgrade(engine)
        with engine.connect() as connection:
            info = read_schema_info(connection)
    assert info is not None, "an upgrade leaves a schema"
    tell({"version": info.version, "oldest": info.oldest}, f"ok: schema version {info.version}", output)


@app.command("wait")
def wait_command(
    url: Url = "",
    seconds: Annotated[float, typer.Option(min=0, help="How long to wait.")] = 600.0,
    output: Output = OutputFormat.TABLE,
) -> None:
    """Wait until the database is there, with a schema that this program runs on, as somebody else upgrades it.

    Exit code 5: that did not come to be in time, with what was missing last.
    """
    with explained("the database is not there"), opened(database_url(url)) as engine:
        info = wait_for_schema(engine, seconds_max=seconds)
    tell({"version": info.version, "oldest": info.oldest}, f"ok: schema version {info.version}", output)


@app.command("backup")
def backup_command(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")],
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Copy the database into a file while it is in use: its state at one commit.

    PostgreSQL needs its `pg_dump` on the PATH. Exit code 5: it cannot be done, and no file is left behind.
    """
    with explained("the database cannot be backed up"):
        require_database(database_url(url))
        backup(database_url(url), file)
    tell({"file": str(file), "bytes": file.stat().st_size}, f"ok: {file}, {file.stat().st_size} bytes", output)


@app.command("restore")
def restore_command(
    file: Annotated[Path, typer.Argument(help="What `backup` has written.", exists=True, dir_okay=False)],
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Replace all that is in the database by what is in the file.

    The feed begins a new epoch: followers are told that their positions mean nothing any more. A coordinator that still
    runs loses its term and ends. PostgreSQL needs its `pg_restore` on the PATH. Exit code 5: it cannot be done.
    """
    with explained("the database cannot be restored"):
        epoch = restore(database_url(url), file)
    tell({"epoch": epoch}, f"ok: restored; the feed begins epoch {epoch}", output)


@app.command("new-epoch")
def new_epoch_command(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """Begin a new epoch of the feed, after a restore by other means.

    Every coordinator loses its term and ends. Exit code 5: the database cannot be reached.
    """
    with explained("the epoch cannot be changed"):
        require_database(database_url(url))
        with opened(database_url(url)) as engine, engine.connect() as connection:
            epoch = begin_epoch(connection)
    tell({"epoch": epoch}, f"ok: the feed begins epoch {epoch}", output)


@app.command("check")
def check_command(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """Check that the database is whole, its log dense, and its tables equal to the fold of the log.

    Exit code 0: all is well; 1: something was found; 5: the database cannot be read.
    """
    with explained("the database cannot be checked"):
        require_database(database_url(url))
        with opened(database_url(url)) as engine, engine.connect() as connection:
            check_schema(read_schema_info(connection))
            begin_checking(connection)
            findings = check(connection)
            connection.exec_driver_sql("ROLLBACK")
    show(findings, output)
    sys.exit(FOUND if findings else 0)


def database_url(url: str) -> str:
    """The URL that was given, or that of the settings."""
    return url or load(CoordinatorSettings).database_url


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turns an error into one line and the exit code."""
    try:
        yield
    except (MissionControlError, DatabaseError, OSError) as error:
        reason = str(error.orig).strip().splitlines()[0] if isinstance(error, DatabaseError) else str(error)
        typer.echo(f"missionctl: {what}: {reason}", err=True)
        sys.exit(UNREADABLE)


def tell(values: dict[str, object], sentence: str, output: OutputFormat) -> None:
    """Prints what was done."""
    typer.echo(json.dumps(values) if output is OutputFormat.JSON else sentence)


def show(findings: list[Finding], output: OutputFormat) -> None:
    """Prints what was found."""
    if output is OutputFormat.JSON:
        typer.echo(json.dumps([{"check": finding.check, "message": finding.message} for finding in findings]))
        return
    for finding in findings:
        typer.echo(f"{finding.check}: {finding.message}")
    typer.echo(f"{len(findings)} findings" if findings else "ok: whole, dense, and equal to the fold of its log")
