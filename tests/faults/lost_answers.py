"""A proxy in front of PostgreSQL that cuts connections at a COMMIT: before the server has it, or after, unanswered."""

from __future__ import annotations

import asyncio
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from services.fleet.postgres import PostgresServer

# The statement is sent in words once or twice, and then by the name that it was prepared under.
COMMIT = b"COMMIT"
PREPARED = re.compile(rb"P....(\w+)\x00COMMIT\x00", re.DOTALL)
PIECE_BYTES = 1 << 16
# The server has committed well within this time of its COMMIT; its answer is never forwarded.
COMMITTED_SECONDS = 0.2


@dataclass
class Loss:
    """What happens to the next COMMIT: it is not forwarded, or its answer is not."""

    reaches_server: bool


class CommitProxy:
    """Listens on a free port. `next_loss` is done to the next COMMIT, once; `losses` counts."""

    def __init__(self, server: PostgresServer) -> None:
        self._socket = next(server.sockets.glob(".s.PGSQL.*[0-9]"))
        self._tasks: set[asyncio.Task[None]] = set()
        self.next_loss: Loss | None = None
        self.losses = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def port(self) -> int:
        """Where to dial, on 127.0.0.1."""
        listening: socket.socket = self._server.sockets[0]
        return int(listening.getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            far_reader, far_writer = await asyncio.open_unix_connection(str(Path(self._socket)))
        except OSError:
            writer.transport.abort()
            return
        back = asyncio.create_task(self._copy(far_reader, writer))
        try:
            await self._forward(reader, far_writer, back)
        except OSError:
            pass
        finally:
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)
            far_writer.transport.abort()
            writer.transport.abort()

    async def _forward(
        self, reader: asyncio.StreamReader, far_writer: asyncio.StreamWriter, back: asyncio.Task[None]
    ) -> None:
        mark = COMMIT
        while piece := await reader.read(PIECE_BYTES):
            loss = self.next_loss if COMMIT in piece or mark in piece else None
            if (prepared := PREPARED.search(piece)) is not None:
                mark = b"\x00" + prepared[1] + b"\x00"
            if loss is None:
                far_writer.write(piece)
                await far_writer.drain()
                continue
            self.next_loss = None
            self.losses += 1
            if loss.reaches_server:
                back.cancel()
                far_writer.write(piece)
                await far_writer.drain()
                await asyncio.sleep(COMMITTED_SECONDS)
            return

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(PIECE_BYTES):
                writer.write(piece)
                await writer.drain()
        except OSError:
            pass
        writer.transport.abort()
