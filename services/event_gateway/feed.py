"""Follows one coordinator's feed and fills the ring, for as long as the process lives.

Whatever ends the stream, the feed connects again after its last position, on the next address if there are several. A
reset by the coordinator empties the ring; readers find that out by themselves.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable

import grpc
import structlog
from missioncontrol.v1 import event_service_pb2

from services.domain.errors import InvalidArgument
from services.domain.event import Position, parse_position
from services.event_gateway import limits
from services.event_gateway.entry import encode, json_string
from services.event_gateway.event_filter import ALL_NAMESPACES
from services.event_gateway.event_names import RESET_REASONS
from services.event_gateway.gateway_metrics import GatewayMetrics
from services.event_gateway.ring import Ring
from services.event_gateway.upstream import Upstream

log = structlog.get_logger()

HEAD = "head"


class BrokenFeedError(Exception):
    """The coordinator sent what the contract does not allow: no position, or sequences with a gap."""


class Feed:
    """`run()` follows for ever; `step()` follows one stream to its end."""

    def __init__(
        self,
        upstream: Upstream,
        ring: Ring,
        *,
        metrics: GatewayMetrics,
        source: str,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._upstream = upstream
        self._ring = ring
        self._metrics = metrics
        self._source = json_string(source)
        self._sleep = sleep
        self._failures = 0
        self.connected = False
        self.caught_up = False

    @property
    def ready(self) -> bool:
        """Whether the ring has everything that the coordinator has, as far as anybody can know."""
        return self.connected and self.caught_up

    async def run(self) -> None:
        """Follows until it is cancelled; waits a little longer after each failure, never the same time twice."""
        while True:
            await self.step()
            ceiling = min(limits.RECONNECT_SECONDS_MIN * 2**self._failures, limits.RECONNECT_SECONDS_MAX)
            await self._sleep(random.uniform(ceiling / 2, ceiling))  # noqa: S311 - jitter, no secret

    async def step(self) -> None:
        """Follows one stream until it ends, for whatever reason; only a cancel gets through."""
        address = self._upstream.address
        try:
            await self._upstream.renew()
            await self._follow(address)
            reason = "the coordinator ended it"
        except grpc.aio.AioRpcError as error:
            reason = f"{error.code().name}: {error.details()}"
        except (BrokenFeedError, InvalidArgument) as error:
            reason = f"broken: {error}"
        except OSError as error:  # a file of TLS that is being replaced
            reason = str(error)
        finally:
            self._mark(connected=False, caught_up=False)
        self._failures = min(self._failures + 1, 10)
        self._metrics.reconnects.inc()
        self._upstream.move_on(address)
        log.warning("feed stream ended", coordinator=address, reason=reason, next=self._upstream.address)

    async def _follow(self, address: str) -> None:
        request = event_service_pb2.WatchEventsRequest(
            after=str(self._ring.position or HEAD),
            filter=event_service_pb2.EventFilter(namespace=ALL_NAMESPACES),
            follow=True,
        )
        call = self._upstream.stub().WatchEvents(request)
        async for response in call:
            if response.HasField("reset"):
                # What is kept may be a month: readers get it page by page, as history. The ring begins at the head.
                call.cancel()
                self._note_reset(response)
                await self._follow(address)
                return
            self._take(response)
            if not self.connected:
                log.info("following the feed", coordinator=address, position=response.position)
            self._failures = 0
            self._mark(connected=True, caught_up=self.caught_up or response.caught_up)

    def _take(self, response: event_service_pb2.WatchEventsResponse) -> None:
        position = parse_position(response.position)
        if self._ring.position is None:
            first = response.events[0].sequence - 1 if response.events else position.sequence
            self._ring.begin(Position(position.epoch, first))
        self._append(response, position)

    def _note_reset(self, response: event_service_pb2.WatchEventsResponse) -> None:
        reason = RESET_REASONS.get(response.reset.reason, "unknown")
        log.warning("feed reset", reason=reason, requested=response.reset.requested, position=response.position)
        self._metrics.resets.labels("coordinator", reason).inc()
        self._ring.forget()
        self._mark(connected=True, caught_up=False)

    def _append(self, response: event_service_pb2.WatchEventsResponse, position: Position) -> None:
        ring = self._ring
        expected = ring.head + 1
        if position.epoch != ring.epoch or (response.events and response.events[0].sequence != expected):
            raise BrokenFeedError(f"{position} does not follow {ring.position}")
        ring.append([encode(event, position.epoch, self._source) for event in response.events])
        if position.sequence != ring.head:
            raise BrokenFeedError(f"{position} after the events up to {ring.position}")
        self._count(response)

    def _count(self, response: event_service_pb2.WatchEventsResponse) -> None:
        metrics, ring = self._metrics, self._ring
        metrics.received.inc(len(response.events))
        metrics.sequence.set(ring.head)
        metrics.ring_events.set(len(ring))
        metrics.ring_bytes.set(ring.bytes_held)
        if response.events:
            committed = response.events[-1].time
            metrics.delay.set(time.time() - committed.seconds - committed.nanos / 1e9)

    def _mark(self, *, connected: bool, caught_up: bool) -> None:
        self.connected, self.caught_up = connected, caught_up
        self._metrics.connected.set(connected)
        self._metrics.caught_up.set(caught_up)
