"""`missionctl` put together: the nouns, and errors of usage as one line."""

from __future__ import annotations

import io
import sys
import traceback
from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint
from typing import Annotated

import typer
from typer.main import get_command

from missioncontrol import __version__
from missioncontrol.cli import agent, agents, bulk, events, exit_codes, queues, schedules, tasks
from missioncontrol.cli.failures import complain, reader_gone
from missioncontrol.cli.health import health
from missioncontrol.cli.server_commands import add_server_commands, installed_commands
from missioncontrol.cli.submit import submit

_HELP = f"""Submits work to a fleet of agents, follows it, and operates the fleet.

{exit_codes.SUMMARY}
"""


tasks.app.add_typer(bulk.app, name="bulk")


def run(arguments: Sequence[str], *, commands: Iterable[EntryPoint] | None = None) -> int:
    """Runs one command line; returns its exit code, as documented in `exit_codes`.

    `commands` are those of other packages; what is installed if it is left out.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # half a character, or a locale without it, is no fault
    command = get_command(build(arguments, commands if commands is not None else installed_commands()))
    try:
        code = command.main(args=list(arguments), prog_name="missionctl", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        return reader_gone()
    except typer.TyperException as error:
        complain(error.format_message().replace("Value error, ", ""), advice=_help_of(error))
        return exit_codes.USAGE
    except typer.Abort:
        return exit_codes.INTERRUPTED
    except Exception:  # a mistake of this program: 1 would say that a task failed
        traceback.print_exc()
        return exit_codes.FAULT
    return code if isinstance(code, int) else exit_codes.OK


def build(arguments: Sequence[str], commands: Iterable[EntryPoint]) -> typer.Typer:
    """The whole command line. The arguments say which of other packages' commands has to be there."""
    app = typer.Typer(help=_HELP, rich_markup_mode=None, add_completion=True, pretty_exceptions_enable=False)
    app.callback(invoke_without_command=True)(_root)
    app.command("submit")(submit)
    app.command("health")(health)
    for nouns in (tasks, queues, schedules, agents, events, agent):
        app.add_typer(nouns.app, name=nouns.__name__.rpartition(".")[2])
    asked_for = next((each for each in arguments if not each.startswith("-")), None)
    add_server_commands(app, commands, asked_for=asked_for)
    return app


def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if version:
        sys.stdout.write(f"missionctl {__version__}\n")
        raise typer.Exit
    if context.invoked_subcommand is None:
        sys.stdout.write(f"{context.get_help()}\n")
        raise typer.Exit(exit_codes.USAGE)


def _help_of(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    return f"see `{context.command_path if context is not None else 'missionctl'} --help`"
