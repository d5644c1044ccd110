"""Readers: a small pool of threads with a connection each.

A read sees one commit, whole, and never waits for the writer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, Engine

from services.store.away import explained
from services.store.limits import READERS_MAX
from services.store.transactions import begin_reading

Answer = TypeVar("Answer")


class Readers:
    """See the module."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(READERS_MAX, thread_name_prefix="reader")

    async def run(self, function: Callable[[Connection], Answer]) -> Answer:
        """Runs a function of a connection in one read transaction, in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, function)

    def close(self) -> None:
        """Waits for the reads that run, and ends the threads."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _read(self, function: Callable[[Connection], Answer]) -> Answer:
        with explained(), self._engine.connect() as connection:
            begin_reading(connection)
            try:
                return function(connection)
            finally:
                if not connection.invalidated:
                    connection.exec_driver_sql("ROLLBACK")
