"""The agent's end of its guard process, which kills running commands should the agent be killed (see
`guard_process`).
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import uuid
import weakref
from contextlib import suppress

from missioncontrol import guard_process


class ProcessGuard:
    """Starts the guard process with the first command, and again if it is gone. Any thread."""

    def __init__(self) -> None:
        self._token = uuid.uuid4().hex
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._running: dict[int, int | None] = {}
        self._closed = False
        let_go = weakref.WeakMethod(self._let_go)
        os.register_at_fork(after_in_child=lambda: (method := let_go()) and method())

    def _let_go(self) -> None:
        """In a child that a handler forks: the end of its input is all that the guard goes by."""
        process, self._process, self._lock = self._process, None, threading.Lock()
        self._running = {}
        if process is not None and process.stdin is not None:
            process.returncode = 0  # not this process's child
            process.stdin.close()

    def starting(self) -> int:
        """A command is about to start. Returns its number, for `mark`, `started` and `ended`."""
        number = next(self._numbers)
        with self._lock:
            self._running[number] = None
            self._write(f"start {number}")
        return number

    def mark(self, number: int) -> dict[str, str]:
        """What the command's environment must hold besides."""
        return {guard_process.MARK_VARIABLE: f"{self._token}/{number}"}

    def started(self, number: int, group: int) -> None:
        """The command runs as this process group."""
        with self._lock:
            self._running[number] = group
            self._write(f"group {number} {group}")

    def ended(self, number: int) -> None:
        """The command has ended with its whole group, or did not start."""
        with self._lock:
            self._running.pop(number, None)
            self._write(f"end {number}")

    def close(self) -> None:
        """Ends the guard process; what still runs is killed by it."""
        with self._lock:
            process, self._process, self._closed = self._process, None, True
        if process is not None and process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()
            process.wait()

    def _write(self, line: str) -> None:
        if self._closed:
            return  # What still ran is killed already; another guard would have nobody to end it.
        for _ in range(2):
            process = self._process or self._start()
            assert process.stdin is not None
            try:
                process.stdin.write(line.encode() + b"\n")
            except OSError:
                # Somebody killed the guard. The next one is told everything that runs.
                process.stdin.close()
                process.kill()
                process.wait()
                self._process = None
            else:
                return

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", guard_process.__file__, self._token],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )
        assert process.stdin is not None
        for number, group in self._running.items():
            line = f"start {number}\n" if group is None else f"group {number} {group}\n"
            process.stdin.write(line.encode())
        self._process = process
        return process
