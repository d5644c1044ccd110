"""Agents that make calls, through a proxy in front of two coordinators: each conversation stays with one of them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from missioncontrol import Client
from missioncontrol.v1 import task_pb2

from services.fleet.launcher import COORDINATOR, names_of
from tests.conftest import StartFleet, work_agent
from tests.faults.databases import database_findings
from tests.proxies.proxy_process import COORDINATOR_PORT, ENVOY, HAPROXY, NGINX, Kind, port_of, running

pytestmark = [pytest.mark.proxies, pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)]

AGENTS = tuple(f"agent-{number}" for number in range(1, 7))
# Several heartbeats.
HOLD_SECONDS = 12.0


def twice(config: str, other: int) -> str:
    """The configuration with another line like that of the coordinator, as its comment says."""
    lines = []
    for line in config.splitlines(keepends=True):
        lines.append(line)
        if re.search(rf"\b{COORDINATOR_PORT}\b", line):
            lines.append(line.replace(str(COORDINATOR_PORT), str(other)).replace("coordinator-1", "coordinator-2"))
    assert len(lines) == config.count("\n") + 1
    return "".join(lines)


@pytest.mark.parametrize("kind", [ENVOY, NGINX, HAPROXY], ids=lambda kind: kind.name)
async def test_each_conversation_stays_with_one_coordinator(
    start_fleet: StartFleet, database_url: str, tmp_path: Path, kind: Kind
) -> None:
    fleet = await start_fleet(agents=(), database_url=database_url, coordinators=2, lease_ttl_seconds=30.0)
    first, second = (fleet.listening[name].address for name in names_of(COORDINATOR, 2))
    config, gateway = twice(kind.shipped(), port_of(second)), f"127.0.0.1:{port_of(fleet.gateway_url)}"
    async with running(kind, config, tmp_path / kind.name, coordinator=first, gateway=gateway) as proxy:
        for agent_id in AGENTS:
            fleet.start_agent(replace(work_agent(agent_id), transport="poll"), address=proxy.grpc_address)
        await fleet.wait_agents_ready(set(AGENTS))
        async with Client(proxy.grpc_address) as client:
            handles = [await client.submit("nap", HOLD_SECONDS) for _ in AGENTS]
            tasks = [await handle.wait() for handle in handles]
            agents = [(await client.agents.get(agent_id)).agent for agent_id in AGENTS]
    print({agent.id: agent.coordinator_id for agent in agents})
    assert {(task.state, task.token) for task in tasks} == {(task_pb2.TASK_STATE_SUCCEEDED, 1)}
    assert {agent.session for agent in agents} == {1}
    assert await database_findings(fleet) == []
