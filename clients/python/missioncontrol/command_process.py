"""One command as a process group: reads what it writes, feeds what it reads, and ends it, all of it, when it must.

Runs in the thread of its handler. The group is killed while its leader is still there, dead or alive but not reaped:
its number cannot belong to anybody else then.
"""

from __future__ import annotations

import os
import resource
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from typing import IO

from missioncontrol import agent_limits as limits

# `ru_maxrss` counts KiB on Linux, bytes on macOS.
_MEMORY_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class ProcessEnd:
    """How a process ended: the code of `subprocess` (negative: the signal), and what it used with the children it
    waited for.
    """

    returncode: int
    cpu_seconds: float
    memory_bytes_max: int


class CommandProcess:
    """Watches over a started process until it and its group have ended. The process leads its own session."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        *,
        stdin: bytes,
        on_output: Callable[[IO[bytes], bytes], None],
        is_stopping: Callable[[], bool],
        grace_seconds: float,
    ) -> None:
        self._process = process
        self._stdin = memoryview(stdin)
        self._on_output = on_output
        self._is_stopping = is_stopping
        self._grace_seconds = grace_seconds
        self._selector = selectors.DefaultSelector()
        self._open = 0
        self._exited = False
        self._end: ProcessEnd | None = None
        self._linger_time = inf
        self._term_time = inf
        self._kill_time = inf
        self._give_up_time = inf
        self._wake_reader, self._wake_writer = os.pipe()
        self._wake_lock = threading.Lock()
        self._pidfd = -1

    def wake(self) -> None:
        """Has `run` look at `is_stopping` again. Any thread, also after the end."""
        with self._wake_lock:
            if self._wake_writer >= 0:
                os.write(self._wake_writer, b"\0")

    def run(self) -> ProcessEnd:
        """Waits for the end. Raises TimeoutError if the kernel does not let the process die."""
        try:
            self._register()
            while not (self._exited and self._open == 0):
                self._step()
                if time.monotonic() >= self._give_up_time:
                    break
            return self._reap()
        finally:
            self._close()

    def _register(self) -> None:
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, selectors.EVENT_READ, self._read)
            self._open += 1
        if self._process.stdin is not None:
            os.set_blocking(self._process.stdin.fileno(), False)
            self._selector.register(self._process.stdin, selectors.EVENT_WRITE, self._feed)
        self._selector.register(self._wake_reader, selectors.EVENT_READ, self._woken)
        if hasattr(os, "pidfd_open"):
            with suppress(OSError):  # An old kernel: then it is polled.
                self._pidfd = os.pidfd_open(self._process.pid)
                self._selector.register(self._pidfd, selectors.EVENT_READ, self._on_exit)

    def _step(self) -> None:
        for key, _ in self._selector.select(self._wait_seconds()):
            key.data(key.fileobj)
        if self._pidfd < 0 and not self._exited:
            self._poll_exit()
        now = time.monotonic()
        if self._term_time == inf and (self._is_stopping() or now >= self._linger_time):
            self._signal(signal.SIGTERM)
            self._term_time, self._kill_time = now, now + self._grace_seconds
        if now >= self._kill_time:
            self._signal(signal.SIGKILL)
            self._kill_time = inf
            # What has left the group may hold the pipes open: its output is not waited for.
            self._give_up_time = now + (limits.LINGER_SECONDS if self._exited else limits.KILL_SECONDS)

    def _wait_seconds(self) -> float | None:
        linger = self._linger_time if self._term_time == inf else inf
        until = min(linger, self._kill_time, self._give_up_time)
        wait = None if until == inf else max(0.0, until - time.monotonic())
        if self._pidfd < 0 and not self._exited:
            return limits.EXIT_POLL_SECONDS if wait is None else min(wait, limits.EXIT_POLL_SECONDS)
        return wait

    def _read(self, pipe: IO[bytes]) -> None:
        try:
            data = os.read(pipe.fileno(), limits.READ_BYTES)
        except BlockingIOError:
            return
        if data:
            self._on_output(pipe, data)
        else:
            self._selector.unregister(pipe)
            self._open -= 1

    def _feed(self, pipe: IO[bytes]) -> None:
        with suppress(BlockingIOError):
            try:
                self._stdin = self._stdin[os.write(pipe.fileno(), self._stdin[: limits.READ_BYTES]) :]
            except BrokenPipeError:
                self._stdin = memoryview(b"")  # It does not want to read on; that is its right.
        if not self._stdin:
            self._selector.unregister(pipe)
            pipe.close()

    def _woken(self, _: object) -> None:
        os.read(self._wake_reader, 1024)

    def _on_exit(self, pidfd: int) -> None:
        self._selector.unregister(pidfd)
        self._exited = True
        self._linger_time = time.monotonic() + limits.LINGER_SECONDS

    def _poll_exit(self) -> None:
        self._end = self._wait(os.WNOHANG)
        if self._end is not None:
            self._exited = True
            self._linger_time = time.monotonic() + limits.LINGER_SECONDS

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _reap(self) -> ProcessEnd:
        # Whatever of the group hides from us, with its output elsewhere, ends here.
        self._signal(signal.SIGKILL)
        end = self._end or self._wait(os.WNOHANG)
        if end is None:
            raise TimeoutError(f"process {self._process.pid} does not end, not even by SIGKILL")
        # Popen must not wait for it again.
        self._process.returncode = end.returncode
        return end

    def _wait(self, options: int) -> ProcessEnd | None:
        pid, status, used = os.wait4(self._process.pid, options)
        if pid == 0:
            return None
        # A process begins as a copy of the agent, and the kernel counts that too: what is no more tells nothing.
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        memory = used.ru_maxrss * _MEMORY_UNIT if used.ru_maxrss > own else 0
        return ProcessEnd(os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, memory)

    def _close(self) -> None:
        self._selector.close()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        with self._wake_lock:
            writer, self._wake_writer = self._wake_writer, -1
        for descriptor in (self._wake_reader, writer, self._pidfd):
            if descriptor >= 0:
                os.close(descriptor)
