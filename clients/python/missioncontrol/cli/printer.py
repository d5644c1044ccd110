"""Output: tables for people, JSON for programs. Results go to stdout; everything else goes to stderr."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from missioncontrol.cli.mapping import dumps
from missioncontrol.cli.yaml_writing import dump

# Where nobody looks at a screen, lines are as long as what they hold, up to this.
PIPE_WIDTH = 400

_STYLES = {
    "SUCCEEDED": "green",
    "READY": "green",
    "RUNNING": "cyan",
    "LEASED": "cyan",
    "FAILED": "red",
    "EXPIRED": "red",
    "OFFLINE": "red",
    "CANCELLED": "yellow",
    "BLOCKED": "yellow",
    "DISCONNECTED": "yellow",
    "DRAINING": "yellow",
}


class OutputFormat(StrEnum):
    """What `--output` takes."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


class Printer:
    """Writes results in one of the formats: `table` and `fields` for people, or else the value as JSON or YAML.

    `is_json` tells whether it is the value that is wanted, in either of the two.
    """

    def __init__(self, output: OutputFormat) -> None:
        self.is_json = output is not OutputFormat.TABLE
        self.is_yaml = output is OutputFormat.YAML

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], *, value: Any) -> None:
        """A list of things."""
        if self.is_json:
            self.line(value)
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for index, column in enumerate(columns):
            table.add_column(column, no_wrap=True, overflow="fold" if index == 0 else "ellipsis")
        for row in rows:
            table.add_row(*(_styled(cell) for cell in row))
        _console().print(table)

    def fields(self, fields: Mapping[str, str], *, value: Any) -> None:
        """One thing: a name and a value a line; what is empty is left out."""
        if self.is_json:
            self.line(value)
            return
        grid = Table.grid(padding=(0, 2))
        for name, text in fields.items():
            if text:
                grid.add_row(Text(name, style="bold"), _styled(text))
        _console().print(grid)

    def line(self, value: Any) -> None:
        """One line of JSON, or one document of YAML."""
        write_line(self.text(value))

    def text(self, value: Any) -> str:
        """That line, or that document."""
        return f"---\n{dump(value).rstrip()}" if self.is_yaml else dumps(value)


def write_line(text: str) -> None:
    """One line on stdout."""
    sys.stdout.write(f"{text}\n")


def note(text: str) -> None:
    """One line on stderr, for people who watch."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _console() -> Console:
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    return _Console(highlight=False, width=width)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Rich's own ends the process with 1, which says that a task failed."""
        raise BrokenPipeError


def _styled(text: str) -> Text:
    return Text(text, style=_STYLES.get(text.partition(" ")[0], ""))
