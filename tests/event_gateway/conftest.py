"""A real gateway over real sockets, following a real gRPC server whose feed is a list that the test writes.

`ScriptedFeed` stands for a coordinator: it keeps the contract of EventService over a log in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from missioncontrol.v1 import event_pb2, event_service_pb2, event_service_pb2_grpc, task_pb2
from prometheus_client import CollectorRegistry, generate_latest

from services.config import EventGatewaySettings
from services.domain.errors import Unavailable
from services.event_gateway.__main__ import EventGateway
from services.transport.server import RpcServer, create_server
from services.transport.tls import ServerFiles
from tests.event_gateway.http_client import PATIENCE_SECONDS, HttpReader, open_reader

RESPONSE_EVENTS_MAX = 1000


def make_event(sequence: int, **fields: Any) -> event_pb2.Event:
    values: dict[str, Any] = {
        "type": event_pb2.EVENT_TYPE_TASK_CREATED,
        "namespace": "default",
        "queue": "default",
        "task_id": f"task-{sequence % 7}",
        "kind": "noop",
        "to_state": task_pb2.TASK_STATE_PENDING,
        "version": 1,
    }
    event = event_pb2.Event(sequence=sequence, **{**values, **fields})
    event.time.FromMicroseconds(1_780_000_000_000_000 + sequence)
    return event


class ScriptedFeed(event_service_pb2_grpc.EventServiceServicer):
    """A log with an epoch, of which the oldest events may be trimmed."""

    def __init__(self) -> None:
        self.epoch = "e1"
        self.events: list[event_pb2.Event] = []
        self.base = 0
        self.unavailable = False
        self.watchers = 0
        self.list_calls = 0
        self.scan_max: int | None = None  # how many events it looks at for one page
        self.listing = asyncio.Event()
        self.listing.set()
        self._changed = asyncio.Event()

    @property
    def head(self) -> int:
        return self.base + len(self.events)

    def position(self, sequence: int) -> str:
        return f"{self.epoch}:{sequence}"

    def append(self, count: int = 1, **fields: Any) -> None:
        for _ in range(count):
            self.events.append(make_event(self.head + 1, **fields))
        self.notify()

    def trim(self, count: int) -> None:
        self.events = self.events[count:]
        self.base += count

    def restore(self, epoch: str, count: int) -> None:
        """Another database: other events under the same numbers."""
        self.epoch, self.base = epoch, 0
        self.events = [make_event(number + 1, message=epoch) for number in range(count)]
        self.notify()

    def notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def WatchEvents(self, request: Any, context: Any) -> AsyncIterator[Any]:
        if self.unavailable:
            raise Unavailable("scripted")
        self.watchers += 1
        try:
            start, reset = self._start(request.after)
            epoch = self.epoch
            if reset:
                yield event_service_pb2.WatchEventsResponse(position=self.position(start), reset=reset)
            yield event_service_pb2.WatchEventsResponse(position=self.position(start), caught_up=start == self.head)
            while self.epoch == epoch and not self.unavailable:
                changed = self._changed
                events = self.events[start - self.base :][:RESPONSE_EVENTS_MAX]
                start += len(events)
                if events:
                    yield event_service_pb2.WatchEventsResponse(
                        events=events, position=self.position(start), caught_up=start == self.head
                    )
                elif not request.follow:
                    return
                else:
                    await changed.wait()
        finally:
            self.watchers -= 1

    async def ListEvents(self, request: Any, context: Any) -> Any:
        self.list_calls += 1
        await self.listing.wait()
        if self.unavailable:
            raise Unavailable("scripted")
        start, reset = self._start(request.after)
        size = request.page_size or 100
        part = self.events[start - self.base :][: self.scan_max]
        found = [event for event in part if matches(request.filter, event)][:size]
        last = found[-1].sequence if len(found) == size else start + len(part)
        return event_service_pb2.ListEventsResponse(
            events=[] if reset else found,
            next_position=self.position(start if reset else last),
            position=self.position(self.head),
            reset=reset,
        )

    def _start(self, after: str) -> tuple[int, event_service_pb2.Reset | None]:
        if after == "head":
            return self.head, None
        if not after:
            return self.base, None
        epoch, _, number = after.rpartition(":")
        if epoch != self.epoch:
            reason = event_service_pb2.RESET_REASON_EPOCH
        elif int(number) < self.base:
            reason = event_service_pb2.RESET_REASON_TRIMMED
        elif int(number) > self.head:
            reason = event_service_pb2.RESET_REASON_AHEAD
        else:
            return int(number), None
        return self.base, event_service_pb2.Reset(reason=reason, requested=after)


def matches(wanted: Any, event: Any) -> bool:
    return (
        wanted.namespace in ("*", event.namespace)
        and (not wanted.types or event.type in wanted.types)
        and wanted.queue in ("", event.queue)
        and wanted.task_id in ("", event.task_id)
        and wanted.agent_id in ("", event.agent_id)
    )


@dataclass
class Fleet:
    """The stand-in for a coordinator, and a gateway that follows it."""

    feed: ScriptedFeed
    server: RpcServer
    gateway: EventGateway
    address: str
    registry: CollectorRegistry
    opened: list[HttpReader] = field(default_factory=list)

    async def read(self, path: str = "/v1/events", **headers: str) -> HttpReader:
        wire_headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.opened.append(await open_reader(self.address, path, headers=wire_headers))
        return self.opened[-1]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():
                await asyncio.sleep(0.005)

    async def ready(self) -> None:
        await self.until(lambda: self.gateway.gateway.feed.ready)

    async def seen(self, sequence: int) -> None:
        await self.until(lambda: self.gateway.gateway.ring.head >= sequence)

    def metric(self, name: str) -> float:
        prefix = f"missioncontrol_event_gateway_{name}"
        lines = generate_latest(self.registry).decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == prefix)


async def start_coordinator(
    feed: ScriptedFeed, listen: str = "127.0.0.1:0", *, tls: ServerFiles | None = None
) -> RpcServer:
    server = create_server("coordinator", listen=listen, registry=CollectorRegistry(), tls=tls)
    server.add(event_service_pb2_grpc.add_EventServiceServicer_to_server, feed)
    await server.start()
    return server


@asynccontextmanager
async def fleet(feed: ScriptedFeed, *, before: tuple[str, ...] = (), **settings: Any) -> AsyncIterator[Fleet]:
    """`before` are addresses that come before the real one, with nobody there."""
    server = await start_coordinator(feed)
    values: dict[str, Any] = {
        "event_gateway_listen": "127.0.0.1:0",
        "coordinators": (*before, server.address),
        "stop_grace_seconds": 1,
    }
    registry = CollectorRegistry()
    gateway = EventGateway(EventGatewaySettings(**{**values, **settings}), registry)
    address = await gateway.start()
    running = Fleet(feed, server, gateway, address, registry)
    try:
        await running.ready()
        yield running
    finally:
        for reader in running.opened:
            await reader.close()
        await gateway.stop()
        await running.server.stop(grace_seconds=0)


@pytest.fixture
def feed() -> ScriptedFeed:
    return ScriptedFeed()


@pytest.fixture
async def running(feed: ScriptedFeed) -> AsyncIterator[Fleet]:
    async with fleet(feed) as started:
        yield started
