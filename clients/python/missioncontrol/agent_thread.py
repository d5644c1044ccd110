"""The thread in which the session lives, with an event loop of its own: no handler can keep it from running.

(A handler in pure Python shares the interpreter with it, and hands it over every 5 ms; a C extension that keeps the
lock for longer than a lease lives is beyond any thread's help: run such work in a process.)
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future

new_event_loop: Callable[[], asyncio.AbstractEventLoop]
try:
    from uvloop import new_event_loop
except ImportError:  # it is not needed, only quicker
    from asyncio import new_event_loop


class AgentThread:
    """Runs one coroutine in a daemon thread; `result` tells how it ended."""

    def __init__(self, name: str) -> None:
        self.result: Future[None] = Future()
        self.loop: asyncio.AbstractEventLoop | None = None
        self._name = name
        self._ready = threading.Event()

    def start(self, main: Callable[[], Awaitable[None]]) -> None:
        """Starts the thread, and returns when its loop runs."""
        threading.Thread(target=self._run, args=(main,), name=self._name, daemon=True).start()
        self._ready.wait()

    def call(self, callback: Callable[[], None]) -> None:
        """Has this called in the thread, soon. Nothing happens if its loop has ended."""
        if self.loop is None:
            return
        try:
            self.loop.call_soon_threadsafe(callback)
        except RuntimeError:
            return  # The loop is closed: the agent has left, and nobody needs to be told.

    def _run(self, main: Callable[[], Awaitable[None]]) -> None:
        try:
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                runner.run(self._main(main))
        except BaseException as error:  # It is raised again where the result is asked for.
            self.result.set_exception(error)
        else:
            self.result.set_result(None)
        finally:
            self._ready.set()

    async def _main(self, main: Callable[[], Awaitable[None]]) -> None:
        self.loop = asyncio.get_running_loop()
        self._ready.set()
        await main()
