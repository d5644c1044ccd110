"""A conversation in calls, with the face of a stream: `read`, `write` and `cancel` as `grpc.aio` has them.

So whoever talks through one need not know. A call that fails on its way is made again; what the coordinator itself
refuses, or what fails again and again, is how the conversation ends.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import deque
from typing import Any

import grpc
import grpc.aio

from missioncontrol import agent_limits as limits
from missioncontrol.errors import call_error
from missioncontrol.exchange import Exchange
from missioncontrol.v1 import agent_service_pb2 as pb

_LOG = logging.getLogger("missioncontrol.agent")
# What balances calls over several coordinators finds the conversation here.
CONVERSATION_KEY = "missioncontrol-conversation"

# How a call fails that a proxy or the network has broken, as far as no coordinator says why.
_BROKEN = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)


class PollCall:
    """One conversation by `AgentService.Exchange`. `stub`: the generated one, on a channel that outlives this."""

    def __init__(self, stub: Any, *, wait_seconds: float = limits.POLL_WAIT_SECONDS) -> None:
        conversation = str(uuid.uuid4())
        self._stub = stub
        self._metadata = ((CONVERSATION_KEY, conversation),)
        self._timeout_seconds = wait_seconds + limits.POLL_MARGIN_SECONDS
        self._exchange = Exchange(conversation, wait_seconds=wait_seconds)
        self._heard: deque[pb.CoordinatorMessage] = deque()
        self._changed = asyncio.Event()
        self._flights: set[asyncio.Task[None]] = set()
        self._launch_planned = False
        self._error: BaseException | None = None

    async def write(self, message: pb.AgentMessage) -> None:
        """Says one message; waits while too much is unsaid. InvalidStateError if the conversation is over."""
        while self._exchange.full and self._error is None:
            await self._change()
        if self._error is not None:
            raise asyncio.InvalidStateError("the conversation is over")
        self._exchange.say(message)
        self._plan_launch()

    async def read(self) -> Any:
        """The next message of the coordinator, or `grpc.aio.EOF`. Raises AioRpcError, UsageError if the channel was
        closed, and CancelledError after `cancel`.
        """
        while not self._heard:
            if self._error is not None:
                raise self._error
            if self._exchange.ended:
                return grpc.aio.EOF
            # Only now, so that what is said to what was heard goes with the call that waits for more.
            self._plan_launch()
            await self._change()
        return self._heard.popleft()

    def cancel(self) -> None:
        """Ends the conversation, here."""
        self._heard.clear()
        self._end(asyncio.CancelledError())

    def _end(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error
            for flight in self._flights:
                flight.cancel()
        self._changed.set()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _plan_launch(self) -> None:
        """Soon: what is said in one breath goes with one call."""
        if not self._launch_planned:
            self._launch_planned = True
            asyncio.get_running_loop().call_soon(self._launch)

    def _launch(self) -> None:
        self._launch_planned = False
        while self._error is None and (call := self._exchange.next_call()) is not None:
            flight = asyncio.create_task(self._fly(call))
            self._flights.add(flight)
            flight.add_done_callback(self._flights.discard)
            self._changed.set()  # there is room for more to say

    async def _fly(self, call: pb.ExchangeRequest) -> None:
        try:
            answer = await self._answer(call)
        except asyncio.CancelledError as cancelled:  # by `cancel`, or by a channel that was closed meanwhile
            self._end(cancelled)
            raise
        except Exception as error:  # whatever it is, a channel that was closed before too: who reads has to hear of it
            self._end(error)
            return
        self._heard += self._exchange.answered(call.number, answer)
        self._changed.set()

    async def _answer(self, call: pb.ExchangeRequest) -> pb.ExchangeResponse:
        """Makes the call until it has an answer. A conversation that has not begun is given up at once: another one may
        begin elsewhere.
        """
        pauses = limits.POLL_PAUSES_SECONDS if call.number > 1 else ()
        for pause in pauses:
            try:
                return await self._call(call)
            except grpc.aio.AioRpcError as error:
                if error.code() not in _BROKEN or call_error(error).status.explained:
                    raise
                _LOG.debug("a call broke (%s) and is made again", error.code().name)
            await asyncio.sleep(pause)
        return await self._call(call)

    async def _call(self, call: pb.ExchangeRequest) -> pb.ExchangeResponse:
        answer: pb.ExchangeResponse = await self._stub.Exchange(
            call, timeout=self._timeout_seconds, metadata=self._metadata
        )
        return answer
