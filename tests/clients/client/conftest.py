"""A scripted coordinator and a client of it, for the tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import grpc.aio
import pytest
from missioncontrol.client import Client

from tests.clients.client.peer import Peer, serve


@dataclass
class Conversation:
    """Both ends."""

    peer: Peer
    client: Client
    address: str
    server: grpc.aio.Server


@pytest.fixture
async def conversation() -> AsyncIterator[Conversation]:
    peer = Peer()
    server, address = await serve(peer)
    async with Client(address, namespace="team", call_seconds=60) as client:
        yield Conversation(peer=peer, client=client, address=address, server=server)
    await server.stop(0)
