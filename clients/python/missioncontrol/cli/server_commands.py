"""Commands that other packages bring: `up` and `db`, from the entry points group "missioncontrol.commands".

Each entry point is a typer.Typer. It is imported only when it is the command that was asked for, so that the others do
not wait for a server's libraries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points

import typer

from missioncontrol.cli import exit_codes
from missioncontrol.cli.failures import complain

GROUP = "missioncontrol.commands"
# What there is to know of them where they are not installed, or not asked for.
KNOWN = {
    "up": "Starts a fleet on this machine and keeps it running until Ctrl-C (server package).",
    "db": "Looks after a coordinator's database: check and more (server package).",
}
# The packages are not in a registry: they are installed from the source tree, the SDK with them so that both fit.
HOW_TO_INSTALL = "in the folder of Mission Control's source run: pip install . ./clients/python"


def installed_commands() -> tuple[EntryPoint, ...]:
    """What the packages that are installed here bring."""
    return tuple(entry_points(group=GROUP))


def add_server_commands(app: typer.Typer, commands: Iterable[EntryPoint], *, asked_for: str | None) -> None:
    """Adds the command that was asked for, if it is among these; for the others a line in the help."""
    installed = {each.name: each for each in commands}
    for name in sorted({*KNOWN, *installed}):
        if name == asked_for and name in installed:
            app.add_typer(_load(installed[name]), name=name)
        else:
            anything = {"ignore_unknown_options": True, "allow_extra_args": True}
            about = KNOWN.get(name, "From another package.")
            app.command(name, help=about, context_settings=anything)(_missing(name))


def _load(entry: EntryPoint) -> typer.Typer:
    try:
        loaded = entry.load()
    except ImportError as error:
        complain(f"`{entry.name}` cannot be loaded ({error}); install it anew: {HOW_TO_INSTALL}")
        raise SystemExit(exit_codes.NOT_INSTALLED) from None
    if not isinstance(loaded, typer.Typer):
        complain(f"`{entry.name}` of {entry.value} is no command: a typer.Typer is expected")
        raise SystemExit(exit_codes.FAULT)
    return loaded


def _missing(name: str) -> Callable[[], None]:
    def command() -> None:
        complain(f"`{name}` is part of missioncontrol-server, which is not installed here; {HOW_TO_INSTALL}")
        raise typer.Exit(exit_codes.NOT_INSTALLED)

    return command
