"""What the machine must have for the image to be built without a Docker engine. Nothing here knows the image."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


class ToolError(Exception):
    """A program of the machine failed; the message has what it said."""


def require(*programs: str) -> None:
    """Skips the test, loudly, where root or one of the programs is missing; in CI that is a failure."""
    missing = [program for program in programs if shutil.which(program, path=_PATH) is None]
    if os.geteuid() != 0:
        missing.insert(0, "root")
    if missing:
        why = f"there is no {', no '.join(missing)} (Debian: buildah, mmdebstrap, iproute2, mount)"
        assert not os.environ.get("CI"), f"CI must build the image: {why}"
        pytest.skip(f"NO IMAGE: {why}")


def path_of(program: str) -> str:
    """Where the program is."""
    found = shutil.which(program, path=_PATH)
    assert found is not None, f"{program} was not required"
    return found


def run(program: str, *arguments: str, folder: Path = REPOSITORY) -> str:
    """What the program writes to stdout. Raises ToolError with the end of what it says if it fails."""
    ended = subprocess.run(
        [path_of(program), *arguments],
        capture_output=True, text=True, check=False, cwd=folder, env={**os.environ, "PATH": _PATH},
    )  # fmt: skip
    if ended.returncode:
        said = "\n".join((ended.stdout + ended.stderr).splitlines()[-30:])
        raise ToolError(f"{program} {' '.join(arguments)} ended with {ended.returncode}:\n{said}")
    return ended.stdout.strip()
