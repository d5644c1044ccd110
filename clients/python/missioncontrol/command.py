"""The documents of a task of kind "command": what is to be run, and what came of it. Both travel as JSON.

Only the two shapes live here, so that a client can submit a command and read its result without the code that runs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

COMMAND_KIND = "command"


@dataclass(frozen=True, kw_only=True)
class CommandInput:
    """What to run. Unknown fields are refused, so that a misspelt one does not pass silently."""

    # Read by pydantic, wherever a JSON document becomes one of these.
    __pydantic_config__: ClassVar[Mapping[str, object]] = {"extra": "forbid"}

    argv: Sequence[str]
    """The program and its arguments, as they are: no shell looks at them. At least one."""
    shell: bool = False
    """With True, argv[0] is a script for `/bin/sh -c`, and what follows is its $1, $2, …"""
    cwd: str | None = None
    """The working folder. None: the agent's own."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment variables, added to the agent's and winning over them."""
    clean_env: bool = False
    """With True the command sees `env` and PATH, and nothing else of the agent's environment."""
    stdin: str | None = None
    """What it reads from its standard input, as UTF-8. None: an empty one."""
    grace_seconds: float | None = None
    """Between SIGTERM and SIGKILL when it is to stop. None: the agent's setting, 5 s unless it says otherwise."""


@dataclass(frozen=True, kw_only=True)
class CommandOutput:
    """What came of a command: in the output of the task, whether it succeeded or failed.

    Output is decoded as UTF-8, with U+FFFD for what is none: for binary results let the command write a file or base64.
    What is longer than the payload limit allows keeps its head and its tail, with a line between them that says so.
    """

    exit_code: int | None
    """The exit code; None if a signal ended it."""
    signal: int | None = None
    """The signal that ended it; None if it exited by itself."""
    stdout: str = ""
    """What it wrote to its standard output."""
    stderr: str = ""
    """What it wrote to its standard error."""
    stdout_bytes: int = 0
    """How much it wrote to its standard output in all."""
    stderr_bytes: int = 0
    """How much it wrote to its standard error in all."""
    stdout_omitted_bytes: int = 0
    """How many of these bytes are missing from the middle of `stdout`; 0 if it is whole."""
    stderr_omitted_bytes: int = 0
    """How many of these bytes are missing from the middle of `stderr`; 0 if it is whole."""
    duration_seconds: float = 0.0
    """From the start of the process to its end."""
