"""A DNS server of a test's own, so that a name may stand for several addresses. No file of the machine is touched."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

HEADER_BYTES = 12
TYPE_A, CLASS_IN = 1, 1
ANSWER = 0x8580  # a response, authoritative, without an error
NAME_OF_THE_QUESTION = b"\xc0\x0c"
TTL_SECONDS = 1


class _Server(asyncio.DatagramProtocol):
    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        question = data[HEADER_BYTES : data.index(b"\0", HEADER_BYTES) + 5]
        asked = int.from_bytes(question[-4:-2], "big")
        found = self._addresses if asked == TYPE_A else ()
        records = [
            NAME_OF_THE_QUESTION + struct.pack("!HHIH", TYPE_A, CLASS_IN, TTL_SECONDS, 4) + socket.inet_aton(each)
            for each in found
        ]
        header = data[:2] + struct.pack("!HHHHH", ANSWER, 1, len(records), 0, 0)
        self._transport.sendto(header + question + b"".join(records), addr)


@asynccontextmanager
async def name_of(addresses: Sequence[str], port: int) -> AsyncIterator[str]:
    """An address for the SDK: a name with these A records, in this order, at one port."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Server(addresses), local_addr=("127.0.0.1", 0))
    try:
        yield f"dns://127.0.0.1:{transport.get_extra_info('sockname')[1]}/coordinators.test:{port}"
    finally:
        transport.close()
