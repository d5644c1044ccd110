"""gRPC ignores options that it does not know, so each is shown to work, by a peer that speaks bare HTTP/2 frames."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from services.transport.options import ServerOptions
from services.transport.server import create_server

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, PING, GOAWAY = 4, 6, 7
ACK = 1
CONCURRENT_STREAMS = 3
ENHANCE_YOUR_CALM = 11


def frame(kind: int, payload: bytes = b"", *, flags: int = 0) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + bytes(4) + payload


class Peer:
    """A bare HTTP/2 peer that never answers pings."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def next_frame(self, *kinds: int) -> tuple[int, int, bytes]:
        """(kind, flags, payload) of the next frame of one of these kinds."""
        while True:
            head = await self.reader.readexactly(9)
            payload = await self.reader.readexactly(int.from_bytes(head[:3], "big"))
            if head[3] in kinds:
                return head[3], head[4], payload


@asynccontextmanager
async def peer_of(options: ServerOptions) -> AsyncIterator[Peer]:
    server = create_server("coordinator", listen="127.0.0.1:0", registry=CollectorRegistry(), options=options)
    host, port = (await server.start()).rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        async with asyncio.timeout(10):
            yield Peer(reader, writer)
    finally:
        writer.close()
        await server.stop(grace_seconds=0)


async def ping_in_a_row(peer: Peer, count: int) -> tuple[int, int, bytes]:
    """Sends pings, each after the answer to the one before; returns the first frame that is no answer, or the last."""
    peer.writer.write(PREFACE + frame(SETTINGS))
    kind, flags, payload = PING, ACK, b""
    for number in range(count):
        peer.writer.write(frame(PING, number.to_bytes(8, "big")))
        kind, flags, payload = await peer.next_frame(PING, GOAWAY)
        if kind == GOAWAY:
            break
    return kind, flags, payload


async def test_pings_within_the_interval_are_answered_with_enhance_your_calm():
    async with peer_of(ServerOptions(ping_interval_min_ms=60_000)) as peer:
        kind, _, payload = await ping_in_a_row(peer, 10)
    assert kind == GOAWAY
    assert int.from_bytes(payload[4:8], "big") == ENHANCE_YOUR_CALM


async def test_the_interval_is_the_one_that_was_set():
    async with peer_of(ServerOptions(ping_interval_min_ms=0)) as peer:
        kind, flags, _ = await ping_in_a_row(peer, 10)
    assert (kind, flags) == (PING, ACK)


async def test_an_idle_connection_is_pinged_and_dropped_if_it_does_not_answer():
    async with peer_of(ServerOptions(keepalive_ms=100, keepalive_timeout_ms=100)) as peer:
        peer.writer.write(PREFACE + frame(SETTINGS))
        kind, flags, _ = await peer.next_frame(PING)
        assert (kind, flags) == (PING, 0)
        await peer.reader.read()  # Up to the end of the connection, which the server makes.
        assert peer.reader.at_eof()


async def test_a_connection_that_says_nothing_is_cut_off():
    async with peer_of(ServerOptions(handshake_timeout_ms=100)) as peer:
        await peer.reader.read()
        assert peer.reader.at_eof()


async def test_the_bound_of_streams_is_told_to_peers():
    async with peer_of(ServerOptions(concurrent_streams_max=17)) as peer:
        peer.writer.write(PREFACE + frame(SETTINGS))
        _, _, payload = await peer.next_frame(SETTINGS)
    settings = dict(struct.iter_unpack(">HI", payload))
    assert settings[CONCURRENT_STREAMS] == 17
