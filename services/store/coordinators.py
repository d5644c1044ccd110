"""The coordinators' rows: each has a term, which is the fence of everything that it writes."""

from __future__ import annotations

import time

from sqlalchemy import Connection, update
from sqlalchemy.dialects import postgresql, sqlite

from services.store.schema import coordinators
from services.store.transactions import begin_writing
from services.store.writer import Identity


def claim_term(connection: Connection, coordinator_id: str) -> Identity:
    """Raises the term of every coordinator on this database, and takes our own.

    Whoever wrote before cannot commit any more.
    """
    begin_writing(connection)
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
