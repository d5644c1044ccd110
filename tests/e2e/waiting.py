"""Waiting for what real processes do: a condition that is asked again and again, with a deadline."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from services.fleet.launcher import COORDINATOR, Fleet, names_of

T = TypeVar("T")
POLL_SECONDS = 0.02
# What comes at all comes well within it, also on a machine that is busy with other tests.
DEADLINE_SECONDS = 60.0


async def eventually(ask: Callable[[], Awaitable[T | None]], *, within: float = DEADLINE_SECONDS) -> T:
    """The first answer that is true. Fails, with the last answer, at the deadline."""
    deadline = time.monotonic() + within
    while not (answer := await ask()):
        assert time.monotonic() < deadline, f"not within {within:g} s; the last answer was {answer!r}"
        await asyncio.sleep(POLL_SECONDS)
    return answer


async def until(condition: Callable[[], object], *, within: float = DEADLINE_SECONDS) -> None:
    """Returns once this is so."""

    async def ask() -> object:
        return condition()

    await eventually(ask, within=within)


async def coordinators_met(fleet: Fleet) -> None:
    """Returns once each of two coordinators knows of the other: agents hear of both in Welcome, and only there."""
    logs = [fleet.services[name].log_file for name in names_of(COORDINATOR, 2)]
    await until(lambda: all(re.findall('"coordinators": ([0-9]+)', log.read_text())[-1:] == ["2"] for log in logs))


class Gate:
    """A file that commands wait for: they can be seen to run, however long that takes, and end once it is open."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def argv(self) -> tuple[str, ...]:
        """A command that ends well once the gate is open."""
        return ("sh", "-c", f"until [ -e '{self._path}' ]; do sleep 0.05; done")

    def open(self) -> None:
        """From now on nobody waits."""
        self._path.touch()


async def file_content(path: Path, *, within: float = DEADLINE_SECONDS) -> str:
    """What is in a file, once there is something."""

    async def read() -> str:
        return path.read_text().strip() if path.exists() else ""

    return await eventually(read, within=within)


async def process_gone(pid: int, *, within: float = DEADLINE_SECONDS) -> None:
    """Returns once no process has this id; one that nobody has waited for yet counts as gone."""

    async def gone() -> bool:
        return process_state(pid) in ("", "Z")

    await eventually(gone, within=within)


async def process_stopped(pid: int, *, within: float = DEADLINE_SECONDS) -> None:
    """Returns once a process has been stopped by a signal."""

    async def stopped() -> bool:
        return process_state(pid) == "T"

    await eventually(stopped, within=within)


def process_state(pid: int) -> str:
    """The letter of a process's state in /proc; empty if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""
