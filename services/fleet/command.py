"""`missionctl up`: a fleet on this machine, kept running until Ctrl-C. An entry point for the SDK's command line.

The services listen on their default ports unless the environment says otherwise (MISSIONCONTROL_COORDINATOR_LISTEN, …).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from missioncontrol.cli import exit_codes
from missioncontrol.cli.failures import complain
from missioncontrol.cli.printer import OutputFormat
from rich.console import Console

from services.config import split_address
from services.domain.errors import MissionControlError
from services.fleet.launcher import ANY_PORT, COORDINATOR, GATEWAY, SCHEDULER, AgentPlan, Fleet, FleetPlan, further
from services.fleet.postgres import PostgresServer
from services.fleet.process import FleetError, ManagedProcess
from services.store.database import open_database
from services.store.migration import upgrade

app = typer.Typer(help="Starts a fleet on this machine and keeps it running until Ctrl-C.", subcommand_metavar="")
# A process that died is started again after this, then after twice as long, up to the maximum.
RESTART_SECONDS = 1.0
RESTART_HA_SECONDS = 10.0
RESTART_SECONDS_MAX = 30.0
# One that has lived so long has its backoff forgotten.
HEALTHY_SECONDS = 60.0
WATCH_SECONDS = 0.2

_LISTENS = {
    COORDINATOR: ("MISSIONCONTROL_COORDINATOR_LISTEN", "127.0.0.1:7070"),
    SCHEDULER: ("MISSIONCONTROL_SCHEDULER_LISTEN", "127.0.0.1:7071"),
    GATEWAY: ("MISSIONCONTROL_EVENT_GATEWAY_LISTEN", "127.0.0.1:7080"),
}
_GATEWAY_GRPC = "MISSIONCONTROL_EVENT_GATEWAY_GRPC_LISTEN"
_METRICS = {COORDINATOR: "127.0.0.1:9464", SCHEDULER: "127.0.0.1:9465", GATEWAY: "127.0.0.1:9466"}


class AddressError(FleetError):
    """A port of the plan is none."""


class PortTakenError(FleetError):
    """Somebody else listens on a port of the plan."""


@app.callback(invoke_without_command=True)
def up(
    folder: Annotated[Path, typer.Option(help="Where the database and the logs are kept.")] = Path("var"),
    agents: Annotated[int, typer.Option(min=0, help="How many agent processes to start.")] = 3,
    slots: Annotated[int, typer.Option(min=1, help="How many tasks each agent runs at once.")] = 2,
    lease_ttl: Annotated[float, typer.Option(min=1, help="Seconds that a lease lives without a heartbeat.")] = 30.0,
    ha: Annotated[
        bool,
        typer.Option(
            "--ha",
            help="Two coordinators, two schedulers and two event gateways on a PostgreSQL of its own (or the one in "
            "MISSIONCONTROL_DATABASE_URL). What dies is started again after 10 s, so that its absence can be seen.",
        ),
    ] = False,
    output: Annotated[
        OutputFormat, typer.Option("--output", "-o", help="How to write the addresses; json: the rest is on stderr.")
    ] = OutputFormat.TABLE,
) -> None:
    """Starts coordinator, scheduler, event gateway and agents on SQLite, and keeps them running until Ctrl-C."""
    plan = fleet_plan(folder, agents=agents, slots=slots, lease_ttl_seconds=lease_ttl, ha=ha)
    console = Console(highlight=False, soft_wrap=True, stderr=output is OutputFormat.JSON)
    greet = _greet_programs if output is OutputFormat.JSON else _greet
    try:
        check_ports(plan)
        with database_of(plan, own=ha and not plan.database_url) as url:
            restart_seconds = RESTART_HA_SECONDS if ha else RESTART_SECONDS
            plan = replace(plan, database_url=url)
            asyncio.run(run(plan, console, greet=greet, restart_seconds=restart_seconds))
    except AddressError as error:
        complain(str(error))
        raise typer.Exit(exit_codes.USAGE) from None
    except PortTakenError as error:
        complain(str(error))
        raise typer.Exit(exit_codes.REFUSED) from None
    except (FleetError, OSError, MissionControlError) as error:
        sentence, _, log = str(error).partition("\n")
        complain(sentence)
        if log:
            typer.echo(log, err=True)
        raise typer.Exit(exit_codes.FAULT) from None


@contextlib.contextmanager
def database_of(plan: FleetPlan, *, own: bool) -> Iterator[str]:
    """The URL of the plan's database; with `own`, of a PostgreSQL server started for it and stopped after it."""
    if not own:
        yield plan.database_url
        return
    server = PostgresServer(plan.folder.absolute() / "postgres")
    server.start()
    try:
        engine = open_database(server.url())
        upgrade(engine)
        engine.dispose()
        yield server.url()
    finally:
        server.remove()


