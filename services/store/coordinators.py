"""The coordinators' rows, and the shards that they look after.

Each coordinator has a term, which is the fence of everything that it writes; whoever takes over from it raises the
term. That its row changes shows that it lives: every transaction of it changes it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from psycopg.errors import LockNotAvailable
from sqlalchemy import ColumnElement, Connection, and_, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError

from services.domain.membership import PROGRAM, SHARING_PROGRAM, Coordinator, CoordinatorState
from services.store.postgres_dialect import END_STOPPED
from services.store.postgres_writer import APPLICATION_NAME, LOCK_SECONDS
from services.store.schema import coordinators, shards
from services.store.transactions import begin_writing
from services.store.writer import Identity

Answer = TypeVar("Answer")

LOCK_ATTEMPTS_MAX = 5


def claim_term(connection: Connection, coordinator_id: str, *, address: str = "") -> Identity:
    """Takes the next term of this id: whoever wrote under it before cannot commit any more.

    On SQLite that goes for everybody, as there can be one writer only; on PostgreSQL for programs that know no others.
    """

    def claim() -> int:
        alone = update(coordinators).values(term=coordinators.c.term + 1).where(coordinators.c.id != coordinator_id)
        if connection.dialect.name == "postgresql":
            alone = alone.where(coordinators.c.program < SHARING_PROGRAM)
        connection.execute(alone)
        changes = {
            "flush": 0,
            "base": 0,
            "start_time": time.time_ns() // 1000,
            "program": PROGRAM,
            "state": int(CoordinatorState.LIVE),
            "address": address,
        }
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        own = dialect.insert(coordinators).values(id=coordinator_id, term=1, **changes)
        own = own.on_conflict_do_update(index_elements=["id"], set_={"term": coordinators.c.term + 1, **changes})
        return int(connection.execute(own.returning(coordinators.c.term)).scalar_one())

    return Identity(coordinator_id, _write(connection, claim))


def read_coordinators(connection: Connection) -> list[Coordinator]:
    """All coordinators that ever were, with their shards, by id."""
    owned: dict[str, list[int]] = {}
    for row in connection.execute(select(shards).order_by(shards.c.shard)):
        owned.setdefault(row.coordinator_id, []).append(row.shard)
    column = coordinators.c
    query = select(column.id, column.term, column.flush, column.state, column.address, column.program)
    query = query.order_by(column.id)
    return [
        Coordinator(
            id=row.id,
            term=row.term,
            flush=row.flush,
            state=CoordinatorState(row.state),
            address=row.address,
            shards=tuple(owned.get(row.id, ())),
            program=row.program,
        )
        for row in connection.execute(query)
    ]


def read_unowned_shards(connection: Connection) -> list[int]:
    """Shards that no coordinator has taken yet."""
    return list(
        connection.scalars(select(shards.c.shard).where(shards.c.coordinator_id == "").order_by(shards.c.shard))
    )


def take_over(connection: Connection, by: Identity, dead: Coordinator) -> bool:
    """Ends the term of a coordinator that did not move, and takes its shards. False if it has moved after all."""

    def take() -> bool:
        column = coordinators.c
        ended = update(coordinators).where(column.id == dead.id, column.term == dead.term, column.flush == dead.flush)
        ended = ended.values(term=column.term + 1, state=int(CoordinatorState.DEAD))
        if connection.execute(ended).rowcount != 1 or not _has_term(connection, by):
            return False
        left = update(shards).where(shards.c.coordinator_id == dead.id)  # all: it may have taken more since the look
        connection.execute(left.values(coordinator_id=by.coordinator_id))
        return True

    return _write(connection, take)


def take_shards(connection: Connection, by: Identity, taken: Iterable[tuple[int, str]]) -> None:
    """Takes shards, each from the owner that it is thought to have ("" for none)."""

    def take() -> bool:
        if not _has_term(connection, by):
            return False
        by_owner: dict[str, list[int]] = {}
        for shard, owner in taken:
            by_owner.setdefault(owner, []).append(shard)
        for owner, numbers in sorted(by_owner.items()):
            _give(connection, by.coordinator_id, numbers, owner)
        return True

    _write(connection, take)


def retire(connection: Connection, identity: Identity) -> None:
    """Says that this coordinator has stopped, and lets go of its shards."""

    def leave() -> bool:
        stopped = update(coordinators).where(_own(identity)).values(state=int(CoordinatorState.STOPPED))
        if connection.execute(stopped).rowcount:
            connection.execute(
                update(shards).where(shards.c.coordinator_id == identity.coordinator_id).values(coordinator_id="")
            )
        return True

    _write(connection, leave)


def _has_term(connection: Connection, identity: Identity) -> bool:
    """Whether the identity holds its term still and has not stopped; so it is until the end of this transaction."""
    live = coordinators.c.state == int(CoordinatorState.LIVE)
    return connection.scalar(select(coordinators.c.id).where(_own(identity), live).with_for_update()) is not None


def _own(identity: Identity) -> ColumnElement[bool]:
    """The row of this identity, as long as it has its term."""
    return and_(coordinators.c.id == identity.coordinator_id, coordinators.c.term == identity.term)


def _give(connection: Connection, to: str, numbers: Iterable[int], owner: str) -> None:
    given = update(shards).where(shards.c.shard.in_(bindparam("numbers", expanding=True)))
    given = given.where(shards.c.coordinator_id == bindparam("owner")).values(coordinator_id=bindparam("to"))
    connection.execute(given, {"numbers": list(numbers), "owner": owner, "to": to})


def _write(connection: Connection, change: Callable[[], Answer]) -> Answer:
    """Runs a change in a transaction. A coordinator that was stopped in the middle of its own is not waited for."""
    for attempts_left in reversed(range(LOCK_ATTEMPTS_MAX)):
        begin_writing(connection)
        try:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
            answer = change()
            connection.exec_driver_sql("COMMIT" if answer is not False else "ROLLBACK")
        except BaseException as error:
            connection.exec_driver_sql("ROLLBACK")
            locked = isinstance(error, OperationalError) and isinstance(error.orig, LockNotAvailable)
            if not locked or not attempts_left:
                raise
            connection.exec_driver_sql(END_STOPPED, (APPLICATION_NAME, LOCK_SECONDS / 2))
        else:
            return answer
    raise AssertionError("the last attempt returns or raises")
