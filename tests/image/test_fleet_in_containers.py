"""The fleets of `compose.yaml`, run from the image: work is done, little can be written, SIGTERM ends all in order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from services.fleet.postgres import PostgresServer
from tests.conftest import running_postgres
from tests.image.built_image import BuiltImage
from tests.image.container_fleet import ContainerFleet

pytestmark = pytest.mark.container

OWNER = "missioncontrol"


@pytest.fixture
def postgres(containers: ContainerFleet) -> Iterator[PostgresServer]:
    """A PostgreSQL that lets in everybody of the containers' network, as the image of `ha-database` is told to."""
    host = containers.network.host_address
    with running_postgres(listen_addresses=host) as server:
        with (server.folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {host}/24 trust\n")
        with server.connect() as connection:
            connection.execute("SELECT pg_reload_conf()")
            connection.execute(f"CREATE ROLE {OWNER} SUPERUSER LOGIN")
            connection.execute(f"CREATE DATABASE {OWNER} OWNER {OWNER}")
        yield server


async def test_work_is_done_end_to_end_and_sigterm_ends_all_in_order(containers: ContainerFleet) -> None:
    await containers.start("gateway", "agent")

    # The agent's container knows where its coordinator is.
    done = await containers.execute("agent", "missionctl", "submit", "--command", "--watch", "--", "id", "-u")
    listed = await containers.execute("agent", "missionctl", "tasks", "list", "-o", "json")
    async with httpx.AsyncClient(timeout=60) as reader:
        events = await reader.get(f"http://{containers.network.addresses['gateway']}:7080/v1/events?format=json")

    assert (done.code, "65532" in done.output.splitlines()) == (0, True)
    assert [each["state"] for each in json.loads(listed.output)["tasks"]] == ["SUCCEEDED"]
    assert "task.succeeded" in events.text
    assert await containers.stop() == dict.fromkeys(("agent", "gateway", "coordinator", "scheduler"), 0)


async def test_a_database_in_a_volume_outlives_its_container(containers: ContainerFleet) -> None:
    await containers.start("coordinator")
    submitted = await containers.execute("coordinator", "missionctl", "submit", "--command", "--", "true")
    await containers.stop()

    coordinator = containers.processes["coordinator"]
    coordinator.start()
    listed = await containers.execute("coordinator", "missionctl", "tasks", "list", "--timeout", "30", "-o", "json")

    assert [each["id"] for each in json.loads(listed.output)["tasks"]] == [submitted.output.strip()]


async def test_no_process_has_rights_or_can_write_beside_its_volume(containers: ContainerFleet) -> None:
    await containers.start("coordinator")

    wrote = await containers.execute("coordinator", "sh", "-c", "touch /tmp/a ~/a && touch /opt/missioncontrol/a")
    beside = await containers.execute("scheduler", "sh", "-c", "touch /var/lib/missioncontrol/a")
    status = Path(f"/proc/{containers.processes['coordinator'].pid}/status").read_text()
    said = dict(line.split(":\t", 1) for line in status.splitlines())

    assert (wrote.code, beside.code) == (1, 1)
    assert "/opt/missioncontrol/a" in wrote.output
    assert "Read-only file system" in beside.output
    assert said["Uid"].split() == ["65532"] * 4
    assert {int(said[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb")} == {0}
    assert said["NoNewPrivs"] == "1"


async def test_what_it_runs_unasked_is_its_help(containers: ContainerFleet, image: BuiltImage) -> None:
    await containers.start("scheduler")

    asked = await containers.execute("scheduler", *image.config["Cmd"])

    assert asked.code == 0
    assert "Submits work to a fleet of agents" in asked.output


async def test_two_of_each_share_a_database_that_was_migrated_first(
    containers: ContainerFleet, postgres: PostgresServer
) -> None:
    await containers.start("ha-gateway", "ha-agent", elsewhere={"ha-database": containers.network.host_address})

    for name in ("ha-coordinator-1", "ha-coordinator-2"):
        done = await containers.execute(name, "missionctl", "submit", "--command", "--watch", "--", "echo", name)
        assert (done.code, name in done.output.splitlines()) == (0, True)
    await containers.processes["ha-coordinator-1"].stop()
    after = await containers.execute("ha-agent", "missionctl", "submit", "--command", "--watch", "--", "echo", "on")

    assert (after.code, "on" in after.output.splitlines()) == (0, True)
    assert set((await containers.stop()).values()) == {0}
