"""What a flush has to have written, and what can become of it.

    BEGIN · fence · rows · counter · COMMIT

The fence is the first statement of every transaction: a coordinator whose term was raised by another finds no row, and
nothing is written. `sqlite_writer.py` and `postgres_writer.py` do it.
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


class RowsRefused(Exception):
    """The database does not take these rows: something is wrong with the data. Nothing was written."""


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


class Writer(Protocol):
    """Writes batches on a connection that nobody else uses. Not thread-safe."""

    def write(self, batch: Batch) -> None:
        """Writes a batch and returns when it is on disk.

        Raises TermLost, WriteRefused, RequestsKnown, RowsRefused; nothing was written then. Raises OutcomeUnknown if
        that is not certain: then nothing more may be written here.
        """

    def close(self) -> None:
        """Ends the connection."""
