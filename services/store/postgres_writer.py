"""The transaction of a flush on PostgreSQL: all of it in one pipeline, so that it costs one way there and back.

Other coordinators write to the same database. What the flush was decided on is looked at again inside the transaction,
and one that was stopped in the middle of its own is ended by whoever waits for its locks.

While the server is away the writer tries again and again to reach it, and says so once. What became of a batch whose
COMMIT was not answered is looked up in our own row afterwards; one that was not written is written again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg
import structlog
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from services import failpoints
from services.store import postgres_dialect, statements
from services.store.limits import POSTGRES_NETWORK, RECONNECT_SECONDS_MAX, RECONNECT_SECONDS_MIN
from services.store.writer import (
    Batch,
    Conflict,
    Identity,
    OutcomeUnknown,
    RequestsKnown,
    RowsRefused,
    TermLost,
    WriteRefused,
)

log = structlog.get_logger(__name__)

APPLICATION_NAME = "missioncontrol-writer"
# So long a writer waits for another's lock before it looks whether that one was stopped. No flush takes as long.
LOCK_SECONDS = 1
# Index look-ups whatever the statistics say: after an ANALYZE a join over the whole table looked cheaper to the
# planner, and a flush of a dozen tasks took five times as long. No compilation, and one plan for all lengths of the
# arrays. A coordinator that is stopped in mid-transaction holds its locks for no longer than a second.
SETTINGS = {
    "application_name": APPLICATION_NAME,
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    "synchronous_commit": "on",
    "statement_timeout": "30s",
    "lock_timeout": f"{LOCK_SECONDS}s",
    # Counts from the moment at which the server says that it is ready; in the middle of a pipeline it never does.
    "idle_in_transaction_session_timeout": "1s",
}
# A batch that was not written because the connection broke, or because it lost against another transaction, is written
# again, so often: beyond that it is the batch, or the server, that is not well.
ATTEMPTS_MAX = 5
# The transaction lost against another one.
RETRIED = (errors.SerializationFailure, errors.DeadlockDetected, errors.LockNotAvailable)
# Rows that another coordinator may have made in between.
MADE_BY_OTHERS = frozenset(
    write.table.name
    for write in (
        statements.CREATE_AGENTS,
        statements.CREATE_QUEUES,
        statements.CREATE_SCHEDULES,
        statements.CREATE_STUCK,
    )
)
# The database's own trouble, which has nothing to do with the rows.
TROUBLE = (psycopg.OperationalError, errors.InternalError_, errors.ReadOnlySqlTransaction)


class PostgresWriter:
    """See `writer.Writer`. `conninfo` is libpq's. `wanted`: whether anybody waits for it still."""

    def __init__(self, conninfo: str, identity: Identity, *, wanted: Callable[[], bool]) -> None:
        self._conninfo = conninfo
        self._wanted = wanted
        self._own = (identity.coordinator_id, identity.term)
        self._connection = self._connect()

    def write(self, batch: Batch) -> int:
        """Writes a batch; see `writer.Writer.write`. Waits as long as the server is away."""
        last: psycopg.Error | None = None
        for _ in range(ATTEMPTS_MAX):
            try:
                return self._transaction(batch)
            except psycopg.Error as error:
                last = error
                if self._connection.closed:
                    base = self._written_after(error, batch.flush)
                    if base is not None:
                        return base
                elif isinstance(error, errors.LockNotAvailable):
                    self._end_stopped()
                elif not isinstance(error, RETRIED):
                    raise self._refused(error) from error
        raise WriteRefused(f"not written in {ATTEMPTS_MAX} attempts; the last: {last}") from last

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def _transaction(self, batch: Batch) -> int:
        connection = self._connection
        numbered = connection.cursor()
        failpoints.reach("writer.before_begin", psycopg.OperationalError)
        try:
            with connection.pipeline(), connection.cursor(binary=True) as cursor:
                cursor.execute(postgres_dialect.FENCE, (batch.flush, *self._own))
                for place, rows, before in batch.writes:
                    self._change(cursor, statements.WRITES[place], columns_of(rows), before)
                if batch.events:
                    numbered.execute(postgres_dialect.APPEND_EVENTS, self._numbering(batch), prepare=True)
                for place, rows in batch.checks:
                    check = postgres_dialect.checking(statements.CHECKS[place])
                    cursor.execute(check, [len(rows), *columns_of(rows)], prepare=True)
                failpoints.reach("writer.before_commit", psycopg.OperationalError)
                # Not connection.commit(): that waits for an answer while the end of a large batch is unsent, for ever.
                # The pipeline's end sends all of it first.
                cursor.execute("COMMIT")
        except BaseException:
            # Whatever it was: a transaction that stayed open would be committed with the next batch. Where it cannot be
            # rolled back the connection is of no use, and nobody knows whether the COMMIT happened: that is looked up.
            if not connection.closed:
                try:
                    connection.rollback()
                except psycopg.Error:
                    connection.close()
            raise
        failpoints.reach("writer.after_commit")
        return int(numbered.fetchall()[0][0]) if batch.events else 0

    @staticmethod
    def _change(
        cursor: psycopg.Cursor[Any], write: statements.Write, columns: list[list[Any]], before: list[int]
    ) -> None:
        if before:
            cursor.execute(postgres_dialect.guarded(write), [*columns, before, len(before)], prepare=True)
        else:
            cursor.execute(postgres_dialect.writing(write), columns, prepare=True)

    def _numbering(self, batch: Batch) -> dict[str, Any]:
        """The events, for the statement that numbers them."""
        lasts, firsts, times, texts = columns_of(batch.chunks)
        task_ids, task_lasts = columns_of(batch.notes) if batch.notes else ([], [])
        return {
            "events": batch.events,
            "coordinator_id": self._own[0],
            "lasts": lasts,
            "firsts": firsts,
            "times": times,
            "texts": texts,
            "task_ids": task_ids,
            "task_lasts": task_lasts,
        }

    def _end_stopped(self) -> None:
        """Ends the sessions of writers that were stopped in mid-transaction: they hold what everybody waits for.

        What they had is rolled back; one that only was slow connects again and writes it again. If the server goes away
        meanwhile, the next attempt finds out.
        """
        arguments = (APPLICATION_NAME, LOCK_SECONDS / 2)
        row = None
        with suppress(psycopg.OperationalError), self._connection.transaction():
            row = self._connection.execute(postgres_dialect.END_STOPPED, arguments).fetchone()
        if row is not None and row[0]:
            log.warning("ended writers that were stopped in mid-transaction", sessions=row[0])

    def _refused(self, error: psycopg.Error) -> Exception:
        """What an error says of the batch."""
        if error.sqlstate == postgres_dialect.FENCE_ERROR:
            return TermLost(f"coordinator {self._own[0]} has lost term {self._own[1]}")
        if error.sqlstate == postgres_dialect.CONFLICT_ERROR:
            return Conflict("a row has another version than the one that was read")
        if isinstance(error, errors.UniqueViolation):
            if error.diag.table_name == statements.CREATE_REQUESTS.table.name:
                return RequestsKnown(str(error))
            if error.diag.table_name in MADE_BY_OTHERS:
                return Conflict(str(error))
        if isinstance(error, TROUBLE):
            return WriteRefused(str(error))
        return RowsRefused(f"{type(error).__name__}: {error}")

    def _written_after(self, error: psycopg.Error, flush: int) -> int | None:
        """Connects again, and finds out whether the COMMIT happened that was not answered: until that is certain.

        Its base if it did, None if it did not.
        """
        while True:
            self._reconnect(error)
            try:
                return self.written(flush)
            except psycopg.OperationalError as again:  # away once more, or the session of before still holds our row
                error = again

    def written(self, flush: int) -> int | None:
        """The base of this flush if it was committed, None if not: our own row tells.

        It waits for the row's lock: a session whose client is gone may be committing still.
        """
        with self._connection.transaction():
            row = self._connection.execute(postgres_dialect.LAST_FLUSH, self._own).fetchone()
        return row[1] if row is not None and row[0] == flush else None

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        given = str(conninfo_to_dict(self._conninfo).get("options") or "")
        options = postgres_dialect.session_options(given, SETTINGS)
        connection = psycopg.connect(make_conninfo(self._conninfo, **POSTGRES_NETWORK), options=options)
        require_origin(connection)
        connection.prepare_threshold = 1
        return connection

    def _reconnect(self, error: psycopg.Error) -> None:
        """Waits until the server is back."""
        log.warning("the database is away; waiting for it", error=str(error).strip())
        wait = RECONNECT_SECONDS_MIN
        while True:
            try:
                self._connection.close()
                self._connection = self._connect()
            except psycopg.OperationalError as still:
                if not self._wanted():
                    raise OutcomeUnknown("the database is away, and so is the coordinator") from still
                time.sleep(wait)
                wait = min(2 * wait, RECONNECT_SECONDS_MAX)
            else:
                log.warning("the database is back")
                return


def columns_of(rows: list[Any]) -> list[list[Any]]:
    """Rows, column by column."""
    return [list(column) for column in zip(*rows, strict=True)]


def require_origin(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Raises OutcomeUnknown on a server in the place of the one that this coordinator began with.

    It may lack the last commits: what is in memory is not of this database. The next start begins a new epoch in it.
    """
    connection.autocommit = True
    [known] = connection.execute("SELECT origin FROM feed").fetchone() or ("",)
    [origin] = connection.execute(postgres_dialect.ORIGIN).fetchone() or ("",)
    connection.autocommit = False
    if known and known != origin:
        connection.close()
        raise OutcomeUnknown(f"this is another database server than before: {origin}, not {known}")
