"""One agent's conversation in calls, as `Connections.converse` takes it: messages to read, and a way to write.

Which messages count and which answer a call gets is `domain/exchange.py`'s; here calls wait, and a conversation without
calls breaks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from missioncontrol.v1 import agent_service_pb2 as wire

from services.coordinator.limits import EXCHANGE_ABSENCE_SECONDS, EXCHANGE_WAIT_SECONDS_MAX
from services.domain.exchange import Exchange


class ExchangeCarrier:
    """Both ends of it meet here: the calls in `answer`, the conversation in `messages` and `write`."""

    def __init__(self, *, absence_seconds: float = EXCHANGE_ABSENCE_SECONDS) -> None:
        self._exchange: Exchange[wire.AgentMessage, wire.CoordinatorMessage] = Exchange()
        self._absence_seconds = absence_seconds
        self._changed = asyncio.Event()
        self._calls = 0
        self._absence: asyncio.TimerHandle | None = None
        self._broken = False
        self._error: Exception | None = None

    # For the conversation.

    async def messages(self) -> AsyncIterator[wire.AgentMessage]:
        """What the agent says. Ends, as a stream that broke, if no call comes for too long."""
        while not self._broken:
            message = self._exchange.hear()
            self._note_change()  # a call that was heard to the end may be answered
            if message is not None:
                yield message
            else:
                await self._changed.wait()

    async def write(self, message: wire.CoordinatorMessage) -> None:
        """Says one message; waits while the agent does not fetch what was said before."""
        while self._exchange.full:
            await self._changed.wait()
        self._exchange.say(message, message.ByteSize())
        self._note_change()

    def end(self, error: Exception | None) -> None:
        """The conversation is over: with this error, or, without one, as the agent wished."""
        self._error = error
        self._exchange.end()
        self._note_change()

    # For the calls.

    async def answer(self, request: wire.ExchangeRequest) -> wire.ExchangeResponse:
        """Takes one call in, and returns its answer. Raises what ended the conversation."""
        self._exchange.arrive(request.number, request.messages)
        self._note_change()
        self._arrive()
        try:
            await self._wait(request.number, min(request.wait.ToTimedelta().total_seconds(), EXCHANGE_WAIT_SECONDS_MAX))
            return self._compose(request.number)
        finally:
            self._depart()

    async def _wait(self, number: int, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._exchange.ready(number):
                    await self._changed.wait()
        # One that is not heard, or comes before its predecessor, cannot be answered with nothing: the caller gives up.
        while not self._exchange.answerable(number):
            await self._changed.wait()

    def _compose(self, number: int) -> wire.ExchangeResponse:
        messages = self._exchange.answer(number)
        self._note_change()  # there may be room for more
        finished = self._exchange.finished(number)
        if finished and self._error is not None and not messages:
            raise self._error
        return wire.ExchangeResponse(messages=messages, ended=finished and self._error is None)

    def _note_change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _arrive(self) -> None:
        self._calls += 1
        if self._absence is not None:
            self._absence.cancel()
            self._absence = None

    def _depart(self) -> None:
        self._calls -= 1
        if not self._calls:
            self._absence = asyncio.get_running_loop().call_later(self._absence_seconds, self._break)

    def _break(self) -> None:
        self._broken = True
        self._note_change()
