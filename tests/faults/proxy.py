"""A proxy that a test can tell to swallow what comes back, or to cut connections: all, or each after so much.

It listens on TCP; what it forwards to is "host:port", or the path of a Unix socket.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Self

PIECE_BYTES = 1 << 16


class Proxy:
    """Listens on a free port, or where it is told, and forwards to one target."""

    def __init__(self, target: str, *, listen: str = "127.0.0.1:0") -> None:
        self._target = target
        self._listen = listen
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.swallow_replies = False
        # Asked for each connection: how many bytes come back through it before it is cut, never at the end of a line.
        self.allowance: Callable[[], int] | None = None
        # How often that has happened.
        self.cuts = 0

    async def __aenter__(self) -> Self:
        host, _, port = self._listen.rpartition(":")
        self._server = await asyncio.start_server(self._serve, host, int(port))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.cut()
        for task in self._tasks:  # some may be dialling still
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def address(self) -> str:
        """Where to dial."""
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"{host}:{port}"

    def cut(self) -> None:
        """Ends every connection that there is now; new ones are taken."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def cut_after_silence(self, chance: random.Random, *, after_seconds: tuple[float, float]) -> None:
        """After a while what comes back is swallowed for a moment, so that acks are lost; then everything is cut."""
        await asyncio.sleep(chance.uniform(*after_seconds))
        self.swallow_replies = True
        await asyncio.sleep(chance.uniform(0.0, 0.2))
        self.cut()
        self.swallow_replies = False

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._target.startswith("/"):
            return await asyncio.open_unix_connection(self._target)
        host, _, port = self._target.rpartition(":")
        return await asyncio.open_connection(host, int(port))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            far_reader, far_writer = await self._dial()
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        await asyncio.gather(self._forward(reader, far_writer), self._return(far_reader, writer))
        self._writers -= {writer, far_writer}

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(PIECE_BYTES):
                writer.write(piece)
                await writer.drain()
        except OSError:
            pass
        writer.transport.abort()

    async def _return(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        allowed = self.allowance() if self.allowance else sys.maxsize
        try:
            while piece := await reader.read(min(allowed, PIECE_BYTES)):
                allowed -= len(piece)
                if not self.swallow_replies:
                    writer.write(piece if allowed else piece.rstrip(b"\r\n"))
                    await writer.drain()
                if not allowed:
                    self.cuts += 1
                    writer.close()  # what was let through arrives
                    return
        except OSError:
            pass
        writer.transport.abort()
