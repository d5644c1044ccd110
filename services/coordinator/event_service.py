"""EventService: the activity feed, as a stream and as a list."""

from __future__ import annotations

from functools import partial
from typing import Any

import grpc
from google.protobuf.message import Message
from missioncontrol.v1 import event_service_pb2 as wire
from missioncontrol.v1 import event_service_pb2_grpc
from sqlalchemy import Connection

from services.coordinator import pages
from services.coordinator.event_watch import EventWatch, start_of
from services.coordinator.feed import Feed, chunks_of
from services.domain.event import Position
from services.domain.event_filter import EventFilter
from services.store.feed import EventPage, list_events, read_bounds
from services.store.readers import Readers
from services.transport import convert_event
from services.transport.convert_task import DEFAULT_NAMESPACE

ALL_NAMESPACES = "*"


class EventService(event_service_pb2_grpc.EventServiceServicer):
    """See the contract. To be registered by `add_event_service`, as WatchEvents sends serialized messages."""

    def __init__(self, feed: Feed, readers: Readers) -> None:
        self._feed = feed
        self._readers = readers

    async def WatchEvents(  # type: ignore[override]  # it writes to the context, which the generated types do not know
        self, request: wire.WatchEventsRequest, context: Any
    ) -> None:
        """Sends events after a position, and those to come."""
        wanted = event_filter(request.filter)
        watch = EventWatch(self._feed, self._readers, wanted, follow=request.follow, write=context.write)
        self._feed.followers += 1
        try:
            await watch.run(request.after)
        finally:
            self._feed.followers -= 1

    async def ListEvents(self, request: wire.ListEventsRequest, context: Any) -> wire.ListEventsResponse:
        """Lists events after a position."""
        wanted, limit = event_filter(request.filter), pages.size_of(request.page_size)
        return await self._readers.run(partial(read_page, asked=request.after, filter_=wanted, limit=limit))


def read_page(connection: Connection, *, asked: str, filter_: EventFilter, limit: int) -> wire.ListEventsResponse:
    """The position is judged by what the page is read from: what is trimmed in between would be missing unsaid."""
    bounds = read_bounds(connection)
    after, reset = start_of(asked, bounds)
    if reset is not None:
        return wire.ListEventsResponse(next_position=str(bounds.beginning), position=str(bounds.position), reset=reset)
    return list_response(list_events(connection, filter_, after=after, limit=limit))


def list_response(page: EventPage) -> wire.ListEventsResponse:
    """A page for the wire; cut where it would be too large for one message, so that the rest is on the next."""
    response = wire.ListEventsResponse(position=str(page.bounds.position))
    reached = page.reached
    if page.events:
        part = next(chunks_of(0, [event for _, event in page.events]))
        fitting = page.events[: len(part.events)]
        reached = page.reached if len(fitting) == len(page.events) else fitting[-1][0]
        for sequence, event in fitting:
            convert_event.event(sequence, event, make=response.events.add)
    response.next_position = str(Position(page.bounds.epoch, reached))
    return response


def event_filter(message: wire.EventFilter) -> EventFilter:
    """Which events a request asks for."""
    namespace = message.namespace or DEFAULT_NAMESPACE
    return EventFilter(
        namespace="" if namespace == ALL_NAMESPACES else namespace,
        types=frozenset(message.types),
        queue=message.queue,
        task_id=message.task_id,
        agent_id=message.agent_id,
    )


def add_event_service(servicer: EventService, server: Any) -> None:
    """Registers the service, but lets messages of WatchEvents through that are serialized already."""
    passing: Any = _PassingThrough(server)
    event_service_pb2_grpc.add_EventServiceServicer_to_server(servicer, passing)


class _PassingThrough:
    """Stands between the generated code and the server, and changes how WatchEvents' messages are serialized."""

    def __init__(self, server: Any) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Ignored: the same handlers come, by name, to `add_registered_method_handlers`."""

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Any]) -> None:
        """Registers the handlers."""
        watch = handlers["WatchEvents"]
        passing = grpc.unary_stream_rpc_method_handler(
            watch.unary_stream, request_deserializer=watch.request_deserializer, response_serializer=_serialized
        )
        self._server.add_registered_method_handlers(service, {**handlers, "WatchEvents": passing})


def _serialized(message: bytes | Message) -> bytes:
    return message if isinstance(message, bytes) else message.SerializeToString()
