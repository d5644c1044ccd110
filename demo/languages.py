"""The languages that there are clients in: how each is built, and what its two programs are.

Every program takes its settings from the environment and does what clients/README.md says, so all can be driven alike.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CLIENTS = Path(__file__).resolve().parents[1] / "clients"
# What a failed build shows.
OUTPUT_SHOWN = 8000


class BuildError(Exception):
    """A target of a language's Makefile failed. The message has the end of what it printed."""


@dataclass(frozen=True)
class Language:
    """A language, and the programs that its toolchain consists of."""

    name: str
    tools: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Its part of the tree."""
        return CLIENTS / self.name

    @property
    def missing(self) -> list[str]:
        """The tools that this machine has not."""
        return [tool for tool in self.tools if shutil.which(tool) is None]

    def command(self, program: str) -> tuple[str, ...]:
        """What starts `submit` or `agent`."""
        if self is PYTHON:
            return (sys.executable, str(self.folder / "examples" / f"{program}.py"))
        return (str(self.folder / "bin" / program),)

    def make(self, target: str, *settings: str) -> str:
        """Runs a target of its Makefile, with NAME=value settings; what it printed. Raises BuildError if it fails."""
        done = subprocess.run(
            ["make", "-C", str(self.folder), target, *settings],  # noqa: S607 - the user's make
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise BuildError(f"make -C clients/{self.name} {target} failed:\n{done.stdout[-OUTPUT_SHOWN:]}")
        return done.stdout


PYTHON = Language("python")
LANGUAGES = (
    PYTHON,
    Language("go", ("go",)),
    Language("typescript", ("node", "npm")),
    Language("java", ("java", "mvn")),
    Language("rust", ("cargo",)),
)
