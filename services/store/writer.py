"""What a flush has to have written, and what can become of it.

    BEGIN · fence · rows · counter and events · checks · COMMIT

The fence is the first statement of every transaction: a coordinator whose term was raised by another finds no row, and
nothing is written. On PostgreSQL others write as well, so what the flush was decided on is looked at again: a row is
changed only if it still has the version that was read, and what was only read is checked behind the feed's counter,
whose lock every transaction with events holds until it is committed. `sqlite_writer.py` and `postgres_writer.py` do it.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec


class TermLost(Exception):
    """Another coordinator has taken over this database: nothing may be written any more."""


class WriteRefused(Exception):
    """The database cannot be written just now; nothing of the batch was written. Later it may be."""


class OutcomeUnknown(Exception):
    """A COMMIT answered with an error, and the database does not even tell whether it happened."""


class RequestsKnown(Exception):
    """A request id of the batch was used before: what it made has to be looked up. Nothing was written."""


class Conflict(Exception):
    """Another coordinator has changed what this flush was decided on: decide again. Nothing was written."""


class RowsRefused(Exception):
    """The database does not take these rows: something is wrong with the data. Nothing was written."""


class Identity(msgspec.Struct, frozen=True, array_like=True):
    """Who writes: the coordinator's id and its term."""

    coordinator_id: str
    term: int


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """What a flush writes: for each statement, by its place in `statements.WRITES`, its rows, and the versions that
    they must have until then (none: whatever they have).

    `checks`: for each table, by its place in `statements.CHECKS`, the keys and versions of rows that were read and are
    not changed. `chunks` and `notes` are the events and the tasks that they tell of; they are numbered from 1, and the
    writer adds where the feed ends.
    """

    flush: int
    writes: list[tuple[int, list[Any], list[int]]]
    checks: list[tuple[int, list[Any]]] = []
    events: int = 0
    chunks: list[Any] = []
    notes: list[Any] = []


class Writer(Protocol):
    """Writes batches on a connection that nobody else uses. Not thread-safe."""

    def write(self, batch: Batch) -> int:
        """Writes a batch and returns when it is on disk: the sequence before its first event, 0 without events.

        Raises TermLost, WriteRefused, RequestsKnown, Conflict, RowsRefused; nothing was written then. Raises
        OutcomeUnknown if that is not certain: then nothing more may be written here.
        """

    def close(self) -> None:
        """Ends the connection."""
