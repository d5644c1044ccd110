"""How a transaction begins, on either database. Connections are in none until somebody begins one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine

Answer = TypeVar("Answer")


def begin_reading(connection: Connection) -> None:
    """Begins a transaction that sees one commit, whole, however many statements read it."""
    on_postgres = connection.dialect.name == "postgresql"
    connection.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY" if on_postgres else "BEGIN")


def begin_writing(connection: Connection) -> None:
    """Begins a transaction that will write."""
    connection.exec_driver_sql("BEGIN" if connection.dialect.name == "postgresql" else "BEGIN IMMEDIATE")


def begin_checking(connection: Connection) -> None:
    """Begins a transaction that sees one commit, may take long, and may make temporary tables. Nobody waits for it."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ")
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    else:
        connection.exec_driver_sql("PRAGMA temp_store = FILE")  # they may be as large as the log
        connection.exec_driver_sql("BEGIN")


async def in_thread(engine: Engine, change: Callable[[Connection], Answer]) -> Answer:
    """Runs a rare change, which makes its own transaction, on a connection of its own, beside the event loop."""

    def run() -> Answer:
        with engine.connect() as connection:
            return change(connection)

    return await asyncio.to_thread(run)
