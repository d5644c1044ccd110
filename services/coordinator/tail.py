"""What other coordinators commit, heard by reading the log behind them.

Feed numbers are given by the database in the order of commits. This coordinator's own commits are told at once if
nothing is missing before them; what is missing is read, so followers see one sequence, whoever wrote it. What the
others did to tasks, agents and queues that concern this coordinator is told to its parts.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import msgspec
import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from services.coordinator.feed import Feed
from services.coordinator.limits import TAIL_CHUNKS_MAX, TAIL_POLL_ALONE_SECONDS, TAIL_POLL_SECONDS
from services.domain.agent import Agent, AgentKey
from services.domain.errors import MissionControlError
from services.domain.event import Event
from services.domain.queue import Queue, QueueKey
from services.domain.requirements import Requirements
from services.domain.task import Task, TaskState
from services.store.feed import read_log
from services.store.flush import Committed
from services.store.journal import Journal
from services.store.readers import Readers
from services.store.row_reader import Rows, read_rows

log = structlog.get_logger(__name__)


class Foreign(msgspec.Struct, frozen=True):
    """What others committed, and how the rows that this coordinator has to know of stand now."""

    events: Sequence[Event]
    ready: Sequence[Task]
    requirements: dict[str, Requirements]
    agents: Sequence[Agent]
    queues: Sequence[Queue]


Listener = Callable[[Foreign], None]
EventListener = Callable[[int, Sequence[Event]], None]


class Tail:
    """See the module. `on_committed` listens to the journal; `run` reads; `knows` tells which agents matter here."""

    def __init__(
        self,
        journal: Journal,
        readers: Readers,
        feed: Feed,
        *,
        knows: Callable[[AgentKey], bool],
        others: Callable[[], bool],
    ) -> None:
        self._journal = journal
        self._readers = readers
        self._feed = feed
        self._knows = knows
        self._others = others
        self._own: deque[Committed] = deque()  # not told yet: something before them is missing
        self._untold: list[Event] = []  # of others: the followers have heard of them, the parts have not
        self._listeners: list[Listener] = []
        self._event_listeners: list[EventListener] = []
        self._missing = asyncio.Event()
        self._ahead = False  # what was read ends with an own commit that the journal has not told of yet

    def subscribe(self, listener: Listener) -> None:
        """Calls the listener with what others committed, in the order of commits. It must not block or raise."""
        self._listeners.append(listener)

    def subscribe_events(self, listener: EventListener) -> None:
        """Calls the listener with each commit of the others as soon as it is read: the number of its first event, and
        all of them. It must not block or raise.
        """
        self._event_listeners.append(listener)

    def on_committed(self, committed: Committed) -> None:
        """Tells the followers of an own commit, as soon as what came before it is told."""
        self._own.append(committed)
        self._tell_own()
        if self._own or self._ahead:
            self._ahead = False
            self._missing.set()

    async def run(self) -> None:
        """Reads what is missing, and looks for more, until cancelled."""
        while True:
            try:
                more = await self.step()
            except (MissionControlError, SQLAlchemyError) as error:
                log.warning("the log of the other coordinators could not be read; trying again", error=str(error))
                more = False
            if not more:
                await self._wait()

    async def step(self) -> bool:
        """One bounded pass. Whether there may be more to read at once.

        What the parts could not be told of before, since the rows could not be read, comes first.
        """
        if self._untold:
            await self._tell()
        epoch, chunks = await self._readers.run(partial(read_log, after=self._feed.head, limit=TAIL_CHUNKS_MAX))
        if epoch != self._feed.epoch:
            # A standby was promoted, or a backup put back: those numbers are given to other events now. The writer
            # finds that out with its next flush; until then nobody may hear them under the epoch of before.
            log.warning("the feed has begun another epoch; this coordinator ends", was=self._feed.epoch, now=epoch)
            self._journal.lost.set()
            return False
        for chunk in chunks:
            if chunk.first <= self._feed.head:
                continue  # an own one that was told while this was read
            if chunk.coordinator_id == self._journal.identity.coordinator_id:
                self._ahead = True  # the journal tells of it in a moment
                break
            self._feed.append(chunk.first, chunk.events)
            self._untold += chunk.events
            for listener in self._event_listeners:
                listener(chunk.first, chunk.events)
            self._tell_own()
        if not self._untold:
            return False
        await self._tell()
        return len(chunks) == TAIL_CHUNKS_MAX

    async def _wait(self) -> None:
        self._missing.clear()
        seconds = TAIL_POLL_SECONDS if self._others() or self._own else TAIL_POLL_ALONE_SECONDS
        try:
            async with asyncio.timeout(seconds):
                await self._missing.wait()
        except TimeoutError:
            return

    def _tell_own(self) -> None:
        while self._own and self._own[0].first_sequence <= self._feed.head + 1:
            committed = self._own.popleft()
            assert committed.first_sequence == self._feed.head + 1, "an own commit was told by somebody else"
            self._feed.append(committed.first_sequence, committed.events)

    async def _tell(self) -> None:
        """Tells the parts, with the rows as they stand behind all that this coordinator has committed itself."""
        events = self._untold
        agents = {(event.namespace, event.agent_id) for event in events if event.agent_id}
        known = [key for key in agents if self._knows(key)]
        queues: set[QueueKey] = {
            (event.namespace, event.queue) for event in events if event.queue and not event.task_id
        }
        self._journal.changed_elsewhere({event.task_id for event in events if event.task_id}, agents, queues)
        ready = made_ready(events)
        rows = Rows([], [], [], {})
        if ready or known or queues:
            rows = await self._journal.read(partial(read_all, ready=ready, agents=known, queues=queues))
        self._untold = []
        foreign = Foreign(events, [t for t in rows.tasks if pending(t)], rows.requirements, rows.agents, rows.queues)
        for listener in self._listeners:
            listener(foreign)


def read_all(
    connection: Connection, ready: Iterable[str], agents: Iterable[AgentKey], queues: Iterable[QueueKey]
) -> Rows:
    """The rows with these keys, as they are now."""
    return read_rows(connection, task_ids=list(ready), agents=list(agents), queues=list(queues))


def made_ready(events: Iterable[Event]) -> list[str]:
    """The tasks that these events leave ready."""
    last = {event.task_id: event.data.to_state for event in events if event.changes_task}
    return [task_id for task_id, state in last.items() if state == TaskState.PENDING]


def is_of_queue(event: Event) -> bool:
    """Whether it tells of a queue itself."""
    return bool(event.queue) and not event.task_id


def pending(task: Task) -> bool:
    """Whether it waits for an agent."""
    return task.state is TaskState.PENDING
