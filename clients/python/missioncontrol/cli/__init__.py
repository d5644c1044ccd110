"""`missionctl`, the command line: one module for each noun. Its exit codes are in `exit_codes.py`."""

from __future__ import annotations

import os
import sys
import traceback


def main() -> None:
    """The console script."""
    from missioncontrol.cli import exit_codes  # noqa: PLC0415 -- importing this package for a part of it stays cheap
    from missioncontrol.cli.main import run  # noqa: PLC0415 -- as above

    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = exit_codes.PIPE_CLOSED
    except Exception:  # ours: 1 would say that a task failed
        traceback.print_exc()
        code = exit_codes.FAULT
    sys.exit(code)
