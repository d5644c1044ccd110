"""L5: peers that mean no good, or do not know what they do: each is answered, or cut off, and the others are served."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import uuid
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from missioncontrol.agent_limits import BATCH_ITEMS_MAX
from missioncontrol.v1 import (
    agent_pb2,
    agent_service_pb2,
    agent_service_pb2_grpc,
    event_service_pb2,
    queue_service_pb2,
    routing_service_pb2,
    schedule_service_pb2,
    scheduler_service_pb2,
    task_pb2,
    task_service_pb2,
    task_service_pb2_grpc,
)

from services.fleet.audit import SeenEvent
from services.fleet.feed import FeedFollower
from services.fleet.launcher import COORDINATOR, GATEWAY, SCHEDULER, Fleet
from services.transport.interceptors import ITEMWISE
from tests.conftest import StartFleet, work_agent
from tests.e2e.waiting import eventually
from tests.faults.http2 import connected, reset_call
from tests.faults.storm import Ledger, make_requests, rest, submit

pytestmark = pytest.mark.timeout(300)
FILES = (agent_service_pb2, event_service_pb2, queue_service_pb2, routing_service_pb2, schedule_service_pb2)
FILES = (*FILES, scheduler_service_pb2, task_service_pb2)
OVERSIZED_BYTES, OVERSIZED_VARINT = 5 << 20, b"\x80\x80\xc0\x02"
NESTED = 300
RANDOM_BODIES, RANDOM_BYTES_MAX = 20, 60
CALL_SECONDS = 60.0
# What is said to whoever sends nonsense. Nothing may look like a mistake of ours, or like a server that is gone.
CLEAR = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
RESETS, RESETS_AT_ONCE = 20_000, 100
MEMORY_GROWTH_MAX = 150 << 20
# An agent whose network takes in next to nothing that its program does not read.
DEAF = [("grpc.http2.lookahead_bytes", 1024), ("grpc.http2.bdp_probe", 0)]
BATCHES_PER_HEARTBEAT = 20
# Less than the time to live of leases: an agent that only falls silent is there for longer.
LET_GO_SECONDS, TTL_SECONDS = 60.0, 90.0
SLOW_CONNECTIONS, SLOW_SECONDS, DRIBBLE_SECONDS = 100, 1.0, 0.1
HERD, CUTS = 100, 3


def methods() -> list[tuple[str, MethodDescriptor]]:
    """Every method of the contract, with the path under which it is called."""
    services = [service for file in FILES for service in file.DESCRIPTOR.services_by_name.values()]
    return [(f"/{service.full_name}/{method.name}", method) for service in services for method in service.methods]


def string_field(message: Descriptor, content: bytes, seen: frozenset[str] = frozenset()) -> bytes:
    """A message in whose nearest string is this content."""
    if message.full_name in seen:
        return b""
    for field in message.fields:
        if field.type == field.TYPE_STRING and not field.message_type:
            return tagged(field.number, content)
    for field in message.fields:
        if field.message_type and (inner := string_field(field.message_type, content, seen | {message.full_name})):
            return tagged(field.number, inner)
    return b""


def tagged(number: int, content: bytes) -> bytes:
    """A field of bytes on the wire; both numbers are small."""
    assert number < 16
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


def bodies(message: Descriptor, chance: random.Random) -> Iterator[tuple[str, bytes, set[grpc.StatusCode]]]:
    """What is sent for a request, its name, and what may be said to it."""
    invalid = {grpc.StatusCode.INVALID_ARGUMENT}
    yield "truncated", b"\x0a\x64x", invalid
    yield "nested too deeply", b"\x7b" * NESTED + b"\x7c" * NESTED, invalid
    if bad := string_field(message, b"a\xff\xfe"):
        yield "bad UTF-8", bad, invalid
        yield "a NUL byte", string_field(message, b"a\x00b"), invalid
    yield "oversized", b"\x7a" + OVERSIZED_VARINT + bytes(OVERSIZED_BYTES), {grpc.StatusCode.RESOURCE_EXHAUSTED}
    for _ in range(RANDOM_BODIES):
        yield "random", chance.randbytes(chance.randint(0, RANDOM_BYTES_MAX)), CLEAR


async def status_of(channel: grpc.aio.Channel, path: str, method: MethodDescriptor, body: bytes) -> grpc.StatusCode:
    """How a call with these very bytes ends, or begins: a stream that answers is not waited for."""
    try:
        if method.client_streaming:
            stream: Any = channel.stream_stream(path)(iter([body]), timeout=CALL_SECONDS)
            await stream.read()
            stream.cancel()
        elif method.server_streaming:
            stream = channel.unary_stream(path)(body, timeout=CALL_SECONDS)
            await stream.read()
            stream.cancel()
        else:
            call: Any = channel.unary_unary(path)(body, timeout=CALL_SECONDS)
            await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def memory_bytes(pid: int) -> int:
    """What a process has in memory."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) * 1024


