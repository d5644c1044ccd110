"""Follows the event gateway's server-sent events from the outside, as any HTTP client would, and keeps what it saw.

Plain sockets and nothing of ours on the wire side, so that what is judged is what a stranger's client gets. It
reconnects after the last id that it received, and never repairs what it was sent: whether ids are dense is for `audit`
to say.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

from services.domain.event import EventType
from services.domain.task import TaskState
from services.fleet.audit import SeenEvent

RECONNECT_SECONDS = 0.2
# One SSE line; the gateway's longest is an event with a failure message of 8 KiB.
LINE_BYTES_MAX = 1 << 20
_TYPE_PREFIX = "missioncontrol."


class FeedResetError(Exception):
    """The gateway said that the position cannot be continued. In a run on one database that is a fault."""


class FeedFollower:
    """Follows `/v1/events` of one gateway while `run` runs."""

    def __init__(
        self,
        url: str,
        *,
        on_event: Callable[[SeenEvent], None] | None = None,
        reconnect_seconds: float = RECONNECT_SECONDS,
    ) -> None:
        self._url = urlsplit(url)
        self._reconnect_seconds = reconnect_seconds
        self._on_event = on_event
        self._arrived = asyncio.Condition()
        self.events: list[SeenEvent] = []
        self.last_id = ""
        self.connections = 0

    @property
    def sequence(self) -> int:
        """The last sequence that arrived; 0 before the first."""
        return self.events[-1].sequence if self.events else 0

    async def run(self) -> None:
        """Follows, and connects again whenever the stream ends, until it is cancelled. Raises FeedResetError."""
        while True:
            with contextlib.suppress(OSError, EOFError):
                await self._follow_once()
            await asyncio.sleep(self._reconnect_seconds)

    async def wait_sequence(self, sequence: int) -> None:
        """Returns once that sequence has arrived. The caller sets the time limit."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: self.sequence >= sequence)

    async def _follow_once(self) -> None:
        reader, writer = await asyncio.open_connection(self._url.hostname, self._url.port, limit=LINE_BYTES_MAX)
        try:
            writer.write(self._request())
            await writer.drain()
            lines = _lines(await _body(reader))
            self.connections += 1
            async for fields in _frames(lines):
                await self._take(fields)
        finally:
            writer.close()

    def _request(self) -> bytes:
        headers = [
            "GET /v1/events HTTP/1.1",
            f"Host: {self._url.netloc}",
            "Accept: text/event-stream",
            "Connection: close",
        ]
        if self.last_id:
            headers.append(f"Last-Event-ID: {self.last_id}")
        return ("\r\n".join(headers) + "\r\n\r\n").encode()

    async def _take(self, fields: dict[str, str]) -> None:
        if fields.get("event") == "reset":
            raise FeedResetError(f"reset after {self.last_id!r}: {fields.get('data')}")
        if "id" not in fields:
            return
        self.last_id = fields["id"]
        event = parse_event(json.loads(fields["data"]))
        self.events.append(event)
        if self._on_event is not None:
            self._on_event(event)
        async with self._arrived:
            self._arrived.notify_all()


def parse_event(cloud_event: dict[str, Any]) -> SeenEvent:
    """What the checkers need of one CloudEvent of the gateway."""
    data = cloud_event["data"]
    return SeenEvent(
        sequence=int(cloud_event["sequence"]),
        type=EventType[cloud_event["type"].removeprefix(_TYPE_PREFIX).replace(".", "_").upper()],
        task_id=data.get("task_id", ""),
        agent_id=data.get("agent_id", ""),
        token=int(data.get("token", 0)),
        from_state=_state(data.get("from_state")),
        to_state=_state(data.get("to_state")),
        version=int(data.get("version", 0)),
    )


def _state(name: str | None) -> TaskState | None:
    return TaskState[name.removeprefix("TASK_STATE_").upper()] if name else None


async def _body(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The pieces of the response's body. Raises ConnectionError unless the status is 200."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status = head.split(" ", 2)[1]
    if status != "200":
        raise ConnectionError(f"the gateway answered {status}")
    return _chunks(reader) if "transfer-encoding: chunked" in head else _rest(reader)


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """What arrived of a chunk is passed on at once: of one that is cut off, the whole frames count."""
    while left := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        while left:
            if not (piece := await reader.read(left)):
                raise EOFError
            left -= len(piece)
            yield piece
        await reader.readexactly(len(b"\r\n"))


async def _rest(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while piece := await reader.read(1 << 16):
        yield piece


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """Whole lines; what comes after the last line end is dropped, as the standard has it."""
    rest = b""
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r").decode()


async def _frames(lines: AsyncIterator[str]) -> AsyncIterator[dict[str, str]]:
    """The fields of each frame; comments are left out, and so is a frame that was cut off."""
    fields: dict[str, str] = {}
    async for line in lines:
        if not line:
            if fields:
                yield fields
            fields = {}
        elif not line.startswith(":"):
            key, _, value = line.partition(":")
            value = value.removeprefix(" ")
            fields[key] = f"{fields[key]}\n{value}" if key in fields else value
