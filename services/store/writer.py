"""The transaction of a flush: what has to be written, and the one place that writes it.

    BEGIN · fence · rows · counter · events · COMMIT

The fence is the first statement: a coordinator whose term was raised by another finds no row, and nothing is written.
Everything here is data in statements; what to write was decided before, in `flush.py`.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec

from services.store import statements


class TermLost(Exception):
    """Another coordinator has taken over this database: nothing may be written any more."""


class WriteRefused(Exception):
    """The database cannot be written just now; nothing of the batch was written. Later it may be."""


class RequestsKnown(Exception):
    """A request id of the batch was used before: what it made has to be looked up. Nothing was written."""


class Identity(msgspec.Struct, frozen=True, array_like=True):
    """Who writes: the coordinator's id and its term."""

    coordinator_id: str
    term: int


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """What a flush writes: for each statement, by its place in `statements.WRITES`, its rows.

    `events` of them are events, which begin after `head`.
    """

    flush: int
    writes: list[tuple[int, list[Any]]]
    head: int
    events: int


class Writer:
    """Writes batches on one connection, which nobody else uses. Not thread-safe."""

    def __init__(self, connection: sqlite3.Connection, identity: Identity) -> None:
        self._connection = connection
        self._identity = identity

    def write(self, batch: Batch) -> None:
        """Writes a batch and returns when it is on disk.

        Raises TermLost, WriteRefused, RequestsKnown, or what the database says of rows that it does not take; nothing
        was written then.
        """
        try:
            self._begin(batch.flush)
            for place, rows in batch.writes:
                self._run(statements.WRITES[place], rows)
            if batch.events:
                self._advance(batch)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._rollback()
            if not self._is_written(batch.flush):
                raise refused(error) from error

    def _begin(self, flush: int) -> None:
        """Opens the transaction, behind the fence. One that an earlier error left open is given up first."""
        self._rollback()
        self._connection.execute("BEGIN IMMEDIATE")
        fence = (flush, self._identity.coordinator_id, self._identity.term)
        if self._connection.execute(statements.FENCE, fence).rowcount != 1:
            self._rollback()
            raise TermLost(f"coordinator {self._identity.coordinator_id} has lost term {self._identity.term}")

    def _run(self, statement: statements.Write, rows: list[Any]) -> None:
        for sql, parameters in statement.batches(rows):
            try:
                self._connection.execute(sql, parameters)
            except sqlite3.IntegrityError as error:
                self._rollback()
                if statement is statements.CREATE_REQUESTS:
                    raise RequestsKnown(str(error)) from error
                raise

    def _advance(self, batch: Batch) -> None:
        """Moves the feed's counter over the events of this batch, whose numbers were given before."""
        moved = self._connection.execute(statements.ADVANCE_FEED, (batch.head + batch.events, batch.head))
        assert moved.rowcount == 1, f"the feed does not end at {batch.head}, although nobody else writes"

    def _is_written(self, flush: int) -> bool:
        """Whether a COMMIT that answered with an error happened all the same: our own row tells."""
        own = (self._identity.coordinator_id, self._identity.term)
        row = self._connection.execute(statements.LAST_FLUSH, own).fetchone()
        return row is not None and row[0] == flush

    def _rollback(self) -> None:
        """Gives the transaction up, if there still is one."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def refused(error: sqlite3.Error) -> Exception:
    """An error of the database itself, apart from one of the rows."""
    return WriteRefused(str(error)) if isinstance(error, sqlite3.OperationalError) else error
