"""What is to be said on an agent's stream:

it gathers while the stream is busy, and leaves in as few messages as the contract allows.
"""

from __future__ import annotations

import asyncio
from collections import deque

from missioncontrol.v1 import agent_service_pb2 as wire

from services.coordinator.limits import MESSAGE_BYTES_MAX, MESSAGE_ITEMS_MAX


class Outbox:
    """The coordinator's side of one stream. What is in it is bounded by what the agent may hold:

    slots, queue limit and reports.
    """

    def __init__(self) -> None:
        self.leases: deque[wire.Lease] = deque()
        self._first: deque[wire.CoordinatorMessage] = deque()
        self._ack = 0
        self._acked = 0
        self._refusals: list[wire.Refusal] = []
        self._orders: wire.Orders | None = None
        self._batch = 0
        self._wake = asyncio.Event()

    def say(self, message: wire.CoordinatorMessage) -> None:
        """Something that goes first: Welcome, echoes, Moving."""
        self._first.append(message)
        self._wake.set()

    def offer(self, leases: list[wire.Lease]) -> None:
        """Leases to deliver."""
        self.leases.extend(leases)
        self._wake.set()

    def acknowledge(self, number: int, refusals: list[wire.Refusal]) -> None:
        """Reports up to this number are committed."""
        self._ack = max(self._ack, number)
        self._refusals += refusals
        self._wake.set()

    @property
    def orders(self) -> wire.Orders:
        """The orders that go out next: change them, then `wake()`."""
        if self._orders is None:
            self._orders = wire.Orders()
        return self._orders

    def wake(self) -> None:
        """Something was added."""
        self._wake.set()

    async def next(self) -> wire.CoordinatorMessage:
        """The next message; waits until there is one."""
        while True:
            message = self._compose()
            if message is not None:
                return message
            self._wake.clear()
            await self._wake.wait()

    def _compose(self) -> wire.CoordinatorMessage | None:
        if self._first:
            return self._first.popleft()
        if self._orders is not None:
            orders, self._orders = self._orders, None
            return wire.CoordinatorMessage(orders=orders)
        if self._ack > self._acked or self._refusals:
            self._acked = self._ack
            refusals, self._refusals = self._refusals, []
            return wire.CoordinatorMessage(report_ack=wire.ReportAck(number=self._ack, refusals=refusals))
        if self.leases:
            self._batch += 1
            return wire.CoordinatorMessage(leases=wire.LeaseBatch(number=self._batch, leases=self._take_leases()))
        return None

    def _take_leases(self) -> list[wire.Lease]:
        taken: list[wire.Lease] = []
        size = 0
        while self.leases and len(taken) < MESSAGE_ITEMS_MAX:
            size += self.leases[0].ByteSize()
            if taken and size > MESSAGE_BYTES_MAX:
                break
            taken.append(self.leases.popleft())
        return taken
