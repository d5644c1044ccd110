"""A conversation in calls as the coordinator carries it: it breaks when nobody calls, and holds a bounded amount."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from missioncontrol.v1 import agent_service_pb2 as wire

from services.coordinator import exchanges
from services.coordinator.connection import MessageWriter
from services.coordinator.exchange_carrier import ExchangeCarrier
from services.coordinator.exchanges import Exchanges
from services.domain.errors import ConversationUnknown, ResourceExhausted, Unavailable
from services.domain.exchange import ANSWER_MESSAGES_MAX

PATIENCE_SECONDS = 60.0


def call(number: int, *texts: str, conversation: int = 1) -> wire.ExchangeRequest:
    messages = [wire.AgentMessage(goodbye=wire.Goodbye(message=text)) for text in texts]
    return wire.ExchangeRequest(conversation=str(UUID(int=conversation)), number=number, messages=messages)


def moving(text: str) -> wire.CoordinatorMessage:
    return wire.CoordinatorMessage(moving=wire.Moving(message=text))


async def test_a_conversation_without_calls_breaks_as_a_stream_does() -> None:
    carrier = ExchangeCarrier(absence_seconds=0.02)
    heard: list[str] = []

    async def listen() -> None:
        async for message in carrier.messages():
            heard.append(message.goodbye.message)

    listening = asyncio.create_task(listen())
    await carrier.answer(call(1, "one"))

    async with asyncio.timeout(PATIENCE_SECONDS):
        await listening
    assert heard == ["one"]


async def test_a_call_that_waits_keeps_the_conversation() -> None:
    carrier = ExchangeCarrier(absence_seconds=0.02)
    messages = carrier.messages()
    waiting = call(1, "one")
    waiting.wait.FromMilliseconds(200)
    answering = asyncio.create_task(carrier.answer(waiting))

    assert (await anext(messages)).goodbye.message == "one"
    following = asyncio.ensure_future(anext(messages, None))
    await answering

    assert not following.done()
    assert await following is None


async def test_who_speaks_waits_while_nobody_fetches_what_was_said() -> None:
    carrier = ExchangeCarrier()
    for _ in range(ANSWER_MESSAGES_MAX):
        await carrier.write(moving("x"))
    writing = asyncio.create_task(carrier.write(moving("last")))
    await asyncio.sleep(0)
    assert not writing.done()

    hearing = asyncio.create_task(anext(carrier.messages()))
    answer = await carrier.answer(call(1, "hello"))

    await writing
    assert len(answer.messages) == ANSWER_MESSAGES_MAX
    await hearing


class Conversation:
    """Hears everything and says nothing, until it is told to end."""

    def __init__(self) -> None:
        self.begun = 0
        self.ending: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def converse(self, messages: AsyncIterator[wire.AgentMessage], _writer: MessageWriter) -> None:
        self.begun += 1
        await anext(messages)
        await asyncio.shield(self.ending)


async def test_a_conversation_that_is_over_is_not_begun_again_by_a_late_call() -> None:
    conversation = Conversation()
    registry = Exchanges(conversation.converse)
    await registry.exchange(call(1, "hello"))
    conversation.ending.set_exception(Unavailable("over"))

    with pytest.raises(Unavailable, match="over"):
        await registry.exchange(call(2))
    await registry.exchange(call(1, "hello"))

    assert conversation.begun == 1
    await registry.close()


async def test_what_is_forgotten_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchanges, "EXCHANGE_REMEMBERED_SECONDS", 0.0)
    conversation = Conversation()
    registry = Exchanges(conversation.converse)
    await registry.exchange(call(1, "hello"))
    conversation.ending.set_result(None)
    await registry.close()
    await asyncio.sleep(0.01)

    with pytest.raises(ConversationUnknown):
        await registry.exchange(call(2))


async def test_there_is_a_bound_to_conversations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchanges, "EXCHANGES_MAX", 1)
    registry = Exchanges(Conversation().converse)
    await registry.exchange(call(1, "hello"))

    with pytest.raises(ResourceExhausted):
        await registry.exchange(call(1, "hello", conversation=2))
    await registry.close()


async def test_a_coordinator_that_stops_says_so_and_not_that_the_agent_has_left() -> None:
    registry = Exchanges(Conversation().converse)
    await registry.exchange(call(1, "hello"))

    await registry.close()

    with pytest.raises(Unavailable, match="stopping"):
        await registry.exchange(call(2))
