"""Runs a command that dies with the process that started it, even when that one is killed with SIGKILL.

The launcher starts every process as `python guard.py <pid of the launcher> <command …>`. Linux sends the signal asked
for here when the thread that started the process ends, and keeps the request over `exec`; other systems have nothing
like it, and there the command just runs. A file of its own, without imports of ours: it is paid for at every start.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Becomes the command. Returns only by an exception: no such program, say."""
    launcher, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != launcher:
            # It died between starting us and the line above.
            sys.exit("guard: the launcher is gone")
    os.execv(command[0], command)  # noqa: S606 - becoming the command, without a shell, is the point


if __name__ == "__main__":
    main()
