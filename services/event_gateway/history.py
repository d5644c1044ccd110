"""What the ring has no longer (or not yet): pages of the feed, read from the coordinator."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import grpc
from missioncontrol.v1 import event_service_pb2

from services.domain.event import Position, parse_position
from services.event_gateway import limits
from services.event_gateway.entry import Entry, encode, json_string
from services.event_gateway.event_filter import ALL_NAMESPACES, EventFilter
from services.event_gateway.event_names import RESET_REASONS
from services.event_gateway.gateway_metrics import GatewayMetrics
from services.event_gateway.upstream import Upstream

_TRANSIENT = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,  # a proxy that ended it
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.CANCELLED,
)


class HistoryUnavailableError(Exception):
    """No coordinator answered; trying again later helps."""


@dataclass(frozen=True)
class Reset:
    """A position cannot be continued; the reader goes on after `position`."""

    reason: str
    requested: str
    position: Position


@dataclass(frozen=True)
class Page:
    """Some events; the next page begins after `next_position`. The last one is reached when that equals `head`."""

    entries: tuple[Entry, ...]
    next_position: Position
    head: Position
    reset: Reset | None = None


class History:
    """Reads pages, a bounded number at once."""

    def __init__(self, upstream: Upstream, metrics: GatewayMetrics, *, source: str) -> None:
        self._upstream = upstream
        self._metrics = metrics
        self._source = json_string(source)
        self._permits = asyncio.Semaphore(limits.HISTORY_CALLS_MAX)

    async def page(self, after: Position | None, wanted: EventFilter, *, count_max: int) -> Page:
        """The events after a position (None: the oldest that are kept). Raises HistoryUnavailableError."""
        request = event_service_pb2.ListEventsRequest(
            after=str(after) if after else "", filter=wanted.to_proto(), page_size=count_max
        )
        async with self._permits:
            response = await self._call(request)
        self._metrics.history_pages.inc()
        return self._page(response)

    async def head(self) -> Position:
        """The head of the feed as the coordinator knows it now. Raises HistoryUnavailableError."""
        return (await self.page(None, EventFilter(), count_max=1)).head

    async def beginning(self) -> Position:
        """The position before the oldest event that is kept. Raises HistoryUnavailableError."""
        page = await self.page(None, EventFilter(namespace=ALL_NAMESPACES), count_max=1)
        if page.entries:
            return Position(page.next_position.epoch, page.entries[0].sequence - 1)
        return page.next_position

    async def _call(self, request: event_service_pb2.ListEventsRequest) -> event_service_pb2.ListEventsResponse:
        address = self._upstream.address
        try:
            response: event_service_pb2.ListEventsResponse = await self._upstream.stub().ListEvents(
                request, timeout=limits.HISTORY_CALL_SECONDS_MAX
            )
        except grpc.aio.AioRpcError as error:
            if error.code() not in _TRANSIENT:
                raise
            self._upstream.move_on(address)
            raise HistoryUnavailableError(f"{address}: {error.details()}") from error
        except OSError as error:  # a file of TLS that is being replaced
            raise HistoryUnavailableError(f"{address}: {error}") from error
        return response

    def _page(self, response: event_service_pb2.ListEventsResponse) -> Page:
        next_position, head = parse_position(response.next_position), parse_position(response.position)
        entries = tuple(encode(event, next_position.epoch, self._source) for event in response.events)
        if not response.HasField("reset"):
            return Page(entries, next_position, head)
        reason = RESET_REASONS.get(response.reset.reason, "unknown")
        return Page(entries, next_position, head, Reset(reason, response.reset.requested, next_position))
