"""What the window needs of the backlog in the database, read in the order of commits so that nothing is missed or taken
twice. A read that fails is made again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog

from services.coordinator.limits import REFILL_RETRY_SECONDS
from services.coordinator.window import Group, Window
from services.store.backlog import BacklogGroup, read_groups, read_ready
from services.store.journal import Journal

log = structlog.get_logger(__name__)


class BacklogReads:
    """See the module. It has the window that it fills, and calls `changed` when it has."""

    def __init__(self, journal: Journal, *, changed: Callable[[], None]) -> None:
        self._journal = journal
        self._changed = changed
        self.window = Window(self._refill)

    async def start(self, shards: frozenset[int]) -> None:
        """Takes in what waits in these shards. Raises what the journal raises."""
        self.window.look_after(shards)
        self._found(await self._journal.read(partial(read_groups, shards=shards)))

    def look_after(self, shards: frozenset[int]) -> None:
        """From now on these are the window's. What waits in those that were another coordinator's is read."""
        gained = shards - self.window.shards
        self.window.look_after(shards)
        self._read_groups(gained)

    def _found(self, groups: list[BacklogGroup]) -> None:
        for group in groups:
            key = (group.namespace, group.queue, group.priority, group.needs_id, group.shard, group.fairness_key)
            self.window.found(key, group.kind, requirements=group.requirements, count=group.count)

    def _read_groups(self, shards: frozenset[int]) -> None:
        def take(groups: list[BacklogGroup]) -> None:
            self._found([group for group in groups if group.shard in self.window.shards])

        if shards:
            self._read(partial(read_groups, shards=shards), take, again=partial(self._read_groups, shards))

    def _refill(self, group: Group, limit: int) -> None:
        """Asks for the next tasks of a group."""
        read = partial(read_ready, group=group.key, after=group.end, limit=limit)
        self._read(read, partial(self.window.refilled, group, asked=limit), again=partial(self.window.failed, group))

    def _read(self, read: Callable[[Any], Any], take: Callable[[Any], None], *, again: Callable[[], None]) -> None:
        def settle(answer: asyncio.Future[Any]) -> None:
            if answer.cancelled() or answer.exception() is not None:
                log.warning("the backlog could not be read; trying again")
                asyncio.get_running_loop().call_later(REFILL_RETRY_SECONDS, again)
                return
            take(answer.result())
            self._changed()

        self._journal.read(read).add_done_callback(settle)
