from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from missioncontrol.agent import Agent

from tests.clients.agent.peer import Peer


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    peer.start()
    yield peer
    peer.stop()


@pytest.fixture
def agent(peer: Peer) -> Agent:
    return Agent("a", address=peer.address, slots=4, drain_time_limit=60.0)


@pytest.fixture
async def start(agent: Agent, peer: Peer) -> AsyncIterator[Callable[[], Any]]:
    """Starts the agent and waits until it is connected; leaves at once when the test is over."""
    running: list[asyncio.Task[None]] = []

    async def start() -> asyncio.Task[None]:
        running.append(asyncio.create_task(agent.run()))
        await peer.until(lambda: peer.streams)
        return running[0]

    yield start
    agent.drain(0.0)
    await asyncio.gather(*running, return_exceptions=True)
