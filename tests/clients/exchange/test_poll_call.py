"""A conversation in calls with the face of a stream: what is made again, what ends it, and what a writer sees."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2
from missioncontrol import agent_limits as limits
from missioncontrol.agent import Agent
from missioncontrol.poll_call import CONVERSATION_KEY, PollCall
from missioncontrol.transports import VARIABLE, find_transport, open_poll, open_stream
from missioncontrol.v1 import agent_service_pb2 as pb
from missioncontrol.v1 import agent_service_pb2_grpc

from tests.clients.exchange.lossy_calls import goodbye, moving

PATIENCE_SECONDS = 60.0
Answer = pb.ExchangeResponse | grpc.aio.AioRpcError


def broken(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    """What a proxy answers, or a connection that is gone."""
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), "no word of a coordinator")


def refused(code: grpc.StatusCode, reason: str) -> grpc.aio.AioRpcError:
    """What a coordinator answers."""
    detail = AnyMessage()
    detail.Pack(error_details_pb2.ErrorInfo(reason=reason, domain="missioncontrol"))
    status = status_pb2.Status(code=code.value[0], details=[detail])
    trailing = grpc.aio.Metadata(("grpc-status-details-bin", status.SerializeToString()))
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, reason)


class Coordinator:
    """A stub whose calls are kept, and answered when the test says so."""

    def __init__(self) -> None:
        self.calls: list[pb.ExchangeRequest] = []
        self.metadata: list[Any] = []
        self._answers: asyncio.Queue[Answer] = asyncio.Queue()

    def answer(self, *answers: Answer) -> None:
        for each in answers:
            self._answers.put_nowait(each)

    async def Exchange(self, call: pb.ExchangeRequest, *, timeout: float, metadata: Any) -> pb.ExchangeResponse:  # noqa: ASYNC109 - as stubs have it
        assert timeout > limits.POLL_WAIT_SECONDS
        self.calls.append(call)
        self.metadata.append(metadata)
        answer = await self._answers.get()
        if isinstance(answer, grpc.aio.AioRpcError):
            raise answer
        return answer


@pytest.fixture
def coordinator() -> Coordinator:
    return Coordinator()


@pytest.fixture
async def poll(coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch) -> PollCall:
    monkeypatch.setattr(limits, "POLL_PAUSES_SECONDS", (0.0, 0.0, 0.0))
    return PollCall(coordinator)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            await asyncio.sleep(0)


async def begun(poll: PollCall, coordinator: Coordinator) -> None:
    coordinator.answer(pb.ExchangeResponse(messages=[moving("welcome")]))
    await poll.write(goodbye("hello"))
    assert (await poll.read()).moving.message == "welcome"


async def test_what_is_said_in_one_breath_goes_with_one_call(poll: PollCall, coordinator: Coordinator) -> None:
    await poll.write(goodbye("one"))
    await poll.write(goodbye("two"))

    await until(lambda: coordinator.calls)

    assert [message.goodbye.message for message in coordinator.calls[0].messages] == ["one", "two"]
    poll.cancel()


async def test_who_reads_hears_of_a_channel_that_was_closed() -> None:
    channel = grpc.aio.insecure_channel("127.0.0.1:1")
    poll = PollCall(agent_service_pb2_grpc.AgentServiceStub(channel))
    await channel.close()
    await poll.write(goodbye("hello"))

    with pytest.raises(grpc.aio.UsageError):
        await poll.read()


async def test_who_reads_hears_of_a_channel_that_is_closed_under_a_call() -> None:
    arrived = asyncio.Event()

    async def exchange(_request: bytes, _context: Any) -> None:
        arrived.set()
        await asyncio.Event().wait()

    server = grpc.aio.server()
    handlers = {"Exchange": grpc.unary_unary_rpc_method_handler(exchange)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("missioncontrol.v1.AgentService", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
    poll = PollCall(agent_service_pb2_grpc.AgentServiceStub(channel))
    await poll.write(goodbye("hello"))
    reading = asyncio.create_task(poll.read())
    await arrived.wait()

    await channel.close()

    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.wait([reading])
    assert reading.cancelled()
    await server.stop(None)


async def test_every_call_carries_the_conversation_in_its_metadata(poll: PollCall, coordinator: Coordinator) -> None:
    await begun(poll, coordinator)

    [metadata] = coordinator.metadata

    assert metadata == ((CONVERSATION_KEY, coordinator.calls[0].conversation),)


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    ],
)
async def test_a_call_that_a_proxy_broke_is_made_again_the_very_same(
    poll: PollCall, coordinator: Coordinator, code: grpc.StatusCode
) -> None:
    await begun(poll, coordinator)
    coordinator.answer(broken(code), pb.ExchangeResponse(messages=[moving("later")]))

    assert (await poll.read()).moving.message == "later"

    assert coordinator.calls[1] == coordinator.calls[2]


async def test_a_call_that_breaks_again_and_again_ends_the_conversation(
    poll: PollCall, coordinator: Coordinator
) -> None:
    await begun(poll, coordinator)
    coordinator.answer(*[broken(grpc.StatusCode.UNAVAILABLE)] * (len(limits.POLL_PAUSES_SECONDS) + 1))

    with pytest.raises(grpc.aio.AioRpcError):
        await poll.read()
    with pytest.raises(asyncio.InvalidStateError):
        await poll.write(goodbye("late"))


async def test_the_word_of_a_coordinator_ends_the_conversation_at_once(
    poll: PollCall, coordinator: Coordinator
) -> None:
    await begun(poll, coordinator)
    coordinator.answer(refused(grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE"))

    with pytest.raises(grpc.aio.AioRpcError):
        await poll.read()

    assert len(coordinator.calls) == 2


async def test_a_conversation_that_did_not_begin_is_given_up_at_once(poll: PollCall, coordinator: Coordinator) -> None:
    coordinator.answer(broken(grpc.StatusCode.UNAVAILABLE))
    await poll.write(goodbye("hello"))

    with pytest.raises(grpc.aio.AioRpcError):
        await poll.read()

    assert len(coordinator.calls) == 1


async def test_the_end_after_goodbye_is_that_of_a_stream(poll: PollCall, coordinator: Coordinator) -> None:
    await begun(poll, coordinator)
    coordinator.answer(pb.ExchangeResponse(messages=[moving("last")], ended=True))

    assert (await poll.read()).moving.message == "last"
    assert await poll.read() is grpc.aio.EOF


async def test_one_that_is_cancelled_cancels_its_reader_and_its_calls(poll: PollCall, coordinator: Coordinator) -> None:
    await begun(poll, coordinator)
    reading = asyncio.create_task(poll.read())
    await until(lambda: len(coordinator.calls) == 2)

    poll.cancel()

    await asyncio.wait([reading])
    assert reading.cancelled()


async def test_who_writes_waits_while_too_much_is_unsaid(poll: PollCall, coordinator: Coordinator) -> None:
    reading = asyncio.create_task(poll.read())

    async def write() -> None:
        for _ in range(8):
            await poll.write(goodbye("x" * (limits.POLL_BYTES_MAX // 2)))

    writing = asyncio.create_task(write())
    await until(lambda: len(coordinator.calls) == limits.POLL_CALLS_MAX)
    await asyncio.sleep(0.01)
    assert not writing.done()

    coordinator.answer(*[pb.ExchangeResponse()] * 8)

    async with asyncio.timeout(PATIENCE_SECONDS):
        await writing
    poll.cancel()
    await asyncio.wait([reading])


def test_the_environment_chooses_the_transport_unless_the_caller_does(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_transport(None) is open_stream

    monkeypatch.setenv(VARIABLE, "poll")

    assert find_transport(None) is open_poll
    assert find_transport("stream") is open_stream


def test_an_agent_refuses_a_transport_that_there_is_not() -> None:
    with pytest.raises(ValueError, match='no transport "pigeon"; there are stream, poll'):
        Agent("a", transport="pigeon")
