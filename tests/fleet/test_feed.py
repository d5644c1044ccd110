"""The follower takes server-sent events as the standard has them, over a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from services.domain.event import EventType
from services.fleet.feed import FeedFollower, FeedResetError

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
Serve = Callable[[str, asyncio.StreamWriter], Awaitable[None]]


def frame(sequence: int) -> bytes:
    event = {"type": "missioncontrol.agent.connected", "sequence": f"{sequence:020d}", "data": {"agent_id": "a"}}
    return f"id: epoch:{sequence}\nevent: agent.connected\ndata: {json.dumps(event)}\n\n".encode()


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


@asynccontextmanager
async def gateway(serve: Serve) -> AsyncIterator[str]:
    """A server that reads one request, lets the test answer, and hangs up."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        await serve(request, writer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def follow(url: str, *, until: int) -> FeedFollower:
    follower = FeedFollower(url)
    async with asyncio.TaskGroup() as group, asyncio.timeout(60):
        following = group.create_task(follower.run())
        await follower.wait_sequence(until)
        following.cancel()
    return follower


async def test_frames_are_put_together_however_they_are_cut() -> None:
    async def serve(_: str, writer: asyncio.StreamWriter) -> None:
        content = b": a comment\n\nretry: 2000\n\n" + frame(1) + frame(2)
        writer.write(HEAD + b"".join(chunk(content[index : index + 7]) for index in range(0, len(content), 7)))
        await writer.drain()

    async with gateway(serve) as url:
        follower = await follow(url, until=2)

    assert [(event.sequence, event.type) for event in follower.events] == [
        (1, EventType.AGENT_CONNECTED),
        (2, EventType.AGENT_CONNECTED),
    ]


async def test_after_a_cut_it_goes_on_after_the_last_whole_event() -> None:
    requests: list[str] = []

    async def serve(request: str, writer: asyncio.StreamWriter) -> None:
        requests.append(request)
        whole = frame(len(requests))
        writer.write(HEAD + chunk(whole + frame(len(requests) + 1)[:-10]))
        await writer.drain()

    async with gateway(serve) as url:
        follower = await follow(url, until=2)

    assert "Last-Event-ID" not in requests[0]
    assert "Last-Event-ID: epoch:1\r\n" in requests[1]
    assert follower.sequence == 2


async def test_of_a_chunk_that_is_cut_off_the_whole_events_count() -> None:
    requests: list[str] = []

    async def serve(request: str, writer: asyncio.StreamWriter) -> None:
        requests.append(request)
        events = frame(len(requests)) + frame(len(requests) + 1)
        writer.write((HEAD + chunk(events))[:-20])
        await writer.drain()

    async with gateway(serve) as url:
        follower = await follow(url, until=2)

    assert "Last-Event-ID: epoch:1\r\n" in requests[1]
    assert [event.sequence for event in follower.events] == [1, 2]


async def test_a_reset_is_a_fault() -> None:
    async def serve(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + chunk(b'event: reset\ndata: {"reason": "trimmed"}\n\n'))
        await writer.drain()

    async with gateway(serve) as url:
        with pytest.raises(FeedResetError, match="trimmed"):
            await asyncio.wait_for(FeedFollower(url).run(), 60)
