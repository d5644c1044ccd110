"""Calls that outlive a coordinator's restart: deadlines, retries with backoff and jitter, and the next address.

Everything that goes through here may be repeated: reads by nature, writes because each carries a request id that is
made before the first try. What a call means is the business of the modules beside this one.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

import grpc.aio
from uuid_utils import uuid7

from missioncontrol import limits
from missioncontrol.channel import one_only, open_target, parse_addresses, targets
from missioncontrol.errors import CallError, CallStatus, QueueRefused, Unavailable, call_error
from missioncontrol.tls import trust_stamp
from missioncontrol.v1.agent_service_pb2_grpc import AgentServiceStub
from missioncontrol.v1.event_service_pb2_grpc import EventServiceStub
from missioncontrol.v1.queue_service_pb2_grpc import QueueServiceStub
from missioncontrol.v1.routing_service_pb2_grpc import RoutingServiceStub
from missioncontrol.v1.schedule_service_pb2_grpc import ScheduleServiceStub
from missioncontrol.v1.task_service_pb2_grpc import TaskServiceStub

if TYPE_CHECKING:
    from missioncontrol.v1.agent_service_pb2_grpc import AgentServiceAsyncStub
    from missioncontrol.v1.event_service_pb2_grpc import EventServiceAsyncStub
    from missioncontrol.v1.queue_service_pb2_grpc import QueueServiceAsyncStub
    from missioncontrol.v1.routing_service_pb2_grpc import RoutingServiceAsyncStub
    from missioncontrol.v1.schedule_service_pb2_grpc import ScheduleServiceAsyncStub
    from missioncontrol.v1.task_service_pb2_grpc import TaskServiceAsyncStub

Request = TypeVar("Request")
Response = TypeVar("Response")


class PageRequest(Protocol):
    """A request whose answer comes in pages. Pages are asked for with one and the same request, but for the token."""

    page_token: str


class Page(Protocol):
    """One of its answers. An empty token says that it is the last."""

    @property
    def next_page_token(self) -> str:
        """Where the next page begins."""


Paged = TypeVar("Paged", bound=PageRequest)
OnePage = TypeVar("OnePage", bound=Page)

_JITTER = random.SystemRandom()
_Code = grpc.StatusCode
# DEADLINE_EXCEEDED is that of one try; the call's own deadline is kept here. CANCELLED that nobody asked for comes from
# a server that stops, or from a proxy.
_RETRIED_CALLS = frozenset({_Code.UNAVAILABLE, _Code.DEADLINE_EXCEEDED, _Code.CANCELLED})
# What proxies and dying processes answer in the middle of a stream, unless a service of ours explains it otherwise.
_BROKEN_STREAMS = _RETRIED_CALLS | {_Code.INTERNAL, _Code.UNKNOWN}


@dataclass(frozen=True)
class Stubs:
    """The services at one target, and the channel that leads there."""

    channel: grpc.aio.Channel
    tasks: TaskServiceAsyncStub
    queues: QueueServiceAsyncStub
    schedules: ScheduleServiceAsyncStub
    agents: AgentServiceAsyncStub
    events: EventServiceAsyncStub
    routing: RoutingServiceAsyncStub


def new_request_id() -> str:
    """A fresh request id: a UUIDv7, so that neighbours in time are neighbours in the index."""
    return str(uuid7())


class Backoff:
    """Waits that double, with full jitter. `reset` after something went well."""

    def __init__(self) -> None:
        self._next_seconds = limits.RETRY_BACKOFF_SECONDS

    def reset(self) -> None:
        """Begins again with the shortest wait."""
        self._next_seconds = limits.RETRY_BACKOFF_SECONDS

    def seconds(self, *, at_least: float = 0.0) -> float:
        """How long to wait now; the next wait may be twice as long."""
        drawn = _JITTER.uniform(0, self._next_seconds)
        self._next_seconds = min(2 * self._next_seconds, limits.RETRY_BACKOFF_SECONDS_MAX)
        return max(drawn, at_least)

    async def wait(self) -> None:
        """Waits that long."""
        await asyncio.sleep(self.seconds())


class Connection:
    """One channel for each target; calls use the current one and go on to the next when it does not answer."""

    def __init__(
        self,
        addresses: str | Sequence[str],
        *,
        call_seconds: float = limits.CALL_SECONDS,
        outage_seconds: float = limits.OUTAGE_SECONDS,
    ) -> None:
        self.addresses = parse_addresses(addresses)
        self._targets = targets(self.addresses)
        self._one_only = one_only(self.addresses)
        self._open: dict[str, Stubs] = {}
        self._left: list[Stubs] = []  # what still runs on them goes on
        self._stamp: tuple[int, ...] = ()
        self._index = 0
        self._call_seconds = call_seconds
        self._outage_seconds = outage_seconds

    @property
    def stubs(self) -> Stubs:
        """The services at the current target. The channel is opened by its first use, inside the event loop."""
        target = self._targets[self._index]
        if target not in self._open:
            self._stamp = self._stamp or trust_stamp()
            self._open[target] = _stubs(open_target(target))
        return self._open[target]

    async def close(self) -> None:
        """Closes the channels. Calls that still run end with CANCELLED."""
        opened, self._open, self._left = [*self._open.values(), *self._left], {}, []
        for stubs in opened:
            await stubs.channel.close()

    async def call(
        self, method: Callable[[Stubs], grpc.aio.UnaryUnaryMultiCallable[Request, Response]], request: Request
    ) -> Response:
        """Makes a unary call, again and again while nobody answers, until the deadline. Raises CallError."""
        deadline = time.monotonic() + self._call_seconds
        backoff = Backoff()
        told: CallError | None = None
        while True:
            index = self._index
            try:
                return await method(self.stubs)(request, timeout=self._try_seconds(deadline))
            except grpc.aio.AioRpcError as refused:
                error = call_error(refused)
                wait_seconds = backoff.seconds(at_least=error.retry_seconds or 0.0)
                # Of several tries that failed, the one that could say why is the one to tell about.
                told = told if told is not None and error.code is _Code.DEADLINE_EXCEEDED else error
                if not _worth_retrying(error) or time.monotonic() + wait_seconds >= deadline:
                    raise self._located(told) from None
            self._leave(index)
            await asyncio.sleep(wait_seconds)

    async def pages(
        self, method: Callable[[Stubs], grpc.aio.UnaryUnaryMultiCallable[Paged, OnePage]], request: Paged
    ) -> AsyncGenerator[OnePage, None]:
        """All pages, each as it is asked for; the request's token is changed on the way. Raises CallError."""
        while True:
            page = await self.call(method, request)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def stream(
        self, begin: Callable[[Stubs], grpc.aio.UnaryStreamCall[Request, Response]]
    ) -> AsyncGenerator[Response, None]:
        """Reads a server stream, begun again when it breaks. Raises CallError if it is refused or gone for too long.

        `begin` is called for each beginning, so that it can ask for what comes next. A stream that ends well ends this
        iterator; the caller knows whether that was the end and may simply iterate again.
        """
        backoff = Backoff()
        silent_since = time.monotonic()
        while True:
            index = self._index
            call = begin(self.stubs)
            heard = False
            try:
                async for message in call:
                    heard = True
                    backoff.reset()
                    yield message
            except grpc.aio.AioRpcError as broken:
                error = call_error(broken)
                if heard:  # It may have had nothing to say for hours: the outage begins with the break.
                    silent_since = time.monotonic()
                if not _broken_stream(error) or time.monotonic() - silent_since >= self._outage_seconds:
                    raise self._located(error) from None
            else:
                return
            finally:
                call.cancel()
            self._leave(index)
            await asyncio.sleep(backoff.seconds(at_least=error.retry_seconds or 0.0))

    def _try_seconds(self, deadline: float) -> float:
        """Each try gets a part of what is left, so that one that is swallowed leaves room for another address."""
        left = deadline - time.monotonic()
        part = left if self._one_only else max(left / 2, min(left, limits.TRY_SECONDS_MIN))
        return max(min(part, limits.TRY_SECONDS_MAX), 0.001)

    def _leave(self, index: int) -> None:
        """After a failure: goes on to the next target, unless another call has done so already."""
        if self._index == index:
            self._index = (index + 1) % len(self._targets)
        self._renew()

    def _renew(self) -> None:
        """Leaves channels whose files of TLS were replaced: they show what they were opened with, also when that has
        run out.
        """
        stamp = trust_stamp()
        if stamp and stamp != self._stamp:
            self._left += self._open.values()
            self._open, self._stamp = {}, stamp

    def _located(self, error: CallError) -> CallError:
        """The error with the addresses in it, where the way to the service is what failed."""
        if error.status.explained or error.code not in _RETRIED_CALLS:
            return error
        where = ", ".join(self.addresses)
        status = error.status
        # gRPC's own text begins with how it looked for a server; what it found comes last.
        said = f"no answer from {where}: {status.message.rpartition('last error: ')[2] or status.code.name}"
        kind = Unavailable if error.code is _Code.CANCELLED else type(error)
        return kind(
            CallStatus(code=status.code, message=said, reason=status.reason, retry_seconds=status.retry_seconds)
        )


def _stubs(channel: grpc.aio.Channel) -> Stubs:
    return Stubs(
        channel=channel,
        tasks=TaskServiceStub(channel),
        queues=QueueServiceStub(channel),
        schedules=ScheduleServiceStub(channel),
        agents=AgentServiceStub(channel),
        events=EventServiceStub(channel),
        routing=RoutingServiceStub(channel),
    )


def _worth_retrying(error: CallError) -> bool:
    """Whether the same call may go well soon. A queue without room is for the caller to decide on (see `room.py`)."""
    if isinstance(error, QueueRefused):
        return False
    return error.code in _RETRIED_CALLS or error.retry_seconds is not None


def _broken_stream(error: CallError) -> bool:
    if error.status.explained:
        return error.code is _Code.UNAVAILABLE or error.reason == "SLOW_READER" or error.retry_seconds is not None
    return error.code in _BROKEN_STREAMS
