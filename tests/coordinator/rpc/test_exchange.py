"""AgentService.Exchange through a real server: the conversation of an agent that makes calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any
from uuid import UUID

import grpc
import pytest
from missioncontrol.v1 import agent_pb2, agent_service_pb2

from services.coordinator import exchanges
from services.coordinator.exchange_carrier import ExchangeCarrier
from services.coordinator.limits import EXCHANGE_WAIT_SECONDS_MAX
from services.domain.commands import GrantLeases, Placement
from tests.coordinator.rpc.harness import Coordinator, refusal

wire: Any = agent_service_pb2
AGENT = ("default", "a")
# As long as a call may wait.
PATIENCE_SECONDS = EXCHANGE_WAIT_SECONDS_MAX


def hello(incarnation: int = 1) -> agent_service_pb2.AgentMessage:
    said = wire.Hello(
        protocol_version_min=1, protocol_version_max=1, agent_id="a", incarnation=str(UUID(int=incarnation))
    )
    said.slots, said.kinds[:] = 4, ["noop"]
    return agent_service_pb2.AgentMessage(hello=said)


def heartbeat(number: int) -> agent_service_pb2.AgentMessage:
    return agent_service_pb2.AgentMessage(heartbeat=wire.Heartbeat(number=number))


class Conversation:
    """The agent's side, call by call."""

    def __init__(self, coordinator: Coordinator, number: int) -> None:
        self.name = str(UUID(int=number))
        self._stub = coordinator.agents

    async def call(
        self, number: int, *messages: agent_service_pb2.AgentMessage, wait: float = PATIENCE_SECONDS
    ) -> agent_service_pb2.ExchangeResponse:
        request = wire.ExchangeRequest(conversation=self.name, number=number, messages=messages)
        request.wait.FromMilliseconds(int(wait * 1000))
        answer: agent_service_pb2.ExchangeResponse = await self._stub.Exchange(request, timeout=4 * PATIENCE_SECONDS)
        return answer

    def start(self, number: int, *messages: agent_service_pb2.AgentMessage) -> asyncio.Task[Any]:
        return asyncio.create_task(self.call(number, *messages))

    async def begin(self, incarnation: int = 1) -> agent_service_pb2.Welcome:
        answer = await self.call(1, hello(incarnation))
        assert kinds(answer) == ["welcome"]
        return answer.messages[0].welcome


def kinds(answer: agent_service_pb2.ExchangeResponse) -> list[str | None]:
    return [message.WhichOneof("content") for message in answer.messages]


@pytest.fixture
async def conversation(coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Conversation]:
    """One that does not break if there is no call for some seconds."""
    monkeypatch.setattr(exchanges, "ExchangeCarrier", partial(ExchangeCarrier, absence_seconds=600.0))
    yield Conversation(coordinator, 1)
    await coordinator.parts.connections.close()


async def state(coordinator: Coordinator) -> agent_pb2.Agent:
    answer = await coordinator.agents.GetAgent(wire.GetAgentRequest(agent_id="a"))
    agent: agent_pb2.Agent = answer.agent
    return agent


async def grant(coordinator: Coordinator, session: int) -> str:
    task = await coordinator.create()
    placement = Placement(1, task.id, "a", session)
    await coordinator.parts.storage.journal.submit(GrantLeases([placement], [AGENT]))
    return task.id


async def test_hello_is_answered_with_welcome(coordinator: Coordinator, conversation: Conversation) -> None:
    welcome = await conversation.begin()

    assert welcome.session == 1
    assert (await state(coordinator)).state == agent_pb2.AGENT_STATE_READY


async def test_a_lease_ends_the_wait_of_a_call(coordinator: Coordinator, conversation: Conversation) -> None:
    welcome = await conversation.begin()
    waiting = conversation.start(2)

    task_id = await grant(coordinator, welcome.session)

    answer = await waiting
    assert kinds(answer) == ["leases"]
    assert [lease.task_id for lease in answer.messages[0].leases.leases] == [task_id]


async def test_what_the_agent_says_ends_the_wait_of_the_call_before(conversation: Conversation) -> None:
    await conversation.begin()
    waiting = conversation.start(2)

    answer = await conversation.call(3, heartbeat(1))

    assert kinds(await waiting) == []
    assert kinds(answer) == ["heartbeat_echo"]


async def test_a_wait_ends_with_nothing_when_nothing_is_said(conversation: Conversation) -> None:
    await conversation.begin()

    assert kinds(await conversation.call(2, wait=0.05)) == []
    assert kinds(await conversation.call(3, wait=0.0)) == []
    assert EXCHANGE_WAIT_SECONDS_MAX == 20.0


