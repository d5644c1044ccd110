"""What an operator sees of an agent: what its leases are of and what it is warm for, also after a coordinator died."""

from __future__ import annotations

from typing import Any

from missioncontrol import Client
from missioncontrol.v1 import queue_pb2, task_pb2

from services.fleet.launcher import COORDINATOR
from tests.clients.cli.conftest import CommandLine
from tests.clients.client.peer import Peer
from tests.conftest import StartFleet, work_agent
from tests.e2e.waiting import eventually

LANES = queue_pb2.QueuePolicy(
    lanes=[queue_pb2.Lane(name="urgent", priority_min=50), queue_pb2.Lane(name="rest", priority_min=-100)]
)


async def test_lanes_and_warm_keys_are_shown_and_survive_a_coordinator_that_is_killed(start_fleet: StartFleet) -> None:
    fleet = await start_fleet(agents=(work_agent("agent-1"),), lease_ttl_seconds=30.0)
    missionctl = CommandLine(Peer(), fleet.address)

    async def shown() -> dict[str, Any]:
        found = await missionctl("agents", "get", "agent-1", "-o", "json")
        assert found.code == 0, found.err
        agent: dict[str, Any] = found.json
        return {name: agent[name] for name in ("state", "slots_used", "lanes", "warm_keys")}

    async with Client(fleet.address) as client:
        await client.queues.update("build", LANES)
        await (await client.submit("echo", b"", queue="build", affinity_key="repo-1")).result()
        nap = await client.submit("nap", 600, queue="build", priority=60, affinity_key="repo-2")

        async def naps() -> bool:
            return (await nap.get()).state == task_pb2.TASK_STATE_RUNNING

        await eventually(naps)
        before = await shown()
        assert before == {
            "state": "READY",
            "slots_used": 1,
            "lanes": [{"queue": "build", "priority": 60, "lane": "urgent", "leased": 0, "running": 1}],
            "warm_keys": ["repo-2", "repo-1"],
        }
        people = (await missionctl("agents", "get", "agent-1")).out
        assert "build, lane urgent, priority 60: 1 running, 0 not started" in people
        assert "repo-2, repo-1" in people

        fleet.services[COORDINATOR].kill()
        await fleet.restart(COORDINATOR)
        await fleet.wait_agents_ready({"agent-1"})
        assert await shown() == before
        await nap.cancel()
