"""What is to be said on an agent's stream.

It gathers while the stream is busy, and leaves in as few messages as the contract allows.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice

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

# Of these two orders of a lease the later one counts.
REVERSED = {"follow_output": "unfollow_output", "unfollow_output": "follow_output"}


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
        self._offers: dict[LeaseKey, Offer] = {}
        self._first: deque[wire.CoordinatorMessage] = deque()
        self._ack = 0
        self._acked = 0
        self._acked_at = 0.0
        self._refusals: list[wire.Refusal] = []
        self._orders: dict[tuple[str, LeaseKey], None] = {}
        self._drain: wire.Orders | None = None
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
        self._offers.update(((offer.granted.task.id, offer.granted.task.token), offer) for offer in offers)
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
        if kind == "drop" and self._offers.pop(lease, None) is not None:
            return  # It was not delivered yet. The order would overtake it, and the agent begin what it has lost.
        self._orders.pop((REVERSED.get(kind, kind), lease), None)
        self._orders[kind, lease] = None
        self._wake.set()

    def order_drain(self, mode: DrainMode, *, drain_time: int, now: int) -> None:
        """Orders a drain, or calls it off. Instants are microseconds since 1970 UTC."""
        self._drain = wire.Orders(resume=mode is DrainMode.NONE)
        if not self._drain.resume:
            convert_session.put_drain(self._drain, mode, drain_time=drain_time, now=now)
        self._wake.set()

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
        if self._orders or self._drain is not None:
            return wire.CoordinatorMessage(orders=self._compose_orders())
        if self._ack_due() == 0:
            return self._compose_ack()
        return self._compose_leases() if self._offers else None

    def _compose_orders(self) -> wire.Orders:
        orders, self._drain = self._drain or wire.Orders(), None
        for kind, lease in list(islice(self._orders, MESSAGE_ITEMS_MAX)):
            getattr(orders, kind).add(task_id=lease[0], token=lease[1])
            del self._orders[kind, lease]
        return orders

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
        for lease, offer in islice(self._offers.items(), MESSAGE_ITEMS_MAX):
            size += offer.size
            if size > MESSAGE_BYTES_MAX and delivering:
                break
            delivering.append(lease)
            convert_lease.lease(offer.granted, document=offer.document, checkpoint=offer.checkpoint, make=add)
        for lease in delivering:
            del self._offers[lease]
        self.delivering = delivering
        return message
