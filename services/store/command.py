"""`missionctl db`: looks after a database.

Registered as an entry point, so only machines with the server package have it.
"""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from typing import Annotated

import typer
from sqlalchemy.exc import DatabaseError

from services.config import CoordinatorSettings, load
from services.domain.errors import MissionControlError
from services.store.check import Finding, check
from services.store.database import open_database, prepare_schema, require_database

app = typer.Typer(help="Look after a database.", no_args_is_help=True)

FOUND = 1
UNREADABLE = 5


class OutputFormat(StrEnum):
    """What `--output` takes, as in the SDK's commands, which this package does not know."""

    TABLE = "table"
    JSON = "json"


@app.callback()
def database() -> None:
    """Look after a database."""


@app.command("check")
def check_command(
    url: Annotated[str, typer.Option("--database-url", help="Default: MISSIONCONTROL_DATABASE_URL.")] = "",
    output: Annotated[OutputFormat, typer.Option("--output", "-o", help="How to write it.")] = OutputFormat.TABLE,
) -> None:
    """Check that the database is whole, its log dense, and its tables equal to the fold of the log.

    Exit code 0: all is well; 1: something was found; 5: the database cannot be read.
    """
    try:
        database_url = url or load(CoordinatorSettings).database_url
        require_database(database_url)
        engine = open_database(database_url)
        prepare_schema(engine)
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            findings = check(connection)
            connection.exec_driver_sql("ROLLBACK")
    except (MissionControlError, DatabaseError) as error:
        typer.echo(f"missionctl: the database cannot be checked: {error}", err=True)
        sys.exit(UNREADABLE)
    show(findings, output)
    sys.exit(FOUND if findings else 0)


def show(findings: list[Finding], output: OutputFormat) -> None:
    """Prints what was found."""
    if output is OutputFormat.JSON:
        typer.echo(json.dumps([{"check": finding.check, "message": finding.message} for finding in findings]))
        return
    for finding in findings:
        typer.echo(f"{finding.check}: {finding.message}")
    typer.echo(f"{len(findings)} findings" if findings else "ok: whole, dense, and equal to the fold of its log")
