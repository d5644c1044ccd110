"""`missionctl agent`: run."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer

from missioncontrol.channel import DEFAULT_ADDRESS
from missioncontrol.cli.failures import RefusedInputError, reported
from missioncontrol.cli.session import Address, Namespace, grouped
from missioncontrol.cli.values import parse_amounts, parse_duration, parse_pairs

if TYPE_CHECKING:
    from missioncontrol.agent import Agent

app = typer.Typer(help="Runs an agent on this machine.", rich_markup_mode=None)

Many = list[str] | None


@dataclass(frozen=True, kw_only=True)
class AgentOptions:
    """What an agent says of itself."""

    agent_id: Annotated[
        str, typer.Option("--id", envvar="MISSIONCONTROL_AGENT_ID", help="Its id, unique; else this host's name.")
    ] = ""
    slots: Annotated[int | None, typer.Option(min=1, help="Tasks at once; else what CPUs and memory allow.")] = None
    queue_limit: Annotated[int, typer.Option(min=0, help="Leases beyond the slots that it holds ready.")] = 0
    label: Annotated[Many, typer.Option(help="KEY=VALUE, for selectors; may be repeated.")] = None
    capability: Annotated[Many, typer.Option(help="What it can do; may be repeated.")] = None
    resource: Annotated[Many, typer.Option(help="NAME=AMOUNT for tasks; may be repeated.")] = None
    queue: Annotated[Many, typer.Option(help="Only work of this queue; may be repeated.")] = None
    warm_key: Annotated[
        Many, typer.Option(help="Affinity key that it has at hand, such as a checkout; may be repeated.")
    ] = None
    drain_time_limit: Annotated[str, typer.Option(help="How long work may go on after SIGTERM or Ctrl-C.")] = "30s"
    transport: Annotated[
        str, typer.Option(envvar="MISSIONCONTROL_AGENT_TRANSPORT", help="stream; poll for networks that break streams.")
    ] = "stream"
    address: Address = DEFAULT_ADDRESS
    namespace: Namespace = "default"

    def make(self) -> Agent:
        """The agent, with the command executor."""
        from missioncontrol.agent import Agent  # noqa: PLC0415 -- no other command needs the agent

        drain = parse_duration(self.drain_time_limit, option="--drain-time-limit")
        return Agent(
            self.agent_id or socket.gethostname(),
            address=self.address,
            namespace=self.namespace,
            slots=self.slots,
            queue_limit=self.queue_limit,
            labels=parse_pairs(self.label or (), option="--label"),
            capabilities=self.capability or (),
            resources=parse_amounts(self.resource, option="--resource") if self.resource else None,
            queues=self.queue or (),
            warm_keys=self.warm_key or (),
            drain_time_limit=drain.total_seconds(),
            transport=self.transport,
        )


@app.callback()
def _group() -> None:
    """Runs an agent on this machine."""


@app.command("run")
@grouped
def run_agent(
    *,
    module: Annotated[
        str, typer.Option(help="An Agent of yours instead, with what it says itself: pkg.module:name or file.py:name.")
    ] = "",
    options: AgentOptions,
) -> None:
    """Runs an agent until SIGTERM or Ctrl-C: of itself it runs commands, with --module what your Agent handles.

    The first signal drains it, a second one gives back at once what still runs. Further exit codes: 70 a newer process
    took over this id; 78 the coordinator does not take this agent as it is.
    """
    _log_to_stderr()
    with reported():
        _agent(module, options).run_forever()


def _agent(module: str, options: AgentOptions) -> Agent:
    try:
        return load_agent(module) if module else options.make()
    except ValueError as error:
        raise RefusedInputError(str(error)) from None


def load_agent(where: str) -> Agent:
    """The Agent under a name in a module or a file. Raises RefusedInputError if there is none."""
    from missioncontrol.agent import Agent  # noqa: PLC0415 -- no other command needs the agent

    place, separator, name = where.rpartition(":")
    if not separator or not place or not name:
        raise RefusedInputError(f'--module "{where}" is not pkg.module:name or file.py:name')
    found = getattr(_load_module(place), name, None)
    if not isinstance(found, Agent):
        raise RefusedInputError(f'--module: "{name}" in {place} is no Agent (it is {type(found).__name__})')
    return found


def _load_module(place: str) -> ModuleType:
    if not place.endswith(".py"):
        sys.path.insert(0, str(Path.cwd()))
        try:
            return importlib.import_module(place)
        except ModuleNotFoundError as error:
            raise RefusedInputError(f"--module: {error}; looked in {Path.cwd()} and where packages are") from None
    path = Path(place).resolve()
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise RefusedInputError(f"--module: there is no file {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    sys.path.insert(0, str(path.parent))
    spec.loader.exec_module(module)
    return module


def _log_to_stderr() -> None:
    level = os.environ.get("MISSIONCONTROL_LOG_LEVEL", "info").upper()
    known = logging.getLevelNamesMapping()
    logging.basicConfig(
        level=known.get(level, logging.INFO), format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr
    )