@contextlib.contextmanager
def unharmed(fleet: Fleet, name: str) -> Iterator[None]:
    """Inside, the process neither ends, nor grows without bound, nor says that it has made a mistake."""
    process = fleet.services[name]
    before = memory_bytes(process.pid)
    yield
    process.assert_running()
    assert process.starts == 1
    assert memory_bytes(process.pid) - before < MEMORY_GROWTH_MAX
    assert "rpc failed" not in process.log_file.read_text(errors="replace")


async def test_whatever_bytes_are_sent_to_any_method_the_answer_is_clear(
    database_url: str, start_fleet: StartFleet
) -> None:
    fleet, chance = await start_fleet(agents=(work_agent("agent-1"),), database_url=database_url), random.Random(1)
    wrong = []
    for name, own in ((COORDINATOR, False), (SCHEDULER, True)):
        with unharmed(fleet, name):
            async with grpc.aio.insecure_channel(fleet.listening[name].address) as channel:
                for path, method in methods():
                    if path.startswith("/missioncontrol.v1.SchedulerService/") is not own:
                        continue
                    for what, body, right in bodies(method.input_type, chance):
                        code = await status_of(channel, path, method, body)
                        # The items of a batch are refused one by one, in an answer that is OK.
                        itemwise = path in ITEMWISE and what == "a NUL byte" and code is grpc.StatusCode.OK
                        wrong += [] if code in right or itemwise else [f"{path}: {what} {body[:60]!r}: {code}"]
    assert wrong == []
    await still_serves(fleet)


async def still_serves(fleet: Fleet) -> None:
    """A task goes all the way."""
    follower, ledger = FeedFollower(fleet.gateway_url), Ledger()
    following = asyncio.create_task(follower.run())
    await submit(fleet.address, ledger, make_requests(5, seed=1), over_seconds=0)
    async with grpc.aio.insecure_channel(fleet.address) as channel:
        stub = task_service_pb2_grpc.TaskServiceStub(channel)
        for entry in ledger.acknowledged:
            last = None
            async for answer in stub.WatchTask(task_service_pb2.WatchTaskRequest(task_id=entry.task_id)):
                last = answer.task
            assert last is not None
            assert last.state == task_pb2.TASK_STATE_SUCCEEDED
    following.cancel()


