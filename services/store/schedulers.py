"""The one row that says which scheduler is the active one.

Its term is what makes a choice: of two coordinators that choose at the same time, one finds it changed.
"""

from __future__ import annotations

import time

from sqlalchemy import Connection, case, inspect, select, update

from services.domain.scheduler_choice import Active
from services.store.schema import scheduler


def read_active(connection: Connection) -> Active:
    """What the row says; an empty address if none was chosen yet."""
    row = connection.execute(select(scheduler.c.term, scheduler.c.address).where(scheduler.c.id == 1)).one()
    return Active(row.term, row.address)


def choose(connection: Connection, address: str, *, seen: int) -> bool:
    """Names another scheduler and raises the term; False if the term is not the one that was seen any more.

    One statement, which is its own transaction: a coordinator that is stopped in the middle holds no lock.
    """
    changes = {"address": address, "term": scheduler.c.term + 1, "choose_time": time.time_ns() // 1000}
    chosen = update(scheduler).where(scheduler.c.id == 1, scheduler.c.term == seen).values(changes)
    return connection.execute(chosen).rowcount == 1


def raise_term(connection: Connection) -> None:
    """Raises the term above all that a scheduler can have heard of, in a database that was put back to what it was.

    Microseconds since 1970 are: choices are seconds apart. Schedulers refuse terms that are over, and would refuse
    everybody. Without the table, which is newer than some backups, there is nothing to do.
    """
    if inspect(connection).has_table(scheduler.name):
        term, micros = scheduler.c.term, time.time_ns() // 1000
        raised = case((term >= micros, term + 1), else_=micros)
        connection.execute(update(scheduler).where(term > 0).values(term=raised))
