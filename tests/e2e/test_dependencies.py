"""Tasks that wait for others, with real processes, while the coordinator is killed under them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from missioncontrol import Client, RetryPolicy, task_request
from missioncontrol.cli.events import verified
from missioncontrol.command import COMMAND_KIND, CommandInput
from missioncontrol.handle import TaskHandle
from missioncontrol.v1 import task_pb2, task_service_pb2

from services.fleet.launcher import COORDINATOR
from tests.conftest import StartFleet
from tests.e2e.waiting import eventually
from tests.faults.databases import database_findings

CHAIN, BROKEN = 20, 10
SUCCEEDED, FAILED = task_pb2.TASK_STATE_SUCCEEDED, task_pb2.TASK_STATE_FAILED


def command(script: str, depends_on: Iterable[str] = ()) -> task_service_pb2.CreateTaskRequest:
    return task_request(
        COMMAND_KIND,
        CommandInput(argv=("sh", "-c", script)),
        depends_on=depends_on,
        retry_policy=RetryPolicy(attempts_max=1),
    )


def chain(gate: Path) -> list[task_service_pb2.CreateTaskRequest]:
    """The first waits for the gate, one in the middle fails. They come last first: names may point ahead."""
    scripts = [f"until [ -e '{gate}' ]; do sleep 0.05; done", *["exit 0"] * (CHAIN - 1)]
    scripts[BROKEN] = "exit 1"
    requests = [command(script, [f"#{CHAIN - place}"] if place else []) for place, script in enumerate(scripts)]
    return requests[::-1]


def diamond(log: Path) -> list[task_service_pb2.CreateTaskRequest]:
    """Each writes its name. The first waits until it can."""
    top = f"until [ -e '{log}' ]; do sleep 0.05; done; echo top >> '{log}'"
    return [
        command(top),
        command(f"echo left >> '{log}'", ["#0"]),
        command(f"echo right >> '{log}'", ["#0"]),
        command(f"echo bottom >> '{log}'", ["#1", "#2"]),
    ]


@pytest.mark.timeout(180)
async def test_a_diamond_and_a_chain_with_a_failure_survive_the_coordinator_s_end(
    start_fleet: StartFleet, database_url: str, tmp_path: Path
) -> None:
    # Longer than a coordinator is away on a busy machine: what is held back would be run twice.
    fleet = await start_fleet(database_url=database_url, lease_ttl_seconds=30.0)
    gate, log = tmp_path / "gate", tmp_path / "log"
    async with Client(fleet.address) as client:
        links = (await client.submit_many(chain(gate)))[::-1]
        corners = await client.submit_many(diamond(log))
        after = await client.submit("echo", b"after", depends_on=[corners[-1], links[BROKEN - 1]])
        await eventually(lambda: both_run(links[0], corners[0]))
        assert await blocked(client) == CHAIN + len(corners) - 1

        fleet.services[COORDINATOR].kill()
        gate.touch()
        await fleet.restart(COORDINATOR)
        log.touch()

        assert await after.result(bytes) == b"after"
        ended = [await link.wait() for link in links]
        assert [task.state for task in ended] == [SUCCEEDED] * BROKEN + [FAILED] * (CHAIN - BROKEN)
        assert {task.failure.reason for task in ended[BROKEN + 1 :]} == {task_pb2.FAILURE_REASON_DEPENDENCY}
        assert links[BROKEN].id in ended[BROKEN + 1].failure.message
        assert [(await corner.wait()).state for corner in corners] == [SUCCEEDED] * 4
        assert (await verified(client))[0].findings == []
    names = log.read_text().split()
    assert (names[0], sorted(names[1:3]), names[3:]) == ("top", ["left", "right"], ["bottom"])
    assert await database_findings(fleet) == []


async def both_run(*handles: TaskHandle[object]) -> bool:
    return all([(await handle.get()).state == task_pb2.TASK_STATE_RUNNING for handle in handles])


async def blocked(client: Client) -> int:
    states = [task_pb2.TASK_STATE_BLOCKED]
    return len([task async for task in client.tasks.list(states=states)])


@pytest.mark.timeout(180)
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_wide_fan_is_unblocked_across_coordinators(start_fleet: StartFleet, database_url: str) -> None:
    """Some are submitted through the one, some through the other, while what they wait for ends."""
    fleet = await start_fleet(database_url=database_url, coordinators=2)
    first, second = fleet.addresses.split(",")
    async with Client(first) as one, Client(second) as other:
        top = await one.submit("nap", 1.0)
        requests = [task_request("echo", number, depends_on=[top]) for number in range(200)]
        handles = []
        for number, request in enumerate(requests):
            client = (one, other)[number % 2]
            handles += await client.submit_many([request])
        results = [await handle.result(int) for handle in handles]
        assert results == list(range(200))
        assert (await verified(one))[0].findings == []
    assert await database_findings(fleet) == []
