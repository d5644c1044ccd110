"""The transaction of a flush on PostgreSQL: all of it in one pipeline, so that it costs one way there and back.

While the server is away the writer tries again and again to reach it, and says so once. What became of a batch whose
COMMIT was not answered is looked up in our own row afterwards; one that was not written is written again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psycopg
import structlog
from psycopg import errors
from psycopg.conninfo import make_conninfo

from services import failpoints
from services.store import postgres_dialect, statements
from services.store.limits import POSTGRES_NETWORK, RECONNECT_SECONDS_MAX, RECONNECT_SECONDS_MIN
from services.store.writer import Batch, Identity, OutcomeUnknown, RequestsKnown, RowsRefused, TermLost, WriteRefused

log = structlog.get_logger(__name__)

# Index look-ups whatever the statistics say: after an ANALYZE a join over the whole table looked cheaper to the
# planner, and a flush of a dozen tasks took five times as long. No compilation, and one plan for all lengths of the
# arrays. A coordinator that is stopped in mid-transaction holds its locks for no longer than a second.
SETTINGS = {
    "application_name": "missioncontrol-writer",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    "synchronous_commit": "on",
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "1s",
}
# A batch that was not written because the connection broke, or because it lost against another transaction, is written
# again, so often: beyond that it is the batch, or the server, that is not well.
ATTEMPTS_MAX = 5
# The transaction lost against another one.
RETRIED = (errors.SerializationFailure, errors.DeadlockDetected)
# The database's own trouble, which has nothing to do with the rows.
TROUBLE = (psycopg.OperationalError, errors.InternalError_, errors.ReadOnlySqlTransaction)


class PostgresWriter:
    """See `writer.Writer`. `conninfo` is libpq's. `wanted`: whether anybody waits for it still."""

    def __init__(self, conninfo: str, identity: Identity, *, wanted: Callable[[], bool]) -> None:
        self._conninfo = conninfo
        self._wanted = wanted
        self._own = (identity.coordinator_id, identity.term)
        self._connection = self._connect()

    def write(self, batch: Batch) -> None:
        """Writes a batch; see `writer.Writer.write`. Waits as long as the server is away."""
        for attempts_left in reversed(range(ATTEMPTS_MAX)):
            try:
                self._transaction(batch)
            except psycopg.Error as error:
                if self._connection.broken:
                    if self._is_written_after(error, batch.flush):
                        return
                elif not isinstance(error, RETRIED):
                    raise self._refused(error) from error
                if not attempts_left:
                    raise WriteRefused(f"not written in {ATTEMPTS_MAX} attempts; the last: {error}") from error
            else:
                return

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def _transaction(self, batch: Batch) -> None:
        connection = self._connection
        failpoints.reach("writer.before_begin", psycopg.OperationalError)
        try:
            with connection.pipeline(), connection.cursor(binary=True) as cursor:
                cursor.execute(postgres_dialect.FENCE, (batch.flush, *self._own))
                for place, rows in batch.writes:
                    columns = [list(column) for column in zip(*rows, strict=True)]
                    cursor.execute(postgres_dialect.writing(statements.WRITES[place]), columns, prepare=True)
                if batch.events:
                    cursor.execute(postgres_dialect.ADVANCE_FEED, (batch.head + batch.events, batch.head))
                failpoints.reach("writer.before_commit", psycopg.OperationalError)
                # Not connection.commit(): that waits for an answer while the end of a large batch is unsent, for ever.
                # The pipeline's end sends all of it first.
                cursor.execute("COMMIT")
        except BaseException:
            # Whatever it was: a transaction that stayed open would be committed with the next batch.
            if not connection.broken:
                connection.rollback()
            raise
        failpoints.reach("writer.after_commit")

    def _refused(self, error: psycopg.Error) -> Exception:
        """What an error says of the batch."""
        if error.sqlstate == postgres_dialect.FENCE_ERROR:
            return TermLost(f"coordinator {self._own[0]} has lost term {self._own[1]}")
        if isinstance(error, errors.UniqueViolation) and error.diag.table_name == statements.CREATE_REQUESTS.table.name:
            return RequestsKnown(str(error))
        if isinstance(error, TROUBLE):
            return WriteRefused(str(error))
        return RowsRefused(f"{type(error).__name__}: {error}")

    def _is_written_after(self, error: psycopg.Error, flush: int) -> bool:
        """Connects again, and finds out whether the COMMIT happened that was not answered: until that is certain."""
        while True:
            self._reconnect(error)
            try:
                return self.is_written(flush)
            except psycopg.OperationalError as again:  # away once more, or the session of before still holds our row
                error = again

    def is_written(self, flush: int) -> bool:
        """Whether this flush was committed: our own row tells.

        It waits for the row's lock: a session whose client is gone may be committing still.
        """
        with self._connection.transaction():
            row = self._connection.execute(postgres_dialect.LAST_FLUSH, self._own).fetchone()
        return row is not None and row[0] == flush

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        options = postgres_dialect.session_options(SETTINGS)
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