async def test_calls_that_are_reset_as_soon_as_they_are_made_keep_nobody_from_being_served(
    start_fleet: StartFleet,
) -> None:
    fleet = await start_fleet(agents=(work_agent("agent-1"),))
    path = "/missioncontrol.v1.TaskService/ListTasks"
    request = task_service_pb2.ListTasksRequest().SerializeToString()
    sent = 0
    with unharmed(fleet, COORDINATOR):
        async with connected(fleet.address) as writer, grpc.aio.insecure_channel(fleet.address) as channel:
            stub = task_service_pb2_grpc.TaskServiceStub(channel)
            with contextlib.suppress(ConnectionError):  # it may be cut off for that
                for first in range(0, RESETS, RESETS_AT_ONCE):
                    numbers = range(first, first + RESETS_AT_ONCE)
                    writer.write(b"".join(reset_call(2 * number + 1, path, request) for number in numbers))
                    await writer.drain()
                    sent += RESETS_AT_ONCE
                    if not first % (RESETS // 20):
                        await stub.ListTasks(task_service_pb2.ListTasksRequest(), timeout=CALL_SECONDS)
        await still_serves(fleet)
    print(f"{sent} calls were made and reset")


def said_without_end(kind: str) -> list[agent_service_pb2.AgentMessage]:
    """What is said over and over: heartbeats, or now and then one among reports of leases that nobody ever had."""
    heartbeat = agent_service_pb2.AgentMessage(heartbeat=agent_service_pb2.Heartbeat(number=1))
    done = agent_service_pb2.Succeeded()
    reports = [
        agent_service_pb2.Report(number=1, task_id=str(uuid.uuid4()), token=1, succeeded=done)
        for _ in range(BATCH_ITEMS_MAX)
    ]
    batch = agent_service_pb2.AgentMessage(reports=agent_service_pb2.ReportBatch(reports=reports))
    return [heartbeat] if kind == "heartbeats" else [heartbeat, *[batch] * BATCHES_PER_HEARTBEAT]


async def speak(stream: Any, words: list[agent_service_pb2.AgentMessage]) -> None:
    """Goes on until it is cancelled, or not listened to any more."""
    with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
        for message in itertools.cycle(words):
            await stream.write(message)


@pytest.mark.parametrize("kind", ["heartbeats", "reports"])
async def test_an_agent_that_speaks_and_never_listens_is_let_go(start_fleet: StartFleet, kind: str) -> None:
    """It asks for answers without end. It cannot even hear that its stream has ended: the others see that it has."""
    fleet = await start_fleet(agents=(work_agent("agent-1"),), lease_ttl_seconds=TTL_SECONDS)
    hello = agent_service_pb2.Hello(
        protocol_version_min=1,
        protocol_version_max=1,
        agent_id="deaf",
        incarnation=str(uuid.uuid4()),
        kinds=["other"],
        slots=1,
    )
    async with grpc.aio.insecure_channel(fleet.address) as looking:
        agents = agent_service_pb2_grpc.AgentServiceStub(looking)

        async def is_gone() -> bool:
            found = await agents.GetAgent(agent_service_pb2.GetAgentRequest(agent_id="deaf"), timeout=CALL_SECONDS)
            return bool(found.agent.state != agent_pb2.AGENT_STATE_READY)

        with unharmed(fleet, COORDINATOR):
            async with grpc.aio.insecure_channel(fleet.address, options=DEAF) as channel:
                stream = agent_service_pb2_grpc.AgentServiceStub(channel).Connect()
                await stream.write(agent_service_pb2.AgentMessage(hello=hello))
                await stream.read()
                speaking = asyncio.create_task(speak(stream, said_without_end(kind)))
                await eventually(is_gone, within=LET_GO_SECONDS)
                speaking.cancel()
                await asyncio.gather(speaking, return_exceptions=True)
                stream.cancel()
            await still_serves(fleet)


async def dribble(url: str) -> bool:
    """A request of which a byte comes now and then. Whether the server ended it."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    gone = asyncio.create_task(reader.read())
    try:
        for byte in b"GET /v1/events HTTP/1.1\r\nX-Slow: " + b"y" * int(CALL_SECONDS / DRIBBLE_SECONDS):
            writer.write(bytes([byte]))
            await asyncio.wait([gone], timeout=DRIBBLE_SECONDS)
            if gone.done():
                return True
        return False
    finally:
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        writer.transport.abort()


async def test_requests_that_come_byte_by_byte_are_cut_off_and_others_are_served(start_fleet: StartFleet) -> None:
    fleet = await start_fleet(
        agents=(work_agent("agent-1"),),
        environment={"MISSIONCONTROL_EVENT_GATEWAY_REQUEST_TIMEOUT_SECONDS": str(SLOW_SECONDS)},
    )
    follower, ledger = FeedFollower(fleet.gateway_url), Ledger()
    with unharmed(fleet, GATEWAY):
        async with asyncio.TaskGroup() as group:
            dribbling = [group.create_task(dribble(fleet.gateway_url)) for _ in range(SLOW_CONNECTIONS)]
            following = group.create_task(follower.run())
            await submit(fleet.address, ledger, make_requests(50, seed=1), over_seconds=2)
            aftermath = await rest(fleet, follower, ledger)
            ended = await asyncio.gather(*dribbling)
            following.cancel()
    assert aftermath.findings() == []
    assert all(ended), f"{ended.count(False)} went on for {CALL_SECONDS:g} s"


@contextlib.asynccontextmanager
async def herd(url: str, size: int) -> AsyncIterator[list[FeedFollower]]:
    """Followers that come back at once, and all together."""
    followers = [FeedFollower(url, reconnect_seconds=0.0) for _ in range(size)]
    following = [asyncio.create_task(follower.run()) for follower in followers]
    yield followers
    for task in following:
        task.cancel()
    await asyncio.gather(*following, return_exceptions=True)


async def test_a_herd_of_followers_that_all_come_back_at_once_misses_nothing(start_fleet: StartFleet) -> None:
    """The gateway is killed under them. Nobody waits before coming back, which is worse than what browsers do."""
    fleet, ledger = await start_fleet(agents=(work_agent("agent-1"),)), Ledger()
    direct = FeedFollower(fleet.gateway_url)
    following = asyncio.create_task(direct.run())
    async with herd(fleet.gateway_url, HERD) as followers:
        for number in range(CUTS):
            requests = make_requests(20, seed=number, first=20 * number, seconds=(0, 0.05))
            await submit(fleet.address, ledger, requests, over_seconds=0.5)
            await eventually(partial(all_connected, followers, times=number + 1))
            fleet.services[GATEWAY].kill()
            await fleet.restart(GATEWAY)
        aftermath = await rest(fleet, direct, ledger)
        head = direct.sequence  # a slow machine's agents may lose their streams, and say more, at any time
        async with asyncio.timeout(CALL_SECONDS):
            for follower in followers:
                await follower.wait_sequence(head)
    following.cancel()
    assert aftermath.findings() == []
    assert all(until_head(follower, head) == until_head(direct, head) for follower in followers)


def until_head(follower: FeedFollower, head: int) -> list[SeenEvent]:
    """What it has seen up to there."""
    return [event for event in follower.events if event.sequence <= head]


async def all_connected(followers: list[FeedFollower], *, times: int) -> bool:
    """Whether each was let in so many times."""
    return all(follower.connections >= times for follower in followers)
