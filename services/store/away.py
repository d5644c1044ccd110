"""A database that is away, or has no time for us: no mistake of ours, and for callers a reason to try again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection
from sqlalchemy.exc import InterfaceError, OperationalError

from services.domain.errors import Unavailable


@contextmanager
def explained(connection: Connection | None = None) -> Iterator[None]:
    """Turns what the database says when it is away into Unavailable.

    A `connection` that is kept for longer connects again with its next statement.
    """
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        if connection is not None and connection.invalidated:
            connection.rollback()
        reason = str(error.orig).strip().splitlines()
        raise Unavailable(f"the database cannot be read now: {reason[0] if reason else error}") from error
