"""AgentService.Exchange: the conversations of agents that make calls instead of holding a stream.

Each is carried to the same `converse` as a stream. It begins with its first call and ends by the rules of the session;
then it is remembered for a moment, so that a late call does not begin it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from missioncontrol.v1 import agent_service_pb2 as wire

from services.coordinator.connection import MessageWriter
from services.coordinator.exchange_carrier import ExchangeCarrier
from services.coordinator.limits import EXCHANGE_REMEMBERED_SECONDS, EXCHANGES_MAX
from services.domain.errors import ConversationUnknown, ResourceExhausted, Unavailable

Converse = Callable[[AsyncIterator[wire.AgentMessage], MessageWriter], Awaitable[None]]


class Exchanges:
    """The conversations by their names."""

    def __init__(self, converse: Converse) -> None:
        self._converse = converse
        self._carriers: dict[str, ExchangeCarrier] = {}
        self._conversations: set[asyncio.Task[None]] = set()

    async def exchange(self, request: wire.ExchangeRequest) -> wire.ExchangeResponse:
        """One call. Raises ConversationUnknown if it continues what is not here, and what ended the conversation."""
        carrier = self._carriers.get(request.conversation)
        if carrier is None:
            carrier = self._begin(request)
        return await carrier.answer(request)

    async def close(self) -> None:
        """Ends what has not ended by itself, once the agents' sessions were ended."""
        for conversation in self._conversations:
            conversation.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)

    def _begin(self, request: wire.ExchangeRequest) -> ExchangeCarrier:
        if request.number != 1:
            raise ConversationUnknown("this conversation is over, or not with this coordinator; begin another one")
        if len(self._carriers) >= EXCHANGES_MAX:
            raise ResourceExhausted(f"there are {EXCHANGES_MAX} conversations in calls already")
        carrier = self._carriers[request.conversation] = ExchangeCarrier()
        conversation = asyncio.create_task(self._run(request.conversation, carrier))
        self._conversations.add(conversation)
        conversation.add_done_callback(self._conversations.discard)
        return carrier

    async def _run(self, name: str, carrier: ExchangeCarrier) -> None:
        error: Exception | None = Unavailable("this coordinator is stopping; connect again")
        try:
            await self._converse(carrier.messages(), carrier)
            error = None
        except Exception as ending:  # each of its calls raises it
            error = ending
        finally:
            carrier.end(error)
            asyncio.get_running_loop().call_later(EXCHANGE_REMEMBERED_SECONDS, self._carriers.pop, name, None)