def fleet_plan(folder: Path, *, agents: int, slots: int, lease_ttl_seconds: float, ha: bool = False) -> FleetPlan:
    """The plan of `up`. The first agent has the capability that the others lack, as in the demo."""
    listens = {name: os.environ.get(key, default) for name, (key, default) in _LISTENS.items()}
    return FleetPlan(
        folder=folder,
        agents=tuple(_agent(number, slots) for number in range(1, agents + 1)),
        database_url=os.environ.get("MISSIONCONTROL_DATABASE_URL", ""),
        lease_ttl_seconds=lease_ttl_seconds,
        coordinators=2 if ha else 1,
        schedulers=2 if ha else 1,
        gateways=2 if ha else 1,
        coordinator_listen=listens[COORDINATOR],
        scheduler_listen=listens[SCHEDULER],
        gateway_listen=listens[GATEWAY],
        gateway_grpc_listen=os.environ.get(_GATEWAY_GRPC, _beside(listens[GATEWAY], "127.0.0.1:7081")),
        metrics_listen={name: _beside(listens[name], default) for name, default in _METRICS.items()},
    )


def _beside(listen: str, default: str) -> str:
    """A second port: whoever takes any free port for a service has another fleet here, and the rest goes with it."""
    return ANY_PORT if listen.endswith(":0") else default


def check_ports(plan: FleetPlan) -> None:
    """Raises AddressError or PortTakenError, which name the port, if one of the plan's ports is none or is taken."""
    for listen in ports_of(plan):
        host, port = _split(listen)
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                raise PortTakenError(
                    f"cannot listen on {listen} ({error.strerror}): is another fleet running? Stop it, or choose other "
                    "ports with MISSIONCONTROL_COORDINATOR_LISTEN, …SCHEDULER_LISTEN and …EVENT_GATEWAY_LISTEN"
                ) from None


def ports_of(plan: FleetPlan) -> list[str]:
    """Every port of the plan."""
    counted = [
        (plan.coordinators, (plan.coordinator_listen, plan.metrics_listen[COORDINATOR])),
        (plan.schedulers, (plan.scheduler_listen, plan.metrics_listen[SCHEDULER])),
        (plan.gateways, (plan.gateway_listen, plan.gateway_grpc_listen, plan.metrics_listen[GATEWAY])),
    ]
    return [further(listen, n) for count, listens in counted for listen in listens for n in range(1, count + 1)]


def _split(listen: str) -> tuple[str, int]:
    try:
        return split_address(listen)
    except ValueError as error:
        raise AddressError(f"cannot listen on {listen!r}: {error}") from None


