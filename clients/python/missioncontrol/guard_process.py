"""A process that outlives the agent by a moment and kills the commands that were left behind, however the agent went.

Run by file name with nothing but the standard library, so that it starts in 15 ms: imports nothing of this package.
It reads lines from its standard input, the other end of which only the agent has:

    start N           a command is about to start; its environment holds the mark TOKEN/N (TOKEN is the first argument)
    group N PGID      it started, as this process group
    end N             it has ended, with its whole group

At the end of input every group that has not ended is killed. One that was about to start is found by its mark, where
there is a /proc; elsewhere that moment, about a millisecond, is not covered. What leaves its group on purpose
(setsid) is let go.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

MARK_VARIABLE = "MISSIONCONTROL_COMMAND"


def main(token: str) -> None:
    """Follows the lines, and kills what is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    running = follow(sys.stdin)
    for group in (group for group in running.values() if group is not None):
        with suppress(OSError):
            os.killpg(group, signal.SIGKILL)
    marks = {f"{token}/{number}" for number, group in running.items() if group is None}
    for process in marked(marks):
        with suppress(OSError):
            os.killpg(process, signal.SIGKILL)


def follow(lines: Iterable[str]) -> dict[str, int | None]:
    """The commands that had started, or were about to (None), when the lines ended."""
    running: dict[str, int | None] = {}
    for line in lines:
        match line.split():
            case ["start", number]:
                running[number] = None
            case ["group", number, group]:
                running[number] = int(group)
            case ["end", number]:
                running.pop(number, None)
    return running


def marked(marks: set[str]) -> list[int]:
    """The processes whose environment holds one of the marks."""
    if not marks:
        return []
    wanted = {f"{MARK_VARIABLE}={mark}".encode() for mark in marks}
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if not wanted.isdisjoint((folder / "environ").read_bytes().split(b"\0")):
                found.append(int(folder.name))
    return found


if __name__ == "__main__":
    main(sys.argv[1])
