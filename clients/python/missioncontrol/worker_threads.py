"""Threads for handlers that block: started when they are needed, kept, never more than there are slots.

They are daemons, unlike those of `concurrent.futures`: a handler that never ends must not keep the process from ending.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress


class WorkerThreads:
    """Runs callables in up to `count` threads; what comes when all are busy waits for one."""

    def __init__(self, count: int, name: str) -> None:
        self._count = count
        self._name = name
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._started = 0

    def submit(self, job: Callable[[], None]) -> None:
        """Has the job run. One thread submits. The job must not raise."""
        self._jobs.put(job)
        if self._started < self._count and not self._idle.acquire(blocking=False):
            name = f"{self._name}-{self._started + 1}"
            # Where the system gives no thread just now (a limit on processes counts threads, too), the job waits for
            # one that there is; the session takes back what waits for too long.
            with suppress(RuntimeError):
                threading.Thread(target=self._work, name=name, daemon=True).start()
                self._started += 1

    def close(self) -> None:
        """Lets idle threads end, and busy ones when they are done. Waits for none."""
        for _ in range(self._started):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            self._idle.release()
