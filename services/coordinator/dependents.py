"""Goes on with the dependents of tasks that have ended, where one flush was not enough.

What is left to do are rows, so it survives anything: the coordinator that keeps house for all looks for it at the
start and now and again. What a commit of this coordinator has left is gone on with at once.
"""

from __future__ import annotations

import asyncio
from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError

from services.coordinator.limits import UNSETTLED_LOOKED_AT_MAX, UNSETTLED_PAUSE_SECONDS, UNSETTLED_POLL_SECONDS
from services.coordinator.membership import Membership
from services.domain.commands import SettleDependents
from services.domain.errors import MissionControlError
from services.store.dependencies import Unsettled, find_unsettled
from services.store.flush import Committed
from services.store.journal import Journal
from services.store.readers import Readers

log = structlog.get_logger(__name__)


class Dependents:
    """See the module. `step` is one bounded pass."""

    def __init__(self, journal: Journal, readers: Readers, membership: Membership) -> None:
        self._journal = journal
        self._readers = readers
        self._membership = membership
        self._left: dict[str, None] = {}  # by commits of this coordinator
        self._some = asyncio.Event()
        self._after = ""  # what is waited for up to this id has been looked at in this round

    def on_committed(self, committed: Committed) -> None:
        """Notes what a commit has left."""
        if committed.unsettled:
            self._left |= dict.fromkeys(committed.unsettled)
            self._some.set()

    async def run(self) -> None:
        """Goes on with what is left, and looks for more, until cancelled."""
        while True:
            more = False
            try:
                more = await self.step()
            except (MissionControlError, SQLAlchemyError) as error:
                log.warning("dependents could not be moved on; the next pass tries again", error=str(error))
            await self._wait(UNSETTLED_PAUSE_SECONDS if more else UNSETTLED_POLL_SECONDS)

    async def step(self) -> bool:
        """One pass: what is known to be left, or else a part of what may be. Whether there may be more to look at."""
        self._some.clear()
        if self._left:
            task_ids, self._left = list(self._left), {}
            await self._journal.submit(SettleDependents(task_ids))
            return bool(self._left)
        if not self._membership.keeps_house:
            return False
        look = partial(find_unsettled, after=self._after, limit=UNSETTLED_LOOKED_AT_MAX)
        found: Unsettled = await self._readers.run(look)
        self._after = found.after
        if found.task_ids:
            await self._journal.submit(SettleDependents(found.task_ids))
        return bool(found.after)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._some.wait()
        except TimeoutError:
            return
