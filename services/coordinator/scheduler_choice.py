"""This coordinator's part in which scheduler is the active one: looks at the row, and names another one if need be.

The link to the scheduler takes its address and term from here and says whether its stream is up. With one address
there is nothing to choose: no row is read or written, and the scheduler is asked nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from functools import partial

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from services.coordinator.limits import (
    SCHEDULER_LOOK_SECONDS,
    SCHEDULER_PING_SECONDS,
    SCHEDULER_PROBE_SECONDS,
    SCHEDULER_STALL_SECONDS,
)
from services.domain.errors import MissionControlError
from services.domain.scheduler_choice import SILENCE_SECONDS, Active, Choice
from services.store.readers import Readers
from services.store.schedulers import choose, read_active
from services.store.transactions import in_thread
from services.transport.tls import Dialling

log = structlog.get_logger(__name__)

SERVICE = "missioncontrol.v1.SchedulerService"


class SchedulerChoice:
    """See the module. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        engine: Engine,
        readers: Readers,
        addresses: Sequence[str],
        *,
        clock: Callable[[], float] = time.monotonic,
        dial: Dialling = Dialling(),  # noqa: B008 -- frozen
    ) -> None:
        self._dial = dial
        self._engine = engine
        self._readers = readers
        self._clock = clock
        self._choice = Choice(addresses, now=clock())
        self._moved = asyncio.Event()  # a new one after each move
        self._look = asyncio.Event()
        self._pings = 0
        self._asked = 0

    # What the link uses.

    @property
    def target(self) -> Active:
        """Where the stream should go, and the term to say."""
        return self._choice.target

    def heard(self) -> None:
        """Notes that the scheduler said something."""
        self._choice.heard(now=self._clock())

    def lost(self) -> None:
        """Notes that there is no stream. The row is looked at: perhaps it names another one."""
        self._choice.lost(now=self._clock())
        self._look.set()

    def take_ping(self) -> int:
        """The number to ask the scheduler for; 0 if it was asked, or need not be."""
        asked, self._asked = self._asked, self._pings
        return 0 if asked == self._pings else self._pings

    async def watch(self, address: str, ask: Callable[[], object]) -> None:
        """Calls `ask` whenever there is a ping. Returns when the stream to this address should end: silent or moved."""
        opened = self._clock()
        while self.target.address == address:
            before = self._clock()
            if self._choice.has_standby:
                self._pings += 1
                ask()
            await _within(self._moved, SCHEDULER_PING_SECONDS if self._choice.has_standby else None)
            now = self._clock()
            if now - before > SCHEDULER_STALL_SECONDS:
                opened = now
                self._choice.slept(now=now)
            if self._is_silent(opened, now):
                log.warning("the scheduler is silent", address=address)
                return

    async def wait(self, seconds: float, *, after: str) -> bool:
        """Returns after this time, or as soon as the stream should go elsewhere than to that address: then True."""
        if self.target.address == after:
            await _within(self._moved, seconds)
        return self.target.address != after

    def _is_silent(self, opened: float, now: float) -> bool:
        return self._choice.has_standby and min(now - opened, now - self._choice.good_time) >= SILENCE_SECONDS

    # The loop.

    async def start(self) -> None:
        """Finds out which one is active, so that the first stream goes there."""
        if self._choice.has_standby:
            await self.step()

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            until_due = self._choice.due_time() - self._clock()
            soon = 0 < until_due < SCHEDULER_LOOK_SECONDS
            await _within(self._look, until_due if soon else SCHEDULER_LOOK_SECONDS)
            self._look.clear()
            if not self._choice.has_standby:
                continue
            try:
                await self.step()
            except (MissionControlError, SQLAlchemyError, OSError) as error:
                log.warning("the active scheduler could not be looked up; trying again", error=str(error))

    async def step(self) -> None:
        """One look, and a choice if one is due."""
        seen = await self._readers.run(read_active)
        self._see(seen)
        if self._clock() < self._choice.due_time():
            return
        found = await first_serving(self._choice.candidates, dial=self._dial)
        if not found or self._clock() < self._choice.due_time():
            return
        if await in_thread(self._engine, partial(choose, address=found, seen=seen.term)):
            log.warning("chose a scheduler", address=found, instead_of=seen.address, term=seen.term + 1)
            self._choice.chose(now=self._clock())
        self._see(await self._readers.run(read_active))

    def _see(self, row: Active) -> None:
        if self._choice.see(row, now=self._clock()):
            log.info("another scheduler is the active one", address=row.address, term=row.term)
            self._moved.set()
            self._moved = asyncio.Event()


async def first_serving(addresses: Sequence[str], *, dial: Dialling) -> str:
    """The first of these schedulers that says that it serves; empty if none does. All are asked at once."""
    answers = await asyncio.gather(*(serves(address, dial=dial) for address in addresses))
    return next((address for address, answer in zip(addresses, answers, strict=True) if answer), "")


async def serves(address: str, *, dial: Dialling) -> bool:
    """Whether a scheduler there says that it serves, now."""
    # A connection of its own: one that is kept could be to a process that is no more.
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with dial.open(address, options) as channel:
        request = health_pb2.HealthCheckRequest(service=SERVICE)
        try:
            answer = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=SCHEDULER_PROBE_SECONDS)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def _within(event: asyncio.Event, seconds: float | None) -> None:
    """Waits for an event, for so long at most."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
