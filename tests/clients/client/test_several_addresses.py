"""One client and several addresses, some of which are silent or gone: in a list, by names, and by one name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import grpc.aio
import pytest
from missioncontrol import limits
from missioncontrol.channel import open_channel
from missioncontrol.client import Client
from missioncontrol.v1 import task_pb2, task_service_pb2, task_service_pb2_grpc

from tests.clients.client.names import name_of
from tests.clients.client.peer import Peer, reply, serve

CALL_SECONDS = 60.0
# One that is swallowed need not take half of that.
TRY_SECONDS = 2.0
HOSTS = ("127.0.0.1", "127.0.0.2")
FORMS = ("addresses", "names", "one name")


async def never(request: Any, context: Any) -> Any:
    await asyncio.get_running_loop().create_future()


def told(task_id: str) -> Any:
    return reply(task_service_pb2.GetTaskResponse(task=task_pb2.Task(id=task_id)))


class Pair:
    """Two coordinators on one port of two loopback addresses, and every way to name both."""

    def __init__(self, peers: list[Peer], servers: list[grpc.aio.Server], port: int, name: str) -> None:
        self.peers = peers
        self.servers = servers
        self.addresses = {
            "addresses": ",".join(f"{host}:{port}" for host in HOSTS),
            "names": ",".join(f"dns:///{host}:{port}" for host in HOSTS),
            "one name": name,
        }


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        peers = [Peer(), Peer()]
        first, address = await serve(peers[0], f"{HOSTS[0]}:0")
        stack.push_async_callback(first.stop, 0)
        port = int(address.rpartition(":")[2])
        second, _ = await serve(peers[1], f"{HOSTS[1]}:{port}")
        stack.push_async_callback(second.stop, 0)
        yield Pair(peers, [first, second], port, await stack.enter_async_context(name_of(HOSTS, port)))


@pytest.mark.parametrize("form", FORMS)
async def test_a_call_that_one_swallows_is_answered_by_the_other_within_its_deadline(
    pair: Pair, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TRY_SECONDS_MAX", TRY_SECONDS)
    pair.peers[0].answers("GetTask", never)
    pair.peers[1].answers("GetTask", told("t-1"))

    async with Client(pair.addresses[form], call_seconds=CALL_SECONDS) as client:
        answers = [await client.tasks.get("t-1")]
        while not pair.peers[0].asked:  # that one may be the later one to be connected
            answers.append(await client.tasks.get("t-1"))

    assert {answer.task.id for answer in answers} == {"t-1"}


@pytest.mark.parametrize("form", FORMS)
async def test_when_one_is_gone_calls_go_to_the_other(pair: Pair, form: str) -> None:
    for peer in pair.peers:
        peer.answers("GetTask", told("t-1"))

    async with Client(pair.addresses[form], call_seconds=CALL_SECONDS) as client:
        await client.tasks.get("t-1")
        await pair.servers[0].stop(0)
        answers = [await client.tasks.get("t-1") for _ in range(6)]

    assert {answer.task.id for answer in answers} == {"t-1"}


async def test_agents_that_are_given_one_name_spread_over_all_that_it_stands_for(pair: Pair) -> None:
    """The stream's channel, opened anew as each agent opens its own; of 32 all take one side once in two billion."""
    for number, peer in enumerate(pair.peers):
        peer.answers("GetTask", told(f"at-{number}"))
    seen = set()
    for _ in range(32):
        async with open_channel(pair.addresses["one name"], round_robin=False) as channel:
            tasks = task_service_pb2_grpc.TaskServiceStub(channel)
            seen.add((await tasks.GetTask(task_service_pb2.GetTaskRequest(), timeout=CALL_SECONDS)).task.id)

    assert seen == {"at-0", "at-1"}
