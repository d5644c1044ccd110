"""Texts that commands are given by name: a file, or "-" for stdin."""

from __future__ import annotations

import sys
from pathlib import Path

from missioncontrol.cli.failures import RefusedInputError
from missioncontrol.cli.interrupt import interruptible


def read_text(name: str) -> tuple[str, str]:
    """What the text is called in messages, and the text. Raises OSError, and RefusedInputError if it is not UTF-8."""
    where = "stdin" if name == "-" else name
    try:
        with interruptible():
            return where, sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RefusedInputError(f"{where} is not UTF-8: {error}") from None
