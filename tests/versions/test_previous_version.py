"""The version before and this one: its code on this schema, its agents here, ours there, and its data brought over.

Processes of the version before run from `previous.tar.xz`, which `make.py` renews at a release.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from missioncontrol import CallError, Client, TaskHandle
from missioncontrol.v1 import task_pb2
from sqlalchemy import update
from sqlalchemy.engine import make_url

from services.fleet.launcher import COORDINATOR, SCHEDULER, Fleet
from services.fleet.postgres import PostgresServer
from services.store.database import open_database
from services.store.migration import upgrade
from services.store.schema import SCHEMA_VERSION, schema_info
from tests.conftest import StartFleet, work_agent
from tests.e2e.waiting import Gate, coordinators_met, eventually
from tests.faults.databases import database_findings
from tests.versions.make import ARCHIVE

PREVIOUS_SCHEMA_VERSION = 2
COMMAND_SECONDS = 120
SUCCEEDED = task_pb2.TASK_STATE_SUCCEEDED
Environment = Mapping[str, str]
# What of an environment chooses the version. A safe path leaves out the current folder, which is this version's.
CURRENT: Environment = {"PYTHONPATH": "", "PYTHONSAFEPATH": ""}


@pytest.fixture(scope="session")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The environment in which the version before runs: its code comes before what is installed."""
    folder = tmp_path_factory.mktemp("previous")
    with tarfile.open(ARCHIVE) as archive:
        # The first releases of Python 3.11 know no filters; later ones warn without.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)
    path = os.pathsep.join((str(folder), str(folder / "clients" / "python")))
    environment = {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"}
    code = "import missioncontrol, services; print(services.__file__, missioncontrol.__file__, sep='\\n')"
    files = run(environment, "-c", code).stdout.split("\n")[:2]
    assert [Path(file).is_relative_to(folder) for file in files] == [True, True], files
    return environment


@pytest.fixture
def empty_url(request: pytest.FixtureRequest, database_url: str) -> str:
    """A database without a schema."""
    url = make_url(database_url)
    if url.get_backend_name() == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        with server.connect() as connection:
            connection.execute(f"DROP DATABASE {url.database}")
            connection.execute(f"CREATE DATABASE {url.database} TEMPLATE template0")
    return database_url


@pytest.fixture
def upgraded_url(database_url: str) -> str:
    """A database with this version's schema, which has taken all the steps."""
    engine = open_database(database_url)
    upgrade(engine)
    engine.dispose()
    return database_url


def run(environment: Environment, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    own = {key: value for key, value in os.environ.items() if not key.startswith("MISSIONCONTROL_")}
    return subprocess.run(
        [sys.executable, *arguments],
        env={**own, **environment, **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_SECONDS,
    )


def db(environment: Environment, command: str, url: str) -> object:
    """What `missionctl db` of one version answers."""
    ended = run(environment, "-m", "missioncontrol.cli", "db", command, "--database-url", url, "--output", "json")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return json.loads(ended.stdout)


async def change_version(fleet: Fleet, name: str, environment: Environment) -> None:
    """Stops a service in order and starts it on the same port, of another version."""
    process = fleet.services[name]
    await process.stop()
    process.spec = replace(process.spec, environment={**process.spec.environment, **environment})
    await fleet.restart(name)


async def start_agent(fleet: Fleet, environment: Environment) -> None:
    fleet.plan = replace(fleet.plan, environment=environment)
    fleet.start_agent(work_agent("agent-1"))
    await fleet.wait_agents_ready({"agent-1"})


async def coordinator_version(client: Client) -> str:
    """The version before knows no schedules."""
    try:
        _ = [schedule async for schedule in client.schedules.list()]
    except CallError as error:
        assert error.code is grpc.StatusCode.UNIMPLEMENTED
        return "previous"
    return "current"


async def test_what_the_previous_version_left_is_upgraded_and_done(
    previous: Environment, empty_url: str, start_fleet: StartFleet
) -> None:
    assert db(previous, "upgrade", empty_url) == {"version": PREVIOUS_SCHEMA_VERSION, "oldest": 1}
    fields = {"database_url": empty_url, "gateway_listen": "", "agents": ()}
    before = await start_fleet(environment=previous, **fields)
    await start_agent(before, previous)
    async with Client(before.address) as client:
        done = [await client.submit("echo", b"before") for _ in range(3)]
        for handle in done:
            await handle.wait()
        await client.agents.drain("agent-1")
        waiting = [await client.submit("echo", b"waiting") for _ in range(3)]
    await before.stop()

    assert db(CURRENT, "upgrade", empty_url) == {"version": SCHEMA_VERSION, "oldest": 1}
    assert db(CURRENT, "check", empty_url) == []

    after = await start_fleet(environment=CURRENT, **fields)
    after.start_agent(work_agent("agent-2"))
    async with Client(after.address) as client:
        results = [await client.handle(handle.id).result() for handle in (*done, *waiting)]
    assert results == [b"before"] * 3 + [b"waiting"] * 3
    await after.stop()
    assert await database_findings(after) == []


@pytest.mark.parametrize(
    ("coordinator", "scheduler", "agent"),
    [
        ("previous", "previous", "previous"),
        ("previous", "current", "current"),
        ("current", "previous", "previous"),
        ("current", "current", "previous"),
    ],
)
async def test_processes_of_both_versions_work_together_on_this_schema(
    previous: Environment, upgraded_url: str, start_fleet: StartFleet, coordinator: str, scheduler: str, agent: str
) -> None:
    environments = {"previous": previous, "current": CURRENT}
    fleet = await start_fleet(
        database_url=upgraded_url,
        gateway_listen="",
        agents=(),
        environment=environments[coordinator],
        lease_ttl_seconds=30.0,
    )
    if scheduler != coordinator:
        await change_version(fleet, SCHEDULER, environments[scheduler])
    await start_agent(fleet, environments[agent])
    async with Client(fleet.address) as client:
        assert await coordinator_version(client) == coordinator
        # One at a time, which is placed ahead, and more than there are slots, which the scheduler places.
        first = await (await client.submit("echo", b"x")).wait()
        handles = [await client.submit("nap", 0.05) for _ in range(12)]
        tasks = [first, *[await handle.wait() for handle in handles]]
    assert {(task.state, task.token) for task in tasks} == {(SUCCEEDED, 1)}
    await fleet.stop()
    assert await database_findings(fleet) == []


async def test_back_to_the_previous_version_and_forth_again_while_there_is_work(
    previous: Environment, upgraded_url: str, start_fleet: StartFleet
) -> None:
    # Longer than a coordinator is away on a busy machine: no lease may run out meanwhile.
    fleet = await start_fleet(
        database_url=upgraded_url, gateway_listen="", agents=(work_agent("agent-1"),), lease_ttl_seconds=30.0
    )
    for version, environment in (("previous", previous), ("current", CURRENT)):
        async with Client(fleet.address) as client:
            handles = [await client.submit("nap", 0.3) for _ in range(8)]
        await change_version(fleet, COORDINATOR, environment)
        async with Client(fleet.address) as client:
            tasks = [await client.handle(handle.id).wait() for handle in handles]
            assert await coordinator_version(client) == version
        assert {(task.state, task.redeliveries) for task in tasks} == {(SUCCEEDED, 0)}
    await fleet.stop()
    assert await database_findings(fleet) == []


async def is_running(handle: TaskHandle[Any]) -> bool:
    return (await handle.get()).state == task_pb2.TASK_STATE_RUNNING


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_coordinators_of_both_versions_share_a_fleet(
    previous: Environment, upgraded_url: str, start_fleet: StartFleet, tmp_path: Path
) -> None:
    """Each takes tasks and agents, and what one has taken in the other's agents run; then one is killed."""
    fleet = await start_fleet(
        database_url=upgraded_url, gateway_listen="", agents=(), coordinators=2, lease_ttl_seconds=30.0
    )
    older = f"{COORDINATOR}-2"
    await change_version(fleet, older, previous)
    await coordinators_met(fleet)
    for number, address in enumerate(fleet.addresses.split(",")):
        fleet.start_agent(work_agent(f"agent-{number}"), address=address)
    await fleet.wait_agents_ready({"agent-0", "agent-1"})
    clients = [Client(address) for address in fleet.addresses.split(",")]
    assert [await coordinator_version(client) for client in clients] == ["current", "previous"]

    # The newer one has words for the end of a drain that the older one does not know.
    await clients[0].agents.drain("agent-0")
    await clients[0].agents.resume("agent-0")
    # Eight at once need the slots of both agents.
    gate = Gate(tmp_path / "gate")
    busy = [await client.submit_command(gate.argv) for client in clients for _ in range(4)]
    for each in busy:
        await eventually(partial(is_running, each))
    handles = [*busy, *[await client.submit("nap", 0.3) for client in clients for _ in range(12)]]
    gate.open()
    await handles[-1].wait()
    fleet.services[older].assert_running()
    fleet.services[older].kill()
    tasks = [await clients[0].handle(handle.id).wait() for handle in handles]

    assert {(task.state, task.redeliveries) for task in tasks} == {(SUCCEEDED, 0)}
    assert {task.agent_id for task in tasks} == {"agent-0", "agent-1"}
    for client in clients:
        await client.close()
    await fleet.stop()
    assert await database_findings(fleet) == []


def test_the_previous_version_refuses_a_schema_that_is_too_new_for_it_and_says_what_to_do(
    previous: Environment, upgraded_url: str
) -> None:
    engine = open_database(upgraded_url)
    with engine.connect() as connection:
        connection.execute(update(schema_info).values(oldest=PREVIOUS_SCHEMA_VERSION + 1))
    engine.dispose()

    ended = run(
        previous,
        "-m",
        "services.coordinator",
        MISSIONCONTROL_DATABASE_URL=upgraded_url,
        MISSIONCONTROL_COORDINATOR_LISTEN="127.0.0.1:0",
        MISSIONCONTROL_METRICS_LISTEN="127.0.0.1:0",
    )

    assert ended.returncode == 1
    assert ended.stderr.endswith("this one is for version 2: use a newer program\n")
