"""One process of a fleet: started, found by its address file, signalled, stopped, started again on the same port.

What lives here knows nothing of Mission Control but the address file that every service writes. Which processes make a
fleet, and in which order, is in `launcher`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

# How often a real process is looked at; there is nothing to wait on that covers "listens" and "exited" at once.
POLL_SECONDS = 0.01
# A service listens within a second on an idle machine; this is for one that is busy with other tests.
START_SECONDS_MAX = 60.0
# A service that does not end so long after SIGTERM is killed.
STOP_SECONDS_MAX = 20.0
# As much of a log as an error shows.
LOG_LINES_SHOWN = 15
_GUARD = Path(__file__).with_name("guard.py")


class FleetError(Exception):
    """A process of the fleet did not do what it was started for. The message is for people, of several lines maybe."""


class ProcessExitedError(FleetError):
    """A process ended by itself, with the last lines of its log."""


class DeadlineError(FleetError, TimeoutError):
    """Something that was waited for did not come true in time."""


@dataclass(frozen=True)
class ProcessSpec:
    """What to run: `program` (the Python interpreter) with `arguments`. `environment` is the whole one."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    address_file: Path | None = None
    program: str = sys.executable


@dataclass(frozen=True)
class Listening:
    """What a service says of itself once it listens."""

    address: str
    metrics_address: str
    pid: int


class ManagedProcess:
    """A process that the launcher owns. Its output is appended to one log file over all its starts."""

    def __init__(self, spec: ProcessSpec, *, log_folder: Path) -> None:
        self.spec = spec
        self.log_file = log_folder / f"{spec.name}.log"
        self.starts = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        """What people and log files call it."""
        return self.spec.name

    @property
    def pid(self) -> int:
        """The process id of the current or last start. Only after `start`."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs or before the first start; negative is the signal that ended it."""
        return None if self._process is None else self._process.poll()

    @property
    def running(self) -> bool:
        """Whether there is a process now."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Starts the process; does not wait for anything. It must not be running."""
        assert not self.running, f"{self.name} is running"
        if self.spec.address_file is not None:
            self.spec.address_file.unlink(missing_ok=True)
        guarded = [sys.executable, "-I", "-S", str(_GUARD), str(os.getpid())]
        command = [self.spec.program, *self.spec.arguments]
        with self.log_file.open("ab") as log:
            # Its own session: Ctrl-C in the terminal is for the launcher, which then stops the fleet in order.
            self._process = subprocess.Popen(
                [*guarded, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(self.spec.environment),
                start_new_session=True,
            )
        self.starts += 1

    async def wait_listening(self, timeout_seconds: float = START_SECONDS_MAX) -> Listening:
        """What it wrote into its address file. Raises ProcessExitedError as soon as it ended instead."""
        assert self.spec.address_file is not None, f"{self.name} has no address file"
        await self._wait(self.spec.address_file.exists, timeout_seconds, "to listen")
        said = json.loads(self.spec.address_file.read_bytes())
        return Listening(said["address"], said.get("metrics_address", ""), said["pid"])

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal; nothing happens if the process is gone. SIGSTOP and SIGCONT are sent like any other."""
        if self.running:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, and waits until the process is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def stop(self, timeout_seconds: float = STOP_SECONDS_MAX) -> int | None:
        """SIGTERM, then waits for the end; after the timeout SIGKILL. The exit code, None if it never ran."""
        if self._process is None:
            return None
        # A stopped process would not see SIGTERM.
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            await self.wait_exit(timeout_seconds)
        except DeadlineError:
            self.kill()
        return self.exit_code

    async def wait_exit(self, timeout_seconds: float) -> int:
        """The exit code, once there is one. Raises DeadlineError."""
        await wait_until(lambda: not self.running, timeout_seconds, f"{self.name} to end")
        code = self.exit_code
        assert code is not None
        return code

    def log_tail(self) -> str:
        """The last lines of its log."""
        if not self.log_file.exists():
            return ""
        lines = self.log_file.read_text(errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES_SHOWN:])

    def assert_running(self) -> None:
        """Raises ProcessExitedError if it is not."""
        if not self.running:
            raise ProcessExitedError(
                f"{self.name} ended with code {self.exit_code}; the end of {self.log_file}:\n{self.log_tail()}"
            )

    async def _wait(self, condition: Callable[[], bool], timeout_seconds: float, what: str) -> None:
        def met() -> bool:
            if condition():
                return True
            self.assert_running()
            return False

        try:
            await wait_until(met, timeout_seconds, f"{self.name} {what}")
        except DeadlineError as error:
            raise DeadlineError(f"{error}; the end of {self.log_file}:\n{self.log_tail()}") from None


async def wait_until(condition: Callable[[], bool], timeout_seconds: float, what: str) -> None:
    """Looks at a condition of a real process again and again. Raises DeadlineError, which names `what`."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            raise DeadlineError(f"waited {timeout_seconds:g} s for {what}")
        await asyncio.sleep(POLL_SECONDS)
