"""What is to be said on an agent's stream.

It gathers while the stream is busy, and leaves in as few messages as the contract allows.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

import msgspec
from missioncontrol.v1 import agent_service_pb2 as wire

from services.coordinator.limits import (
    ACK_PAUSE_SECONDS,
    MESSAGE_BYTES_MAX,
    MESSAGE_ITEMS_MAX,
    UNHEARD_MESSAGES_MAX,
    UNHEARD_REFUSALS_MAX,
)
from services.domain.agent import DrainMode
from services.domain.commands import LeaseKey
from services.domain.errors import Unavailable
from services.domain.ledger import Granted
from services.transport import convert_lease, convert_session

DEAF = "the agent does not read what it is told; connect again"


class Offer(msgspec.Struct, frozen=True, gc=False):
    """A lease that is to be delivered, with the documents that go with it."""

    granted: Granted
    document: bytes
    checkpoint: bytes = b""

    @property
    def size(self) -> int:
        """About how many bytes of a message it takes."""
        return len(self.document) + len(self.checkpoint) + 128


class Outbox:
    """The coordinator's side of one stream.

    What is in it is bounded by what the agent may hold: slots, queue limit, and reports on their way. An agent that
    speaks and does not listen has more and more to be answered: it is let go.
    """

    def __init__(self) -> None:
        self._offers: deque[Offer] = deque()
        self._first: deque[wire.CoordinatorMessage] = deque()
        self._ack = 0
        self._acked = 0
        self._acked_at = 0.0
        self._refusals: list[wire.Refusal] = []
        self._orders: wire.Orders | None = None
        self._batch = 0
        self._wake = asyncio.Event()
        self.delivering: Sequence[LeaseKey] = ()

    def say(self, message: wire.CoordinatorMessage) -> None:
        """Something that goes first: Welcome, echoes, Moving. Raises Unavailable if nothing of it is heard."""
        if len(self._first) >= UNHEARD_MESSAGES_MAX:
            raise Unavailable(DEAF)
        self._first.append(message)
        self._wake.set()

    def offer(self, offers: list[Offer]) -> None:
        """Leases to deliver."""
        self._offers.extend(offers)
        self._wake.set()

    def acknowledge(self, number: int, refusals: list[wire.Refusal]) -> None:
        """Reports up to this number are committed. Raises Unavailable if nothing of it is heard."""
        if len(self._refusals) >= UNHEARD_REFUSALS_MAX:
            raise Unavailable(DEAF)
        self._ack = max(self._ack, number)
        self._refusals += refusals
        self._wake.set()

    def order(self, kind: str, lease: LeaseKey) -> None:
        """Orders something of one lease: to cancel or drop it, to follow its output."""
        getattr(self._next_orders(), kind).add(task_id=lease[0], token=lease[1])
        self._wake.set()

    def order_drain(self, mode: DrainMode, *, drain_time: int, now: int) -> None:
        """Orders a drain, or calls it off. Instants are microseconds since 1970 UTC."""
        orders = self._next_orders()
        orders.ClearField("drain")
        orders.resume = mode is DrainMode.NONE
        if not orders.resume:
            convert_session.put_drain(orders, mode, drain_time=drain_time, now=now)
        self._wake.set()

    def _next_orders(self) -> wire.Orders:
        if self._orders is None:
            self._orders = wire.Orders()
        return self._orders

    async def next(self) -> wire.CoordinatorMessage:
        """The next message; waits until there is one. `delivering` are the leases in it."""
        while True:
            message = self._compose()
            if message is not None:
                return message
            self._wake.clear()
            due = self._ack_due()
            if due is None:
                await self._wake.wait()
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(due):
                    await self._wake.wait()

    def _ack_due(self) -> float | None:
        """Seconds until an acknowledgement may go out; None if there is none to give."""
        if self._ack <= self._acked and not self._refusals:
            return None
        return max(0.0, self._acked_at + ACK_PAUSE_SECONDS - time.monotonic())

    def _compose(self) -> wire.CoordinatorMessage | None:
        self.delivering = ()
        if self._first:
            return self._first.popleft()
        if self._orders is not None:
            orders, self._orders = self._orders, None
            return wire.CoordinatorMessage(orders=orders)
        if self._ack_due() == 0:
            return self._compose_ack()
        return self._compose_leases() if self._offers else None

    def _compose_ack(self) -> wire.CoordinatorMessage:
        self._acked, self._acked_at = self._ack, time.monotonic()
        refusals, self._refusals = self._refusals, []
        return wire.CoordinatorMessage(report_ack=wire.ReportAck(number=self._ack, refusals=refusals))

    def _compose_leases(self) -> wire.CoordinatorMessage:
        """A batch of leases, each built in its place in the message."""
        message = wire.CoordinatorMessage()
        delivering: list[LeaseKey] = []
        self._batch += 1
        message.leases.number = self._batch
        add = message.leases.leases.add
        size = 0
        for _ in range(min(MESSAGE_ITEMS_MAX, len(self._offers))):
            size += self._offers[0].size
            if size > MESSAGE_BYTES_MAX and message.leases.leases:
                break
            offer = self._offers.popleft()
            delivering.append((offer.granted.task.id, offer.granted.task.token))
            convert_lease.lease(offer.granted, document=offer.document, checkpoint=offer.checkpoint, make=add)
        self.delivering = delivering
        return message
