"""Between the session's thread and the handlers: hands leases over in batches, runs them, and reports through the
mailbox.

Async handlers, and sync ones that ask for it, run on the main loop; the other sync ones in threads. A lease is
offered by putting it into `_offered`; whoever pops it from there has it, a handler that claims it or the session that
takes it back. A dictionary's pop is atomic, which is all the locking there is.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from missioncontrol import agent_limits as limits
from missioncontrol import failpoints
from missioncontrol.context import TaskContext
from missioncontrol.errors import PayloadError
from missioncontrol.handler_outcome import invalid_input, raised, returned
from missioncontrol.handlers import Handler
from missioncontrol.happenings import HappeningKind, Mailbox
from missioncontrol.live_output import LiveOutput
from missioncontrol.session_effects import LeaseKey, StopReason
from missioncontrol.session_outcome import Outcome
from missioncontrol.v1 import agent_service_pb2 as pb
from missioncontrol.worker_threads import WorkerThreads

# A handler that never waits then costs no turn of the loop.
_TASK_OPTIONS: Mapping[str, Any] = {"eager_start": True} if sys.version_info >= (3, 12) else {}


class Work:
    """One lease in the hands of its handler."""

    __slots__ = ("context", "handler", "key", "lease", "task")

    def __init__(self, lease: pb.Lease, handler: Handler, mailbox: Mailbox) -> None:
        self.lease = lease
        self.key: LeaseKey = (lease.task_id, lease.token)
        self.handler = handler
        self.context = TaskContext(lease, mailbox.put)
        self.task: asyncio.Task[None] | None = None


class Dispatcher:
    """Runs handlers. `offer`, `withdraw`, `stop` and `output` belong to the session's thread."""

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        mailbox: Mailbox,
        *,
        loop: asyncio.AbstractEventLoop,
        slots: int,
        name: str = "agent",
    ) -> None:
        self._handlers = handlers
        self._mailbox = mailbox
        self._loop = loop
        self._threads = WorkerThreads(slots, f"{name}-handler")
        self._works: dict[LeaseKey, Work] = {}
        self._offered: dict[LeaseKey, Work] = {}
        self._ready: deque[Work] = deque()
        self._scheduled = False

    # --- The session's thread

    def offer(self, leases: Sequence[pb.Lease]) -> None:
        """Hands leases over. Each has a handler, and a slot is free for it."""
        for lease in leases:
            work = Work(lease, self._handlers[lease.spec.kind], self._mailbox)
            self._works[work.key] = work
            self._offered[work.key] = work
            if work.handler.runs_in == "loop":
                self._ready.append(work)
            else:
                self._threads.submit(partial(self._run_blocking, work))
        if self._ready and not self._scheduled:
            self._scheduled = True
            self._on_loop(self._take)

    def withdraw(self, key: LeaseKey) -> bool:
        """Takes a lease back; False if a handler has it already, or had it."""
        if self._offered.pop(key, None) is None:
            return False
        self._works.pop(key, None)
        return True

    def stop(self, key: LeaseKey, reason: StopReason) -> bool:
        """Takes a lease back and returns True; or tells its handler to stop, if it has one, and returns False."""
        if self.withdraw(key):
            return True
        work = self._works.get(key)
        if work is not None:
            work.context.stop(reason)
            if work.handler.is_async:
                self._on_loop(partial(self._cancel, work))
        return False

    def output(self, key: LeaseKey) -> LiveOutput | None:
        """The live output of a lease that has a handler."""
        work = self._works.get(key)
        return work.context.output if work is not None else None

    def close(self) -> None:
        """No more work comes. What runs is left to itself."""
        self._threads.close()

    # --- The main loop

    def cancel_all(self) -> None:
        """Cancels what still runs on the main loop. Of the main loop's thread."""
        for work in tuple(self._works.values()):
            work.context.stop(StopReason.DRAIN)
            if work.task is not None:
                work.task.cancel()

    def _on_loop(self, callback: partial[None] | Any) -> None:
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:
            # The main loop is closed: nobody claims what is offered, and the session gives it back.
            self._scheduled = False

    def _take(self) -> None:
        for _ in range(min(len(self._ready), limits.HANDOVER_ITEMS_MAX)):
            self._start(self._ready.popleft())
        # Cleared before the deque is looked at again, so that an offer in between is not left lying.
        self._scheduled = False
        if self._ready and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._take)

    def _start(self, work: Work) -> None:
        if not self._claim(work):
            return
        if not work.handler.is_async:
            self._run(work)
            return
        work.task = asyncio.Task(self._run_async(work), loop=self._loop, **_TASK_OPTIONS)

    def _cancel(self, work: Work) -> None:
        if work.task is not None:
            work.task.cancel(work.context.stop_reason.value if work.context.stop_reason else None)

    async def _run_async(self, work: Work) -> None:
        context = work.context
        outcome: Outcome
        try:
            value = work.handler.decode(work.lease)
        except (PayloadError, RecursionError) as error:
            outcome = invalid_input(error, context)
        except BaseException as error:  # a validator, a `__post_init__`, or a type that pydantic cannot describe
            outcome = raised(error, context)
        else:
            try:
                outcome = returned(await work.handler.call(value, context), context)
            except BaseException as error:  # whatever a handler raises is its task's failure, not ours
                outcome = raised(error, context)
        self._finish(work, outcome)

    # --- Any thread

    def _run_blocking(self, work: Work) -> None:
        if self._claim(work):
            self._run(work)

    def _run(self, work: Work) -> None:
        context = work.context
        outcome: Outcome
        try:
            value = work.handler.decode(work.lease)
        except (PayloadError, RecursionError) as error:
            outcome = invalid_input(error, context)
        except BaseException as error:  # a validator, a `__post_init__`, or a type that pydantic cannot describe
            outcome = raised(error, context)
        else:
            try:
                outcome = returned(work.handler.call(value, context), context)
            except BaseException as error:
                outcome = raised(error, context)
        self._finish(work, outcome)

    def _claim(self, work: Work) -> bool:
        if self._offered.pop(work.key, None) is None:
            return False
        work.context.begin(time.monotonic())
        self._mailbox.put((HappeningKind.CLAIMED, work.key, None))
        return True

    def _finish(self, work: Work, outcome: Outcome) -> None:
        if failpoints.ENABLED:
            failpoints.reach("work.after_end")
        self._works.pop(work.key, None)
        self._mailbox.put((HappeningKind.ENDED, work.key, outcome))
