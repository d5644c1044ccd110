"""The coordinators' rows: each has a term, which is the fence of everything that it writes."""

from __future__ import annotations

import time

from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError

from services.store.schema import coordinators
from services.store.transactions import begin_writing
from services.store.writer import Identity

# Those that keep us waiting are the writers of this database; one that lives connects again, and looks its batch up.
END_WRITERS = (
    "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity"
    " WHERE application_name = 'missioncontrol-writer' AND datname = current_database()"
)


def claim_term(connection: Connection, coordinator_id: str) -> Identity:
    """Raises the term of every coordinator on this database, and takes our own.

    Whoever wrote before cannot commit any more. On PostgreSQL a writer that is stopped in the middle of its pipeline
    holds its rows for ever, since no time limit counts there: after a second its session is ended.
    """
    try:
        return _claim(connection, coordinator_id)
    except OperationalError as error:
        if not isinstance(error.orig, LockNotAvailable):
            raise
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql(END_WRITERS)
    return _claim(connection, coordinator_id)


def _claim(connection: Connection, coordinator_id: str) -> Identity:
    begin_writing(connection)
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL lock_timeout = '1s'")
    connection.execute(update(coordinators).values(term=coordinators.c.term + 1))
    now = time.time_ns() // 1000
    row = {"id": coordinator_id, "term": 1, "flush": 0, "start_time": now}
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    claim = dialect.insert(coordinators).values(row)
    claim = claim.on_conflict_do_update(index_elements=["id"], set_={"flush": 0, "start_time": now})
    term = connection.scalar(claim.returning(coordinators.c.term))
    connection.exec_driver_sql("COMMIT")
    assert term is not None
    return Identity(coordinator_id, term)
