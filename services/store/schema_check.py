"""Which schema a database has, and whether a service of this version runs on it."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, Engine, inspect, select
from sqlalchemy.exc import DatabaseError

from services.domain.errors import FailedPrecondition, Unavailable
from services.store import schema


def prepare_schema(engine: Engine) -> None:
    """Sees to it that this program knows the schema. In a new SQLite file it makes it; elsewhere that is a command.

    Raises FailedPrecondition, which says what to run, and Unavailable.
    """
    try:
        with engine.connect() as connection:
            known = read_schema_info(connection)
        if known is None and engine.dialect.name == "sqlite":
            from services.store.migration import upgrade  # noqa: PLC0415 -- takes 90 ms, and few starts need it

            upgrade(engine)
        else:
            check_schema(known)
    except DatabaseError as error:
        raise Unavailable(
            f"cannot open the database {engine.url.render_as_string(hide_password=True)}: {error.orig}"
        ) from error


class SchemaInfo(NamedTuple):
    """The schema's version, and the oldest one whose programs run on it as well."""

    version: int
    oldest: int


def read_schema_info(connection: Connection) -> SchemaInfo | None:
    """What the database says of its schema; None if it has none."""
    if not inspect(connection).has_table(schema.schema_info.name):
        return None
    row = connection.execute(select(schema.schema_info)).one_or_none()
    if row is None:
        raise FailedPrecondition("its table schema_info is empty: this is no database of Mission Control")
    return SchemaInfo(row.version, row.oldest)


def check_schema(known: SchemaInfo | None) -> SchemaInfo:
    """What it was given. Raises FailedPrecondition, unless this program runs on such a schema."""
    if known is None:
        raise FailedPrecondition("the database is empty: run `missionctl db upgrade` to make the schema in it")
    if known.version < schema.SCHEMA_VERSION:
        raise FailedPrecondition(
            f"the database has schema version {known.version}, this program needs {schema.SCHEMA_VERSION}: "
            "run `missionctl db backup FILE`, then `missionctl db upgrade`"
        )
    if known.oldest > schema.SCHEMA_VERSION:
        raise FailedPrecondition(
            f"the database has schema version {known.version}, on which programs for version {known.oldest} and later "
            f"run; this one is for version {schema.SCHEMA_VERSION}: use a newer program"
        )
    return known
