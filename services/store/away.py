"""A database that is away, or has no time for us: no mistake of ours, and for callers a reason to try again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from services.domain.errors import FailedPrecondition, Unavailable
from services.store.schema_check import SchemaInfo, check_schema, read_schema_info

log = structlog.get_logger(__name__)

# How long a program that starts waits for a database that is not there yet, and how long between two looks, seconds.
START_SECONDS_MAX = 60.0
LOOK_SECONDS_MIN = 0.1
LOOK_SECONDS_MAX = 2.0
# What a server says that starts or stops, and one whose connections others have.
PASSING = ("the database system is", "too many clients", "remaining connection slots", "too many connections")


async def wait_for_database(engine: Engine, *, seconds_max: float = START_SECONDS_MAX) -> None:
    """Returns once the database lets somebody in, or refuses for another reason than that it is not there yet.

    The latter, and a database that stays away, are left to whoever opens it next, to say so.
    """
    deadline = time.monotonic() + seconds_max
    pause = LOOK_SECONDS_MIN
    while (reason := await asyncio.to_thread(_absence, engine)) and time.monotonic() < deadline:
        if pause == LOOK_SECONDS_MIN:
            log.warning("the database is away; waiting for it", error=reason, seconds_max=seconds_max)
        await asyncio.sleep(pause)
        pause = min(pause * 2, LOOK_SECONDS_MAX)


def wait_for_schema(engine: Engine, *, seconds_max: float) -> SchemaInfo:
    """What the database says of its schema, once this program runs on it.

    Raises what is wrong at the end of the time: FailedPrecondition, or a DatabaseError.
    """
    deadline = time.monotonic() + seconds_max
    pause = LOOK_SECONDS_MIN
    while True:
        try:
            return _usable_schema(engine)
        except (FailedPrecondition, OperationalError):
            if time.monotonic() + pause >= deadline:
                raise
        time.sleep(pause)
        pause = min(pause * 2, LOOK_SECONDS_MAX)


def _usable_schema(engine: Engine) -> SchemaInfo:
    with engine.connect() as connection:
        known = read_schema_info(connection)
    return check_schema(known)


def _absence(engine: Engine) -> str:
    """Why the database is not there; empty if it is, or says something else."""
    if engine.dialect.name == "sqlite":
        return ""
    try:
        engine.connect().close()
    except OperationalError as error:
        reason = " ".join(str(error.orig).split())
        # What a server refuses for good, such as a password, is FATAL, too; not so what passes by itself.
        return reason if "FATAL" not in reason or any(words in reason for words in PASSING) else ""
    return ""


@contextmanager
def explained(connection: Connection | None = None) -> Iterator[None]:
    """Turns what the database says when it is away into Unavailable, and a pool that has no connection to give.

    A `connection` that is kept for longer connects again with its next statement.
    """
    try:
        yield
    except PoolTimeoutError as error:
        raise Unavailable("all connections to the database are taken") from error
    except (OperationalError, InterfaceError) as error:
        if connection is not None and connection.invalidated:
            connection.rollback()
        reason = str(error.orig).strip().splitlines()
        raise Unavailable(f"the database cannot be read now: {reason[0] if reason else error}") from error
