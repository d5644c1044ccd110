"""A peer that speaks bare HTTP/2 frames, for what no honest gRPC client does: streams that are reset at once."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS = 0, 1, 3, 4
END_STREAM, END_HEADERS = 1, 4
CANCEL = 8
PIECE_BYTES = 1 << 16


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> bytes:
    """One frame."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def headers_of(path: str) -> bytes:
    """The head of a gRPC call, each field written out."""
    fields = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "localhost"}
    fields |= {"content-type": "application/grpc", "te": "trailers"}
    literal = [b"\x00" + bytes([len(name)]) + name.encode() + _value(value) for name, value in fields.items()]
    return b"".join(literal)


def _value(value: str) -> bytes:
    assert len(value) < 127, "longer ones are written in another way"
    return bytes([len(value)]) + value.encode()


def reset_call(stream: int, path: str, request: bytes) -> bytes:
    """A whole call, and its reset."""
    message = b"\x00" + struct.pack(">I", len(request)) + request
    return (
        frame(HEADERS, headers_of(path), flags=END_HEADERS, stream=stream)
        + frame(DATA, message, flags=END_STREAM, stream=stream)
        + frame(RST_STREAM, struct.pack(">I", CANCEL), stream=stream)
    )


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[asyncio.StreamWriter]:
    """A connection on which everything may be written; what comes back is read and thrown away."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(PREFACE + frame(SETTINGS))

    async def forget() -> None:
        while await reader.read(PIECE_BYTES):
            pass

    forgetting = asyncio.create_task(forget())
    try:
        yield writer
    finally:
        writer.transport.abort()
        forgetting.cancel()
        await asyncio.gather(forgetting, return_exceptions=True)
