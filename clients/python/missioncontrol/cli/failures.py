"""Errors as one clear line on stderr with what to do, and the exit code that belongs to them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from missioncontrol import errors
from missioncontrol.cli import exit_codes
from missioncontrol.tls import TrustError

_ADVICE = {
    exit_codes.NOT_FOUND: "look at what there is with the `list` command, and at --namespace",
    exit_codes.UNREACHABLE: "is a coordinator running there? Start one with `missionctl up`, or name another with "
    "--address or MISSIONCONTROL_ADDRESS",
    exit_codes.FAULT: "the service's log has the whole story",
}


class RefusedInputError(ValueError):
    """What the user gave cannot be used; the message says why and what would do, with a line for each fault."""


@contextmanager
def reported() -> Iterator[None]:
    """Turns the errors of the SDK, and of what the user gave, into a line and an exit code."""
    try:
        yield
        sys.stdout.flush()  # while a reader that has gone can still be told from a fault
    except errors.MissionControlError as error:
        code = exit_codes.exit_code(error)
        complain(str(error), advice=_advice(error, code))
        raise typer.Exit(code) from None
    except BrokenPipeError:
        raise typer.Exit(reader_gone()) from None
    except UnicodeError as error:  # an argument or a file
        complain(f"what was given is not UTF-8: {error}")
        raise typer.Exit(exit_codes.USAGE) from None
    except (ValueError, TypeError, OSError) as error:
        if not isinstance(error, RefusedInputError | TrustError | OSError):
            raise
        for line in str(error).splitlines() if isinstance(error, RefusedInputError) else [str(error)]:
            complain(line)
        raise typer.Exit(exit_codes.USAGE) from None


def reader_gone() -> int:
    """Whoever read the output has gone; the interpreter must not complain about it once more at its end. The code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return exit_codes.PIPE_CLOSED


def _advice(error: errors.MissionControlError, code: int) -> str | None:
    if isinstance(error, errors.QueueRefused):
        when = f"try again in {error.retry_seconds:.1f} s" if error.retry_seconds is not None else "try again later"
        return f"{when}, or wait for room with --wait-for-room"
    return _ADVICE.get(code)


def complain(message: str, *, advice: str | None = None) -> None:
    """One line on stderr."""
    line = " ".join(message.split()).rstrip(".")
    sys.stderr.write(f"missionctl: {line}; {advice}\n" if advice else f"missionctl: {line}\n")
