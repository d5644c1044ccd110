"""The transaction of a flush on SQLite."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import Any

from services import failpoints
from services.store import sqlite_dialect, statements
from services.store.writer import Batch, Identity, OutcomeUnknown, RequestsKnown, RowsRefused, TermLost, WriteRefused


class SqliteWriter:
    """See `writer.Writer`."""

    def __init__(self, connection: sqlite3.Connection, identity: Identity) -> None:
        self._connection = connection
        self._own = (identity.coordinator_id, identity.term)

    def write(self, batch: Batch) -> int:
        """Writes a batch; see `writer.Writer.write`. Nobody else writes, so no version needs to be looked at again."""
        try:
            failpoints.reach("writer.before_begin", sqlite3.OperationalError)
            self._begin(batch.flush)
            for place, rows, _ in batch.writes:
                self._run(statements.WRITES[place], rows)
            base = self._append(batch) if batch.events else 0
            failpoints.reach("writer.before_commit", sqlite3.OperationalError)
        except (sqlite3.Error, OverflowError) as error:
            self._give_up()
            raise refused(error) from error
        except BaseException:
            self._give_up()
            raise
        self._commit(batch.flush)
        failpoints.reach("writer.after_commit")
        return base

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def _begin(self, flush: int) -> None:
        """Opens the transaction, behind the fence. One that an earlier error left open is given up first."""
        self._rollback()
        self._connection.execute("BEGIN IMMEDIATE")
        if self._connection.execute(sqlite_dialect.FENCE, (flush, *self._own)).rowcount != 1:
            raise TermLost(f"coordinator {self._own[0]} has lost term {self._own[1]}")

    def _run(self, statement: statements.Write, rows: list[Any]) -> None:
        for sql, parameters in sqlite_dialect.batches(statement, rows):
            try:
                self._connection.execute(sql, parameters)
            except sqlite3.IntegrityError as error:
                if statement is statements.CREATE_REQUESTS:
                    raise RequestsKnown(str(error)) from error
                raise

    def _append(self, batch: Batch) -> int:
        """Appends the events behind the feed's head; returns where that was."""
        head: int = self._connection.execute(sqlite_dialect.ADVANCE_FEED, (batch.events,)).fetchone()[0]
        base = head - batch.events
        chunks = [(last + base, first + base, time, events, self._own[0]) for last, first, time, events in batch.chunks]
        self._run(statements.APPEND_EVENTS, chunks)
        self._run(statements.NOTE_TASKS, [(task_id, last + base) for task_id, last in batch.notes])
        return base

    def _commit(self, flush: int) -> None:
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if not self._is_written(flush):
                raise refused(error) from error

    def _is_written(self, flush: int) -> bool:
        """Whether a COMMIT that answered with an error happened all the same: our own row tells.

        Not from inside the transaction, which would see itself.
        """
        try:
            self._rollback()
            row = self._connection.execute(sqlite_dialect.LAST_FLUSH, self._own).fetchone()
        except sqlite3.Error as error:
            raise OutcomeUnknown(f"flush {flush} may be written or not: {error}") from error
        return row is not None and row[0] == flush

    def _give_up(self) -> None:
        """After an error: a transaction that stayed open would keep every other writer out until the next batch."""
        with suppress(sqlite3.Error):  # the next batch tries again before it begins
            self._rollback()

    def _rollback(self) -> None:
        """Gives the transaction up, if there still is one."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def refused(error: Exception) -> Exception:
    """An error of the database itself, apart from one of the rows."""
    if isinstance(error, sqlite3.OperationalError):
        return WriteRefused(str(error))
    return RowsRefused(f"{type(error).__name__}: {error}")
