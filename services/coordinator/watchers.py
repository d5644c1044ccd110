"""Who waits for changes of which task. A watch is told that something changed, never what: it reads the task itself."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from services.coordinator.tail import Foreign
from services.domain.errors import Unavailable
from services.domain.stuck_group import StuckKey
from services.store.flush import Committed


class TaskWatch:
    """One wait for one task. `wake` may be set by others, too, who have something for the same reader."""

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self._group: StuckKey | None = None
        self._group_known = False
        self._changed = False
        self._closed = False

    def note_change(self) -> None:
        """The task changed."""
        self._changed = True
        self.wake.set()

    def wait_with(self, group: StuckKey | None) -> None:
        """What the task waits with for an agent; None if it does not. Until this is said, any group may be its own."""
        self._group, self._group_known = group, True

    def is_of(self, groups: Collection[StuckKey]) -> bool:
        """Whether the task may wait with one of these groups."""
        return not self._group_known or self._group in groups

    def close(self) -> None:
        """Ends the watch."""
        self._closed = True
        self.wake.set()

    async def wait(self) -> bool:
        """Returns when something woke it: whether the task changed. Raises Unavailable when this coordinator stops."""
        await self.wake.wait()
        if self._closed:
            raise Unavailable("this coordinator is stopping; watch the task again")
        self.wake.clear()
        changed, self._changed = self._changed, False
        return changed


class TaskWatchers:
    """All watches. `on_committed` is a listener of the journal."""

    def __init__(self) -> None:
        self._watches: defaultdict[str, set[TaskWatch]] = defaultdict(set)
        self._closed = False

    @contextmanager
    def watch(self, task_id: str) -> Iterator[TaskWatch]:
        """Watches a task from now on. Whoever reads it afterwards misses nothing."""
        watch = TaskWatch()
        if self._closed:
            watch.close()
        self._watches[task_id].add(watch)
        try:
            yield watch
        finally:
            self._watches[task_id].discard(watch)
            if not self._watches[task_id]:
                del self._watches[task_id]

    def on_committed(self, committed: Committed) -> None:
        """Tells those whose task changed."""
        if not self._watches:
            return
        for task_id in committed.tasks.keys() & self._watches.keys():
            for watch in self._watches[task_id]:
                watch.note_change()
        if committed.stuck:
            self._note_groups({group.key for group in committed.stuck})

    def on_foreign(self, foreign: Foreign) -> None:
        """Tells those whose task was changed by another coordinator."""
        if not self._watches:
            return
        for task_id in {event.task_id for event in foreign.events} & self._watches.keys():
            for watch in self._watches[task_id]:
                watch.note_change()
        self._note_groups({key for event in foreign.events if (key := event.stuck_key) is not None})

    def _note_groups(self, keys: Collection[StuckKey]) -> None:
        """Tells those whose task waits with others, of which something else is noted now."""
        if not keys:
            return
        for watches in self._watches.values():
            for watch in watches:
                if watch.is_of(keys):
                    watch.note_change()

    def close(self) -> None:
        """Ends all watches."""
        self._closed = True
        for watches in self._watches.values():
            for watch in watches:
                watch.close()
