"""Which database this is: what a PostgreSQL server says of itself, so that another in its place is noticed.

A standby that was promoted has another timeline, and may lack the last commits: positions of the feed that followers
hold may not be there, or may be given away again. SQLite says nothing of the kind; its origin stays empty.
"""

from __future__ import annotations

import structlog
from sqlalchemy import Connection, Engine, select, update

from services.store import postgres_dialect
from services.store.away import explained
from services.store.migration import begin_epoch
from services.store.schema import feed

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
