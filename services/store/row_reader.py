"""Reads the rows that a flush touches, on either database, as one JSON array of rows."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import Connection

from services.store import postgres_dialect, sqlite_dialect
from services.store.away import explained
from services.store.statements import Read

_encode = msgspec.json.Encoder().encode


class RowReader:
    """Reads on one connection, which is not in a transaction: each read sees the last commit."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._on_postgres = connection.dialect.name == "postgresql"

    def rows(self, read: Read, keys: Collection[Any]) -> str:
        """The rows with these keys; a key of several columns is a tuple."""
        if not keys:
            return "[]"
        if self._on_postgres:
            statement = postgres_dialect.reading(read)
            columns = zip(*keys, strict=True) if len(read.key) > 1 else [keys]
            arguments: tuple[Any, ...] = tuple(map(list, columns))
        else:
            statement, arguments = sqlite_dialect.reading(read), (_encode(sorted(keys)).decode(),)
        with explained(self._connection):
            found: str = self._connection.exec_driver_sql(statement, arguments).scalar_one()
        return found