async def test_a_first_call_that_comes_twice_is_one_session(
    coordinator: Coordinator, conversation: Conversation
) -> None:
    first, again = await asyncio.gather(conversation.begin(), conversation.begin())

    assert first.session == again.session == 1
    assert kinds(await conversation.call(2, heartbeat(1))) == ["heartbeat_echo"]
    assert (await state(coordinator)).state == agent_pb2.AGENT_STATE_READY


async def test_reports_whose_answer_was_lost_are_acknowledged_again_and_counted_once(
    coordinator: Coordinator, conversation: Conversation
) -> None:
    welcome = await conversation.begin()
    waiting = conversation.start(2)
    task_id = await grant(coordinator, welcome.session)
    await waiting
    report = wire.Report(number=1, task_id=task_id, token=1, succeeded=wire.Succeeded())
    said = agent_service_pb2.AgentMessage(reports=wire.ReportBatch(reports=[report], lease_batch=1))

    first = await conversation.call(3, said)
    again = await conversation.call(3, said)

    assert kinds(first) == ["report_ack"]
    assert again == first


async def test_a_call_whose_caller_gave_up_is_answered_when_it_is_made_again(
    coordinator: Coordinator, conversation: Conversation
) -> None:
    welcome = await conversation.begin()
    waiting = conversation.start(2)
    await asyncio.sleep(0)
    waiting.cancel()

    await grant(coordinator, welcome.session)

    assert kinds(await conversation.call(2)) == ["leases"]


async def test_goodbye_ends_the_conversation(coordinator: Coordinator, conversation: Conversation) -> None:
    await conversation.begin()

    answer = await conversation.call(2, agent_service_pb2.AgentMessage(goodbye=wire.Goodbye(message="done")))

    assert answer.ended
    while (await state(coordinator)).state != agent_pb2.AGENT_STATE_OFFLINE:
        await asyncio.sleep(0.01)


async def test_a_conversation_that_is_not_here_is_named_unknown(conversation: Conversation) -> None:
    refused = await refusal(conversation.call(7, heartbeat(1)))

    assert (refused.code, refused.reason) == (grpc.StatusCode.ABORTED, "CONVERSATION_UNKNOWN")


async def test_a_newer_conversation_of_the_same_process_ends_the_one_before(
    coordinator: Coordinator, conversation: Conversation
) -> None:
    await conversation.begin()
    waiting = conversation.start(2)

    assert (await Conversation(coordinator, 2).begin()).session == 2

    refused = await refusal(waiting)
    assert (refused.code, refused.reason) == (grpc.StatusCode.ABORTED, "SESSION_SUPERSEDED")
    late = await refusal(conversation.call(3))
    assert late.reason == "SESSION_SUPERSEDED"


async def test_a_newer_process_ends_the_older_for_good(coordinator: Coordinator, conversation: Conversation) -> None:
    await conversation.begin()
    waiting = conversation.start(2)

    await Conversation(coordinator, 2).begin(incarnation=2)

    refused = await refusal(waiting)
    assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "INCARNATION_SUPERSEDED")


async def test_streams_and_calls_of_one_agent_supersede_each_other(
    coordinator: Coordinator, conversation: Conversation
) -> None:
    await conversation.begin()
    waiting = conversation.start(2)

    stream = coordinator.agents.Connect()
    await stream.write(hello())
    assert (await stream.read()).welcome.session == 2
    assert (await refusal(waiting)).reason == "SESSION_SUPERSEDED"

    assert (await Conversation(coordinator, 2).begin()).session == 3
    assert (await refusal(stream.read())).reason == "SESSION_SUPERSEDED"


async def test_a_conversation_that_does_not_begin_with_hello_is_refused(conversation: Conversation) -> None:
    refused = await refusal(conversation.call(1, heartbeat(1)))

    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.fields == {"hello": "the first message of the stream must be Hello"}


async def test_a_message_that_breaks_a_rule_is_named_by_its_place_in_the_call(conversation: Conversation) -> None:
    broken = agent_service_pb2.AgentMessage(reports=wire.ReportBatch(reports=[wire.Report(number=1)]))

    refused = await refusal(conversation.call(1, hello(), broken))

    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert set(refused.fields) >= {"messages[1].reports.reports[0].task_id"}


async def test_a_conversation_needs_a_uuid(conversation: Conversation) -> None:
    conversation.name = "mine"

    assert set((await refusal(conversation.call(1, hello()))).fields) == {"conversation"}


async def test_a_coordinator_that_stops_ends_the_wait(coordinator: Coordinator, conversation: Conversation) -> None:
    await conversation.begin()
    waiting = conversation.start(2)
    for _ in range(10):  # by then the first has come, too
        await conversation.call(2, wait=0.0)

    await coordinator.parts.connections.close()

    assert kinds(await waiting) == []
    refused = await refusal(conversation.call(3))
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")
