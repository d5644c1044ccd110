"""Looks after the queues that may refuse tasks: that their depths are known, and that their states follow.

The journal counts on by itself, and a submit changes its queue's state. This loop counts the queues again now and then,
takes in what other coordinators commit, and notes the states of queues that nobody submits to.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError

from services.coordinator.limits import ADMISSION_POLL_SECONDS, ADMISSION_RECOUNT_SECONDS
from services.coordinator.membership import Membership
from services.coordinator.tail import Foreign
from services.domain.backpressure import state_at
from services.domain.commands import ReviewAdmission
from services.domain.errors import MissionControlError
from services.domain.event import Event
from services.domain.membership import ROUTING_PROGRAM
from services.domain.policy import AdmissionPolicy, AdmissionState
from services.domain.queue import Queue, QueueKey
from services.store.flush import Committed
from services.store.journal import Journal
from services.store.queues import count_pending
from services.store.readers import Readers

log = structlog.get_logger(__name__)


class Backpressure:
    """See the module. Listens to the journal and to the log of the others."""

    def __init__(self, journal: Journal, readers: Readers, membership: Membership) -> None:
        self._journal = journal
        self._readers = readers
        self._membership = membership
        self._queues: dict[QueueKey, Queue] = {}  # those with a policy, or with a state that one has left behind
        self._coming: Counter[QueueKey] = Counter()  # those that are about to get a policy
        self._recount_due = 0.0

    def found(self, queues: Iterable[Queue]) -> None:
        """Takes in queues as they are configured now."""
        for queue in queues:
            known = self._queues.get(queue.key)
            if known is not None and known.version > queue.version:
                continue
            if queue.policy.admission.is_open and queue.admission is AdmissionState.NORMAL:
                self._queues.pop(queue.key, None)
            else:
                self._queues[queue.key] = queue

    def on_committed(self, committed: Committed) -> None:
        """Takes in what was changed."""
        self.found(committed.queues)

    def on_foreign(self, foreign: Foreign) -> None:
        """Takes in what another coordinator has changed."""
        self.found(foreign.queues)

    def on_foreign_events(self, first: int, events: Sequence[Event]) -> None:
        """Takes in what another coordinator did to the depths; `first` is the number of the first event."""
        self._journal.gates.depths.hear_foreign(first, events)

    @asynccontextmanager
    async def counted(self, key: QueueKey, policy: AdmissionPolicy) -> AsyncIterator[None]:
        """Inside, a queue that is about to get this policy is counted already, if the policy goes by the depth.

        The journal would count it itself, and do nothing else meanwhile.
        """
        self._coming[key] += 1
        try:
            if policy.counts and self._journal.gates.depths.of(key) is None:
                await self._count(key)
            yield
        finally:
            self._coming[key] -= 1
            self._coming += Counter()  # without those that are zero

    async def start(self) -> None:
        """Counts the queues that were in the database when the coordinator started."""
        self._follow()
        for key in self._journal.gates.depths.stale():
            await self._count(key)

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            try:
                await self.step(time.monotonic())
            except (MissionControlError, SQLAlchemyError) as error:
                log.warning("the queues' depths could not be looked at; trying again", error=str(error))
            await asyncio.sleep(ADMISSION_POLL_SECONDS)

    async def step(self, now: float) -> None:
        """One look, `now` by the monotonic clock."""
        gates = self._journal.gates
        gates.buckets.coordinators = max(1, len(self._membership.live))
        gates.buckets.keep(self._queues.keys())
        self._follow()
        if now >= self._recount_due:
            self._recount_due = now + ADMISSION_RECOUNT_SECONDS
            gates.depths.make_stale()
        for key in gates.depths.stale():
            await self._count(key)
        if self._membership.keeps_house and self._membership.program >= ROUTING_PROGRAM:
            await self._review()

    def _follow(self) -> None:
        deep = {key for key, queue in self._queues.items() if queue.policy.admission.counts}
        self._journal.gates.depths.follow(deep | self._coming.keys())

    async def _count(self, key: QueueKey) -> None:
        """Counts a queue, beside what is being written.

        The count is taken in between two flushes: one that is being written is in the count or not, as it happens.
        """
        depths = self._journal.gates.depths
        count = depths.begin_count(key)
        try:
            pending, head = await self._readers.run(partial(count_pending, key=key))
            await self._journal.read(lambda _: depths.counted(key, count, pending, head=head))
        except BaseException:
            depths.give_up_count(key, count)
            raise

    async def _review(self) -> None:
        """Has those states noted that are not what they should be."""
        depths = self._journal.gates.depths
        for queue in list(self._queues.values()):
            pending = depths.of(queue.key)
            policy = queue.policy.admission
            if pending is None and policy.by_depth:
                continue
            if state_at(policy, queue.admission, pending=pending or 0) is not queue.admission:
                await self._journal.submit(ReviewAdmission(queue.key))
