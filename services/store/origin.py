"""Which database this is: its epoch, and what a PostgreSQL server says of itself: another in its place is noticed.

A standby that was promoted has another timeline, and may lack the last commits: positions of the feed that followers
hold may not be there, or may be given away again. SQLite says nothing of the kind; its origin stays empty.
"""

from __future__ import annotations

import secrets
import time

import structlog
from sqlalchemy import Connection, Engine, case, select, update

from services.store import postgres_dialect
from services.store.away import explained
from services.store.schedulers import raise_term
from services.store.schema import coordinators, feed
from services.store.transactions import begin_writing

log = structlog.get_logger(__name__)


def read_origin(connection: Connection) -> str:
    """System identifier, timeline and database of a PostgreSQL primary; empty for SQLite."""
    if connection.dialect.name != "postgresql":
        return ""
    return str(connection.exec_driver_sql(postgres_dialect.ORIGIN).scalar_one())


def keep_origin(engine: Engine) -> str:
    """Notes the origin of a database that has none, and begins a new epoch in one that has another. Returns it.

    For a coordinator's start, before it claims its term. Raises Unavailable.
    """
    with explained(), engine.connect() as connection:
        origin = read_origin(connection)
        known = connection.scalar(select(feed.c.origin))
        if origin == known:
            return origin
        if known:
            epoch = begin_epoch(connection)
            log.warning("this is another database than before: new epoch", was=known, now=origin, epoch=epoch)
        connection.execute(update(feed).values(origin=origin))
    return origin


def begin_epoch(connection: Connection) -> str:
    """Starts a new epoch of the feed, ends every coordinator's term, raises the scheduler's. Returns the epoch.

    For a database that is not what it was: positions of before mean nothing in it, and who wrote to it must not go on.
    """
    begin_writing(connection)
    epoch = secrets.token_hex(4)
    # Above all that anybody can hold: one more than in a backup is the term of whoever was started once since. And in
    # the order of a flush, its fence first and the feed last: the other way round the two would wait for each other.
    term, micros = coordinators.c.term, time.time_ns() // 1000
    connection.execute(update(coordinators).values(term=case((term >= micros, term + 1), else_=micros)))
    raise_term(connection)
    connection.execute(update(feed).values(epoch=epoch))
    connection.exec_driver_sql("COMMIT")
    return epoch
