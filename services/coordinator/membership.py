"""This coordinator among the others on its database: sees who lives, takes over from the dead, shares the shards.

It looks at the coordinators' rows twice a second. What is in the database decides; what is kept here is only what was
seen. On SQLite there are no others, and every shard is its own from the start.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from services.coordinator.limits import MEMBERSHIP_POLL_SECONDS, ORPHANS_POLL_SECONDS
from services.domain.commands import AdoptAgents
from services.domain.errors import FailedPrecondition, MissionControlError
from services.domain.membership import PROGRAM, ROUTING_PROGRAM, SHARDS, Coordinator, Watch, shards_to_take
from services.store.coordinators import read_coordinators, read_unowned_shards, retire, take_over, take_shards
from services.store.journal import Journal
from services.store.readers import Readers
from services.store.timers import read_orphans
from services.store.transactions import in_thread

log = structlog.get_logger(__name__)

OnShards = Callable[[frozenset[int]], None]


class Membership:
    """See the module. `shards` are this coordinator's, `live` all that are there, itself among them."""

    def __init__(self, engine: Engine, journal: Journal, readers: Readers) -> None:
        self._engine = engine
        self._journal = journal
        self._readers = readers
        self._alone = engine.dialect.name == "sqlite"
        self._watch = Watch()
        self._listeners: list[OnShards] = []
        self._orphans_due = 0.0
        self.live: tuple[Coordinator, ...] = ()
        self.shards: frozenset[int] = frozenset(range(SHARDS)) if self._alone else frozenset()

    def subscribe(self, listener: OnShards) -> None:
        """Calls the listener with this coordinator's shards whenever they change."""
        self._listeners.append(listener)

    @property
    def addresses(self) -> list[str]:
        """Where agents reach the live coordinators; empty if there is only this one."""
        return [each.address for each in self.live if each.address] if len(self.live) > 1 else []

    @property
    def others(self) -> bool:
        """Whether another coordinator may be writing."""
        return len(self.live) > 1

    @property
    def program(self) -> int:
        """What every live coordinator knows: the least of their programs."""
        return min((each.program for each in self.live), default=PROGRAM)

    def require_routing(self, what: str) -> None:
        """Raises FailedPrecondition for what an older coordinator would not know of, while one lives."""
        if self.program < ROUTING_PROGRAM:
            raise FailedPrecondition(
                f"{what} as long as a coordinator of an older version runs on this database: replace it first"
            )

    def owns(self, shard: int) -> bool:
        """Whether this coordinator looks after a shard."""
        return shard in self.shards

    @property
    def keeps_house(self) -> bool:
        """Whether this is the one that does what one has to do for all: the owner of the first shard."""
        return 0 in self.shards

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            await asyncio.sleep(MEMBERSHIP_POLL_SECONDS)
            if self._alone:
                continue
            try:
                await self.step(time.monotonic())
            except (MissionControlError, SQLAlchemyError) as error:
                log.warning("the other coordinators could not be looked at; trying again", error=str(error))

    async def join(self) -> None:
        """Takes this coordinator's share of the shards."""
        if not self._alone:
            await self.step(time.monotonic())

    async def leave(self) -> None:
        """Says that this coordinator has stopped: the others need not wait for it to be dead."""
        if self._alone:
            return
        try:
            await in_thread(self._engine, partial(retire, identity=self._journal.identity))
        except SQLAlchemyError as error:
            log.warning("could not say that this coordinator has stopped; the others find out", error=str(error))

    async def step(self, now: float) -> None:
        """One look, and what follows from it."""
        own_id = self._journal.identity.coordinator_id
        everyone, unowned = await self._readers.run(look)
        dead = self._watch.look([each for each in everyone if each.id != own_id], now=now)
        for each in dead:
            if await in_thread(self._engine, partial(take_over, by=self._journal.identity, dead=each)):
                log.warning("took over from a dead coordinator", coordinator_id=each.id, shards=len(each.shards))
        live = [each for each in everyone if each.live and each not in dead]
        taken = shards_to_take(live, own_id, unowned=unowned)
        if taken:
            await in_thread(self._engine, partial(take_shards, by=self._journal.identity, taken=taken))
        if dead or taken:
            everyone = await self._readers.run(read_coordinators)
        self._note(everyone, own_id)
        if self.keeps_house and (dead or now >= self._orphans_due):
            self._orphans_due = now + ORPHANS_POLL_SECONDS
            await self._adopt()

    def _note(self, everyone: list[Coordinator], own_id: str) -> None:
        self.live = tuple(each for each in everyone if each.live)
        self._journal.use_program(self.program)
        shards = frozenset(shard for each in everyone if each.id == own_id for shard in each.shards)
        if shards != self.shards:
            log.info("shards changed", shards=len(shards), coordinators=len(self.live))
            self.shards = shards
            for listener in self._listeners:
                listener(shards)

    async def _adopt(self) -> None:
        """Agents whose coordinator is gone get the grace period, once."""
        orphans = await self._readers.run(partial(read_orphans, live=[each.id for each in self.live]))
        if orphans:
            log.info("agents lost their coordinator", agents=len(orphans))
            await self._journal.submit(AdoptAgents(orphans))


def look(connection: Connection) -> tuple[list[Coordinator], list[int]]:
    """All coordinators, and the shards that nobody has taken."""
    return read_coordinators(connection), read_unowned_shards(connection)
