"""An agent that thinks that its leases last for ever: the worst zombie there can be.

It ignores every order and the end of every lease, and reports the outcome of whatever it was once given, again after
each reconnect, until that is acknowledged. What the coordinator makes of each outcome it prints: "accepted" or
"refused", the task and the token. Only the generated stubs; the SDK gives a lease up by itself.
"""

from __future__ import annotations

import asyncio
import os
import random
import uuid

import grpc
from missioncontrol.v1 import agent_service_pb2 as wire
from missioncontrol.v1 import agent_service_pb2_grpc as wire_grpc

Stream = grpc.aio.StreamStreamCall[wire.AgentMessage, wire.CoordinatorMessage]
RECONNECT_SECONDS_MAX = 0.2
HEARTBEAT_SECONDS = 0.3


class StubbornAgent:
    """Its reports and what it thinks that it holds outlive each stream."""

    def __init__(self) -> None:
        self._incarnation = str(uuid.uuid4())
        self._held: dict[str, int] = {}
        self._unacknowledged: dict[int, wire.Report] = {}
        self._number = 0
        self._stream: Stream | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Connects again and again."""
        async with grpc.aio.insecure_channel(os.environ["MISSIONCONTROL_ADDRESS"]) as channel:
            stub = wire_grpc.AgentServiceStub(channel)
            while True:
                try:
                    await self._converse(stub.Connect())
                except (grpc.RpcError, asyncio.InvalidStateError):  # the latter: a write after the stream's end
                    self._stream = None
                await asyncio.sleep(random.uniform(0, RECONNECT_SECONDS_MAX))

    async def _converse(self, stream: Stream) -> None:
        await stream.write(wire.AgentMessage(hello=self._hello()))
        message = await stream.read()
        assert message.WhichOneof("content") == "welcome", message
        self._stream = stream
        for report in list(self._unacknowledged.values()):
            await self._send(report)
        beating = asyncio.create_task(self._beat(stream))
        try:
            while (message := await stream.read()) is not grpc.aio.EOF:
                await self._hear(stream, message)
        finally:
            beating.cancel()

    def _hello(self) -> wire.Hello:
        return wire.Hello(
            protocol_version_min=1,
            protocol_version_max=1,
            agent_id=os.environ["MISSIONCONTROL_AGENT_ID"],
            incarnation=self._incarnation,
            kinds=["nap"],
            slots=int(os.environ["MISSIONCONTROL_AGENT_SLOTS"]),
            held=self._references(),
        )

    def _references(self) -> list[wire.LeaseReference]:
        return [wire.LeaseReference(task_id=task_id, token=token) for task_id, token in self._held.items()]

    async def _beat(self, stream: Stream) -> None:
        number = 0
        while True:
            number += 1
            beat = wire.Heartbeat(number=number, held_version=number, held=self._references(), held_included=True)
            await stream.write(wire.AgentMessage(heartbeat=beat))
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _hear(self, stream: Stream, message: wire.CoordinatorMessage) -> None:
        if message.HasField("leases"):
            await stream.write(wire.AgentMessage(lease_receipt=wire.LeaseReceipt(number=message.leases.number)))
            for lease in message.leases.leases:
                self._held[lease.task_id] = lease.token
                task = asyncio.create_task(self._work(lease))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        elif message.HasField("report_ack"):
            self._take_ack(message.report_ack)

    async def _work(self, lease: wire.Lease) -> None:
        await self._report(wire.Report(task_id=lease.task_id, token=lease.token, started=wire.Started()))
        await asyncio.sleep(float(lease.spec.payload.data))
        await self._report(wire.Report(task_id=lease.task_id, token=lease.token, succeeded=wire.Succeeded()))

    async def _report(self, report: wire.Report) -> None:
        self._number += 1
        report.number = self._number
        self._unacknowledged[report.number] = report
        await self._send(report)

    async def _send(self, report: wire.Report) -> None:
        if self._stream is None:
            return
        try:
            await self._stream.write(wire.AgentMessage(reports=wire.ReportBatch(reports=[report])))
        except (grpc.RpcError, asyncio.InvalidStateError):
            self._stream = None  # said again on the next stream

    def _take_ack(self, ack: wire.ReportAck) -> None:
        refused = {refusal.number for refusal in ack.refusals}
        for number in [number for number in self._unacknowledged if number <= ack.number]:
            report = self._unacknowledged.pop(number)
            if report.HasField("succeeded"):
                verdict = "refused" if number in refused else "accepted"
                print(verdict, report.task_id, report.token, flush=True)
                if self._held.get(report.task_id) == report.token:
                    del self._held[report.task_id]


if __name__ == "__main__":
    asyncio.run(StubbornAgent().run())
