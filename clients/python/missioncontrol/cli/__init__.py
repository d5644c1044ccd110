"""`missionctl`, the command line: one module for each noun. Its exit codes are in `exit_codes.py`."""

from __future__ import annotations

import sys


def main() -> None:
    """The console script."""
    from missioncontrol.cli.main import run  # noqa: PLC0415 -- importing this package for a part of it stays cheap

    sys.exit(run(sys.argv[1:]))
