"""A small coordinator for agents under test: a real server, in a thread of its own, that does what a test tells it.

It welcomes, echoes and acknowledges by itself; each of that can be switched off. Everything that was received is kept.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import code_pb2, error_details_pb2, status_pb2
from missioncontrol.payload import encode_payload
from missioncontrol.v1 import agent_service_pb2 as pb
from missioncontrol.v1 import task_pb2

HEARTBEAT_SECONDS = 0.1
# Long, as are echoes by default: neither a lease nor a stream ends because the machine is slow.
TTL_SECONDS = 60.0
WAIT_SECONDS = 60.0


@dataclass
class Stream:
    """One stream of an agent."""

    hello: pb.Hello
    call: Any
    outgoing: asyncio.Queue[pb.CoordinatorMessage | None] = field(default_factory=asyncio.Queue)
    received: list[tuple[float, pb.AgentMessage]] = field(default_factory=list)
    ended: bool = False


def lease(
    kind: str,
    value: object = None,
    *,
    task_id: str = "t",
    token: int = 1,
    ttl_seconds: float = TTL_SECONDS,
    **fields: Any,
) -> pb.Lease:
    made = pb.Lease(task_id=task_id, token=token, **fields)
    made.spec.CopyFrom(task_pb2.TaskSpec(kind=kind, payload=encode_payload(value)))
    made.ttl.FromMilliseconds(int(ttl_seconds * 1000))
    return made


class Peer:
    """The server. Its attributes may be changed from the test's thread."""

    def __init__(self) -> None:
        self.streams: list[Stream] = []
        self.echoes = self.acknowledges = True
        self.refusal: tuple[grpc.StatusCode, str] | None = None
        self.keeps = True
        self.reads = True
        self.echo_seconds = 60.0
        self.port = 0
        self._number = 0
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve()), daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(WAIT_SECONDS)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(WAIT_SECONDS)
        self._loop.close()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    # --- Of the test

    def send(self, message: pb.CoordinatorMessage) -> None:
        self._loop.call_soon_threadsafe(self.streams[-1].outgoing.put_nowait, message)

    def lease(self, *leases: pb.Lease) -> None:
        self._number += 1
        self.send(pb.CoordinatorMessage(leases=pb.LeaseBatch(number=self._number, leases=leases)))

    def order(self, **what: Any) -> None:
        self.send(pb.CoordinatorMessage(orders=pb.Orders(**what)))

    def cut(self) -> None:
        """Ends the current stream without a word."""
        self._loop.call_soon_threadsafe(self.streams[-1].outgoing.put_nowait, None)

    @property
    def reports(self) -> list[pb.Report]:
        return [report for message in self.messages("reports") for report in message.reports.reports]

    def outcome(self, task_id: str = "t") -> pb.Report | None:
        for report in self.reports:
            if report.task_id == task_id and report.WhichOneof("event") not in ("started", "progress", "checkpoint"):
                return report
        return None

    def events(self, task_id: str = "t") -> list[str | None]:
        return [report.WhichOneof("event") for report in self.reports if report.task_id == task_id]

    def messages(self, content: str) -> list[pb.AgentMessage]:
        return [each for stream in self.streams for _, each in tuple(stream.received) if each.HasField(content)]  # type: ignore[arg-type]  # a name of the oneof

    def times(self, content: str) -> list[float]:
        return [when for stream in self.streams for when, each in tuple(stream.received) if each.HasField(content)]  # type: ignore[arg-type]  # as above

    async def until(self, condition: Callable[[], object], seconds: float = WAIT_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not in time; received {[m for s in self.streams for m in s.received]}"
            await asyncio.sleep(0.005)

    async def connected(self, streams: int = 1) -> Stream:
        await self.until(lambda: len(self.streams) >= streams and self.streams[-1].received)
        return self.streams[-1]

    async def ended(self, task_id: str = "t") -> pb.Report:
        await self.until(lambda: self.outcome(task_id) is not None)
        report = self.outcome(task_id)
        assert report is not None
        return report

    # --- The server

    async def _serve(self) -> None:
        server = grpc.aio.server()
        handler = grpc.stream_stream_rpc_method_handler(
            self._connect,
            request_deserializer=pb.AgentMessage.FromString,
            response_serializer=pb.CoordinatorMessage.SerializeToString,
        )
        service = grpc.method_handlers_generic_handler("missioncontrol.v1.AgentService", {"Connect": handler})
        server.add_generic_rpc_handlers((service,))
        self.port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        self._ready.set()
        await self._stop.wait()
        await server.stop(None)

    async def _connect(
        self, requests: AsyncIterator[pb.AgentMessage], context: Any
    ) -> AsyncIterator[pb.CoordinatorMessage]:
        first = await anext(aiter(requests))
        if self.refusal is not None:
            await _abort(context, *self.refusal)
        stream = Stream(first.hello, context)
        stream.outgoing.put_nowait(self._welcome(first.hello))
        self.streams.append(stream)
        reader = asyncio.create_task(self._read(stream, requests) if self.reads else asyncio.sleep(0))
        try:
            while (message := await stream.outgoing.get()) is not None:
                yield message
        finally:
            reader.cancel()
            stream.ended = True

    async def _read(self, stream: Stream, requests: AsyncIterator[pb.AgentMessage]) -> None:
        async for message in requests:
            stream.received.append((time.monotonic(), message))
            if message.HasField("heartbeat") and self.echoes:
                beat = message.heartbeat
                echo = pb.HeartbeatEcho(number=beat.number, held_version=beat.held_version)
                stream.outgoing.put_nowait(pb.CoordinatorMessage(heartbeat_echo=echo))
            elif message.HasField("reports") and self.acknowledges:
                ack = pb.ReportAck(number=message.reports.reports[-1].number)
                stream.outgoing.put_nowait(pb.CoordinatorMessage(report_ack=ack))
            elif message.HasField("goodbye"):
                break
        stream.outgoing.put_nowait(None)

    def _welcome(self, hello: pb.Hello) -> pb.CoordinatorMessage:
        welcome = pb.Welcome(protocol_version=1, session=len(self.streams) + 1, coordinator_id="peer")
        (welcome.keep if self.keeps else welcome.drop).extend(hello.held)
        welcome.heartbeat_interval.FromMilliseconds(int(HEARTBEAT_SECONDS * 1000))
        welcome.echo_timeout.FromMilliseconds(int(self.echo_seconds * 1000))
        welcome.reconnect_jitter_max.FromMilliseconds(50)
        return pb.CoordinatorMessage(welcome=welcome)


async def _abort(context: Any, code: grpc.StatusCode, reason: str) -> None:
    detail = AnyMessage()
    detail.Pack(error_details_pb2.ErrorInfo(reason=reason, domain="missioncontrol"))
    status = status_pb2.Status(code=code_pb2.Code.Value(code.name), message="refused by the test", details=[detail])
    await context.abort(code, "refused by the test", (("grpc-status-details-bin", status.SerializeToString()),))