async def run(
    plan: FleetPlan,
    console: Console,
    *,
    greet: Callable[[Fleet, Console], None],
    restart_seconds: float = RESTART_SECONDS,
) -> None:
    """Starts the fleet, greets once it is up, keeps it running, and stops it in order on SIGINT or SIGTERM."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    console.print(f"starting a fleet in {plan.folder} …", markup=False)
    starting = asyncio.ensure_future(Fleet(plan).__aenter__())
    if not await _unless(stopping, starting):
        return
    fleet = starting.result()
    try:
        greet(fleet, console)
        watch = Watch(fleet, console, restart_seconds=restart_seconds)
        await watch.run(stopping)
        console.print("\nstopping: agents, event gateway, scheduler, coordinator …")
    finally:
        await fleet.__aexit__(None, None, None)
    console.print("stopped")


@dataclass
class _Backoff:
    """When a process that died is started again."""

    seconds: float
    due_time: float | None = None
    started_time: float = 0.0


class Watch:
    """Starts again what died, with a line that says so."""

    def __init__(self, fleet: Fleet, console: Console, *, restart_seconds: float = RESTART_SECONDS) -> None:
        self._fleet = fleet
        self._restart_seconds = restart_seconds
        self._console = console
        self._backoffs: dict[str, _Backoff] = {}

    async def run(self, stopping: asyncio.Event) -> None:
        """Looks at the processes until it is told to stop."""
        loop = asyncio.get_running_loop()
        while not stopping.is_set():
            self.step(loop.time())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), WATCH_SECONDS)

    def step(self, now: float) -> None:
        """One look at every process, at `now` of a monotonic clock."""
        for process in self._fleet.processes:
            backoff = self._backoffs.setdefault(process.name, _Backoff(self._restart_seconds, started_time=now))
            if not process.running:
                self._revive(process, backoff, now)
            elif now - backoff.started_time > HEALTHY_SECONDS:
                backoff.seconds = self._restart_seconds

    def _revive(self, process: ManagedProcess, backoff: _Backoff, now: float) -> None:
        if backoff.due_time is None:
            backoff.due_time = now + backoff.seconds
            self._console.print(
                f"{process.name} ended with code {process.exit_code} (log: {process.log_file}); "
                f"starting it again in {backoff.seconds:g} s",
                style="yellow",
                markup=False,
            )
            backoff.seconds = min(backoff.seconds * 2, RESTART_SECONDS_MAX)
        elif now >= backoff.due_time:
            backoff.due_time, backoff.started_time = None, now
            process.start()
            self._console.print(f"{process.name} started again", style="green", markup=False)


def _agent(number: int, slots: int) -> AgentPlan:
    return AgentPlan(f"agent-{number}", slots=slots, capabilities=("python",) if number == 1 else ())


async def _unless(stopping: asyncio.Event, work: asyncio.Future[Fleet]) -> bool:
    """Waits for the work, whose error it raises; False if it was cancelled because of a signal."""
    stop = asyncio.ensure_future(stopping.wait())
    either: set[asyncio.Future[Any]] = {stop, work}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if work.done():
        stop.cancel()
        work.result()
        return True
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
    return False


def _greet(fleet: Fleet, console: Console) -> None:
    port = "" if fleet.addresses == "127.0.0.1:7070" else f"MISSIONCONTROL_ADDRESS={fleet.addresses} "
    listening = {name: where.address for name, where in fleet.listening.items()}
    lines = [
        *(f"{each.name:<16} {listening.get(each.name, ''):<16} process {each.pid}" for each in fleet.processes),
        f"database, logs   {fleet.plan.folder}",
        "",
        "Try, in another terminal:",
        f"  {port}.venv/bin/missionctl submit --watch -- echo hello",
        f"  {port}.venv/bin/missionctl tasks list",
        f"  curl -N {fleet.gateway_url}/v1/events",
        "",
        "Ctrl-C stops the fleet.",
    ]
    console.print("\n".join(lines), markup=False)


def _greet_programs(fleet: Fleet, _console: Console) -> None:
    """One line of JSON on stdout, once every agent is READY."""
    addresses = {
        "coordinator": fleet.address,
        "scheduler": fleet.listening[SCHEDULER].address,
        "event_gateway": fleet.gateway_url,
        "agents": sorted(fleet.agents),
        "folder": str(fleet.plan.folder),
    }
    typer.echo(json.dumps(addresses))
