"""Who waits for changes of which task. A watch is told that something changed, never what: it reads the task itself."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from services.coordinator.tail import Foreign
from services.domain.errors import Unavailable
from services.store.flush import Committed


class TaskWatch:
    """One wait for one task. `wake` may be set by others, too, who have something for the same reader."""

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self._changed = False
        self._closed = False

    def note_change(self) -> None:
        """The task changed."""
        self._changed = True
        self.wake.set()

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

    def on_foreign(self, foreign: Foreign) -> None:
        """Tells those whose task was changed by another coordinator."""
        for task_id in {event.task_id for event in foreign.events} & self._watches.keys():
            for watch in self._watches[task_id]:
                watch.note_change()

    def close(self) -> None:
        """Ends all watches."""
        self._closed = True
        for watches in self._watches.values():
            for watch in watches:
                watch.close()
