"""Notes why tasks cannot be placed: what the scheduler says of groups becomes rows, and events of the changes.

Several coordinators may hear the same, each of its part of a group; whoever is first writes it. A group can be placed
again when nothing is said of it any more where its tasks are, or when none of them is left.

Without a scheduler nothing is written: what is noted may be late then, and whoever reads it says that there is none.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from functools import partial

import msgspec
import structlog
from missioncontrol.v1 import scheduler_service_pb2 as wire
from sqlalchemy.exc import SQLAlchemyError

from services.coordinator.limits import (
    STUCK_LOOK_SECONDS,
    STUCK_NOTE_SECONDS,
    STUCK_NOTES_MAX,
    STUCK_SETTLE_SECONDS,
)
from services.coordinator.tail import Foreign
from services.coordinator.unplaceable_groups import UnplaceableGroups
from services.coordinator.window import Window
from services.domain.commands import NoteStuck, StuckNote
from services.domain.errors import MissionControlError
from services.domain.event import EventType
from services.domain.membership import ROUTING_PROGRAM
from services.domain.requirements import WaitReason
from services.domain.stuck_group import StuckGroup, StuckKey
from services.domain.wait_message import AGENT_AWAY
from services.store.away_agents import find_able
from services.store.flush import Committed
from services.store.journal import Journal
from services.store.readers import Readers
from services.store.waits import find_over

log = structlog.get_logger(__name__)

Noted = tuple[WaitReason, bool, str]  # reason, never, message: what a difference is news of


class StuckGroups:
    """See the module. Listens to the journal and the tail; `run` writes. `clock` is monotonic, seconds.

    `program` is what every live coordinator knows: one that does not know these events cannot read the log with them.
    """

    def __init__(
        self,
        journal: Journal,
        readers: Readers,
        window: Window,
        *,
        program: Callable[[], int] = lambda: ROUTING_PROGRAM,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._journal = journal
        self._readers = readers
        self._window = window
        self._program = program
        self._clock = clock
        self._said = UnplaceableGroups(window.group_numbered)
        self._noted: dict[StuckKey, Noted] = {}
        self._due: dict[StuckKey, float] = {}
        self._rests: dict[StuckKey, float] = {}  # until when what was just written is left as it is
        # When all is looked through, since by then everything has been said; None: there is no stream.
        self._look_time: float | None = None
        # Where agents have come, and when it is looked who can be run by them after all.
        self._newcomers: dict[str, float] = {}
        self._wake = asyncio.Event()

    # What the scheduler says.

    def begin(self) -> None:
        """A stream begins: nothing is said on it yet."""
        self._said.clear()
        self._look_time = self._clock() + STUCK_SETTLE_SECONDS
        self._wake.set()

    def end(self) -> None:
        """The stream is over. What is noted stays until something else is said on another one."""
        self._said.clear()
        self._due.clear()
        self._look_time = None

    def hear(self, news: Iterable[wire.Unplaceable]) -> None:
        """Takes in why groups wait, or that they do not."""
        self._look_at(self._said.hear(news))

    def _look_at(self, keys: Iterable[StuckKey]) -> None:
        """Has these looked at: at once, or a while after they were last written."""
        for key in keys:
            self._due[key] = self._rests.get(key, 0.0)
            self._wake.set()

    # What is noted.

    def found(self, groups: Iterable[StuckGroup]) -> None:
        """Takes in what was in the database when the coordinator started, or what was written."""
        for group in groups:
            self._take(group.key, (group.reason, group.never, group.message))

    def on_committed(self, committed: Committed) -> None:
        """Takes in what was noted here, and that agents came."""
        self.found(committed.stuck)
        for namespace, _ in committed.holdings:
            self._note_newcomer(namespace)

    def on_foreign(self, foreign: Foreign) -> None:
        """Takes in what another coordinator has noted. That a group can be placed is contradicted if it stays so here.

        Where reasons differ nobody insists, or two would write in turns for ever.
        """
        for event in foreign.events:
            if event.type is EventType.AGENT_CONNECTED:
                self._note_newcomer(event.namespace)
            key, stuck = event.stuck_key, event.data.stuck
            if key is None or stuck is None:
                continue
            self._take(key, (stuck.reason, stuck.never, stuck.message))
            if not stuck.reason and key in self._said:
                self._rests[key] = self._clock() + STUCK_NOTE_SECONDS  # or else the same is about to be said here
                self._look_at([key])

    def _note_newcomer(self, namespace: str) -> None:
        """An agent has come. If it goes again at once, the scheduler's word stays what it was, but not what follows."""
        if namespace not in self._newcomers:
            self._newcomers[namespace] = self._clock() + STUCK_NOTE_SECONDS
            self._wake.set()

    def _take(self, key: StuckKey, noted: Noted) -> None:
        if noted[0]:
            self._noted[key] = noted
        else:
            self._noted.pop(key, None)

    # Writing.

    async def run(self) -> None:
        """Writes what is news, until cancelled."""
        while True:
            self._wake.clear()
            try:
                await self.step()
            except (MissionControlError, SQLAlchemyError) as error:
                log.warning("why tasks wait could not be noted; trying again", error=str(error))
            try:
                async with asyncio.timeout(self._seconds_to_wait()):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _seconds_to_wait(self) -> float | None:
        times = [
            *self._due.values(),
            *self._newcomers.values(),
            *([] if self._look_time is None else [self._look_time]),
        ]
        return max(0.0, min(times) - self._clock()) if times else None

    async def step(self) -> None:
        """One bounded pass over what is due. What could not be written is due again a while later."""
        now = self._clock()
        self._rests = {key: until for key, until in self._rests.items() if until > now}
        if self._look_time is not None and now >= self._look_time:
            self._look_time = now + STUCK_LOOK_SECONDS
            self._look_through()
        self._look_at_hopeless({namespace for namespace, time_ in self._newcomers.items() if time_ <= now})
        due = [key for key, time_ in self._due.items() if time_ <= now][:STUCK_NOTES_MAX]
        if self._program() < ROUTING_PROGRAM:
            self._due.update((key, now + STUCK_NOTE_SECONDS) for key in due)
            return
        for key in due:
            del self._due[key]
        try:
            notes = [note for note in await self._notes(due) if self._is_news(note)] if due else []
            self._rests.update((note.key, now + STUCK_NOTE_SECONDS) for note in notes)
            if notes:
                await self._journal.submit(NoteStuck(notes))
        except (MissionControlError, SQLAlchemyError):
            for key in due:
                self._due.setdefault(key, now + STUCK_NOTE_SECONDS)
            raise

    def _look_through(self) -> None:
        """What is not remembered any more is not said; what is noted and not said may be over."""
        self._look_at(self._said.drop_forgotten())
        self._look_at(key for key in self._noted if key not in self._said)
        self._look_at(self._said.hopeless())  # agents may have been forgotten

    def _look_at_hopeless(self, namespaces: set[str]) -> None:
        """Has all of these namespaces looked at again that nobody could ever run by the scheduler's word."""
        for namespace in namespaces:
            del self._newcomers[namespace]
        if namespaces:
            self._look_at(key for key in self._said.hopeless() if key[0] in namespaces)

    def _is_news(self, note: StuckNote) -> bool:
        noted = self._noted.get(note.key)
        return noted is not None if not note.reason else noted != (note.reason, note.never, note.message)

    async def _notes(self, keys: Iterable[StuckKey]) -> list[StuckNote]:
        """What is to be noted of these groups, news or not."""
        said = {key: self._said.note(key) for key in keys}
        notes = [note for note in said.values() if note is not None and not note.never]
        hopeless = [note for note in said.values() if note is not None and note.never]
        if hopeless:
            wanted = [self._said.wanted(note.key) for note in hopeless]
            able = await self._readers.run(partial(find_able, wanted=wanted, names_max=1))
            notes += [away(note) if names else note for note, names in zip(hopeless, able, strict=True)]
        silent = [key for key, note in said.items() if note is None and key in self._noted]
        if silent:
            over = await self._readers.run(partial(find_over, keys=silent, shards=self._window.shards))
            notes += [StuckNote(key, "", WaitReason.NONE) for key in over if key not in self._said]
        return notes


def away(note: StuckNote) -> StuckNote:
    """What no agent can run that the scheduler knows, but one that is known here could."""
    return msgspec.structs.replace(note, reason=WaitReason.AGENTS_NOT_ACCEPTING, never=False, message=AGENT_AWAY)
