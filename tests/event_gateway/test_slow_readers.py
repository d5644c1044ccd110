"""L5: a slow reader slows nobody and uses bounded memory. And others who would hold the gateway's resources."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from uvicorn.server import ServerState

from services.event_gateway import limits
from tests.certificates import Authority
from tests.event_gateway.conftest import Fleet, ScriptedFeed, fleet
from tests.event_gateway.http_client import PATIENCE_SECONDS, HttpReader, connect, open_reader

RECEIVE_BYTES = 4096


def unsent_bytes(running: Fleet) -> int:
    """The most that any connection holds."""
    connections = server_state(running).connections
    return max((connection.transport.get_write_buffer_size() for connection in connections), default=0)


def server_state(running: Fleet) -> ServerState:
    """The connections that there are, and the requests that are being answered."""
    return running.gateway._http._server.server_state


async def test_a_reader_that_never_reads_is_dropped_while_others_see_everything(feed: ScriptedFeed):
    async with fleet(feed, event_gateway_ring_events=512, event_gateway_write_timeout_seconds=5) as running:
        stuck = await open_reader(running.address, "/v1/events?after=head", receive_buffer_bytes=RECEIVE_BYTES)
        healthy = [await running.read("/v1/events?after=head") for _ in range(3)]
        seen: list[list[int]] = [[] for _ in healthy]
        reading = [asyncio.ensure_future(read_on(*each)) for each in zip(healthy, seen, strict=True)]
        unsent = 0

        def all_read() -> bool:
            nonlocal unsent
            unsent = max(unsent, unsent_bytes(running))
            return all(len(each) >= feed.head for each in seen)

        for _ in range(120):
            feed.append(100, message="x" * 500)
            await running.until(all_read)
        assert seen == [list(range(1, 12_001))] * 3
        await running.until(lambda: running.metric("readers_dropped_total") == 1)
        await running.until(lambda: running.metric("readers") == 3)
        dropped = "missioncontrol_event_gateway_readers_dropped_total"
        assert running.registry.get_sample_value(dropped, {"reason": "write_timeout"}) == 1
        assert 0 < unsent <= 2 * (limits.CHUNK_BYTES_MAX + limits.WRITE_BUFFER_BYTES_MAX)
        await stuck.close()
        for each in reading:
            each.cancel()
        await asyncio.gather(*reading, return_exceptions=True)


async def read_on(reader: HttpReader, seen: list[int]) -> None:
    """Notes what comes, at once."""
    async for frame in reader.frames():
        if frame.is_event:
            seen.append(frame.sequence)


async def test_a_reader_that_falls_off_the_ring_is_ended_cleanly_and_goes_on_by_its_last_id(feed: ScriptedFeed):
    async with fleet(feed, event_gateway_ring_events=64, event_gateway_write_timeout_seconds=600) as running:
        slow = await open_reader(running.address, "/v1/events?after=head", receive_buffer_bytes=RECEIVE_BYTES)
        for _ in range(100):
            feed.append(50, message="x" * 2000)
            await running.seen(feed.head)
        seen = [frame.sequence async for frame in slow.frames() if frame.is_event]
        assert seen == list(range(1, len(seen) + 1))
        assert len(seen) < 5000
        assert running.metric("readers_dropped_total") == 1
        again = await running.read("/v1/events", Last_Event_ID=f"e1:{seen[-1]}")
        seen += [frame.sequence for frame in await again.take(5000 - len(seen))]
        assert seen == list(range(1, 5001))
        await slow.close()


async def raw_connection(running: Fleet, data: bytes, *, receive_buffer_bytes: int | None = None) -> HttpReader:
    connection = await connect(running.address, receive_buffer_bytes=receive_buffer_bytes)
    connection.writer.write(data)
    return connection


async def rest_of(connection: HttpReader) -> bytes:
    rest = b""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(PATIENCE_SECONDS):
            rest = await connection.reader.read()
    await connection.close()
    return rest


async def test_a_page_reaches_whoever_reads_it_slowly(feed: ScriptedFeed):
    """It takes several of the times in which nothing at all may be read."""
    async with fleet(feed, event_gateway_write_timeout_seconds=1) as running:
        feed.append(1000, message="x" * 8000)
        await running.seen(1000)
        slow = await open_reader(running.address, "/v1/events?format=json&limit=1000", receive_buffer_bytes=65_536)
        size, got = int(slow.headers["content-length"]), 0
        while got < size:
            piece = await slow.reader.read(32_768)
            assert piece, f"cut off after {got} of {size} bytes"
            got += len(piece)
            await asyncio.sleep(0.02)
        await slow.close()


async def test_a_request_that_never_ends_is_cut_off(feed: ScriptedFeed):
    async with fleet(feed, event_gateway_request_timeout_seconds=0.2) as running:
        for beginning in (
            b"",
            b"GET /v1/events HTTP/1.1\r\nHost: x\r\n",
            b"POST /v1/events HTTP/1.1\r\nContent-Length: 9\r\n\r\nx",
        ):
            connection = await raw_connection(running, beginning)
            assert b"200" not in await rest_of(connection)


async def test_a_handshake_that_never_comes_is_cut_off(feed: ScriptedFeed, tmp_path: Path):
    files = Authority(tmp_path).server("127.0.0.1")
    tls = {"tls_certificate_file": files.certificate, "tls_key_file": files.key}
    async with fleet(feed, event_gateway_request_timeout_seconds=0.2, **tls) as running:
        silent = await raw_connection(running, b"")
        async with asyncio.timeout(PATIENCE_SECONDS / 2):  # the loop's own limit is a minute
            with contextlib.suppress(ConnectionError):
                assert await silent.reader.read() == b""
        await silent.close()


async def test_a_second_request_that_never_ends_is_cut_off_too(feed: ScriptedFeed):
    async with fleet(feed, event_gateway_request_timeout_seconds=0.5) as running:
        connection = await raw_connection(running, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        await connection.read_head()
        assert await connection.body() == b"ok\n"
        connection.writer.write(b"GET /heal")
        assert await rest_of(connection) == b""


async def test_a_stream_outlives_the_time_for_its_request(feed: ScriptedFeed):
    async with fleet(feed, event_gateway_request_timeout_seconds=0.5) as running:
        stream = await running.read()
        silent = await raw_connection(running, b"")
        assert await rest_of(silent) == b""  # Its time is over now, and so would be the stream's.
        feed.append(1)
        assert len(await stream.take(1)) == 1


async def test_a_head_without_end_is_refused(running: Fleet):
    connection = await raw_connection(running, b"GET / HTTP/1.1\r\n" + b"X-Filler: y\r\n" * 4000)
    assert (await rest_of(connection)).startswith(b"HTTP/1.1 431 ")


async def test_the_head_of_a_next_request_is_bounded_while_an_answer_goes_out(feed: ScriptedFeed):
    async with fleet(feed, event_gateway_request_timeout_seconds=600) as running:
        stream = await raw_connection(running, b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        await stream.read_head()

        stream.writer.write(b"GET / HTTP/1.1\r\n" + b"X-Filler: y\r\n" * 4000)

        await rest_of(stream)
        await running.until(lambda: running.metric("readers") == 0)


async def test_a_stream_behind_an_answer_that_nobody_reads_is_cut_off(feed: ScriptedFeed):
    page = b"GET /v1/events?format=json&limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n"
    stream = b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n"
    async with fleet(feed, event_gateway_write_timeout_seconds=0.5) as running:
        feed.append(1000, message="x" * 8000)
        await running.seen(1000)

        stuck = await raw_connection(running, page + stream, receive_buffer_bytes=RECEIVE_BYTES)

        # There is no such number until the first stream has begun.
        readers = "missioncontrol_event_gateway_readers"
        await running.until(lambda: running.registry.get_sample_value(readers, {"format": "sse"}) == 0)
        await running.until(lambda: not server_state(running).connections)
        await stuck.close()


async def test_nothing_more_is_read_for_whoever_is_gone_before_the_first_event(feed: ScriptedFeed):
    feed.append(1000)
    feed.scan_max = 1
    async with fleet(feed) as running:
        feed.listing.clear()
        request = b"GET /v1/events?follow=false&queue=rare HTTP/1.1\r\nHost: x\r\n\r\n"
        gone = await raw_connection(running, request)
        await running.until(lambda: feed.list_calls == 1)
        await gone.close()
        await running.until(lambda: not server_state(running).connections)

        feed.listing.set()

        await running.until(lambda: not server_state(running).tasks)
        assert feed.list_calls < 10


async def test_garbage_is_a_400(running: Fleet):
    assert (await rest_of(await raw_connection(running, b"\x16\x03\x01\x02\x00\x01"))).startswith(b"HTTP/1.1 400 ")


async def test_connections_are_bounded(feed: ScriptedFeed):
    async with fleet(feed, event_gateway_readers_max=1) as running:
        idle = [await raw_connection(running, b"") for _ in range(limits.CONNECTIONS_RESERVED + 1)]
        await running.until(lambda: len(server_state(running).connections) > limits.CONNECTIONS_RESERVED)
        assert await rest_of(await raw_connection(running, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")) == b""
        for connection in idle:
            await connection.close()
