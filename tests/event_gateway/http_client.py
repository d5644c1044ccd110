"""HTTP from the other side, on bare sockets, so that a test can cut a stream in the middle of a frame."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

LINE_BYTES_MAX = 1 << 22
# What comes at all comes well within it, also on a machine that is busy with other tests.
PATIENCE_SECONDS = 60.0


@dataclass
class Frame:
    """One SSE frame: its fields, and its comments."""

    fields: dict[str, str] = field(default_factory=dict)
    comments: list[str] = field(default_factory=list)

    @property
    def content(self) -> Any:
        return json.loads(self.fields["data"])

    @property
    def is_event(self) -> bool:
        """Not only a place to come back to."""
        return {"id", "data"} <= self.fields.keys()

    @property
    def sequence(self) -> int:
        return int(self.fields["id"].rsplit(":", 1)[1])


class HttpReader:
    """One response."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.status = 0
        self.headers: dict[str, str] = {}
        self._rest = b""

    async def read_head(self) -> None:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        self.status = int(first.split(" ")[1])
        self.headers = dict(line.lower().split(": ", 1) for line in lines if line)

    async def body(self) -> bytes:
        if "content-length" in self.headers:
            return await self.reader.readexactly(int(self.headers["content-length"]))
        return b"".join([piece async for piece in self._pieces()])

    async def json(self) -> Any:
        return json.loads(await self.body())

    async def lines(self) -> AsyncIterator[bytes]:
        """Whole lines. Ends only with a clean end of the response, else with IncompleteReadError."""
        async for piece in self._pieces():
            *lines, self._rest = (self._rest + piece).split(b"\n")
            for line in lines:
                yield line

    async def frames(self) -> AsyncIterator[Frame]:
        frame = Frame()
        async for line in self.lines():
            text = line.decode()
            if not text:
                yield frame
                frame = Frame()
            elif text.startswith(":"):
                frame.comments.append(text[1:].strip())
            else:
                name, _, value = text.partition(": ")
                frame.fields[name] = value

    async def take(self, count: int) -> list[Frame]:
        """The next events."""
        return await asyncio.wait_for(self._take(count), PATIENCE_SECONDS)

    async def _take(self, count: int) -> list[Frame]:
        found: list[Frame] = []
        async for frame in self.frames():
            if frame.is_event:
                found.append(frame)
            if len(found) == count:
                break
        return found

    async def _pieces(self) -> AsyncIterator[bytes]:
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            yield (await self.reader.readexactly(size + 2))[:-2]

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


async def connect(address: str, *, receive_buffer_bytes: int | None = None) -> HttpReader:
    """A connection on which nothing was sent yet."""
    host, port = address.rsplit(":", 1)
    connection = socket.socket()
    if receive_buffer_bytes is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, (host, int(port)))
    limit = receive_buffer_bytes or LINE_BYTES_MAX
    return HttpReader(*await asyncio.open_connection(sock=connection, limit=limit))


async def open_reader(
    address: str,
    path: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    receive_buffer_bytes: int | None = None,
) -> HttpReader:
    """Sends a request and reads the head of the response."""
    opened = await connect(address, receive_buffer_bytes=receive_buffer_bytes)
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {address}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    opened.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    async with asyncio.timeout(PATIENCE_SECONDS):
        await opened.read_head()
    return opened
