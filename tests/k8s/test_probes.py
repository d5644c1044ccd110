"""The rendered probes ask the real processes, which run with the rendered commands and environments."""

from __future__ import annotations

import asyncio
import signal

import pytest

from services.fleet.postgres import PostgresServer
from services.fleet.process import wait_until
from tests.k8s.cluster import Pod
from tests.k8s.conftest import MakeCluster

pytestmark = pytest.mark.k8s
ALL = {"startup": True, "liveness": True, "readiness": True}


def database(server: PostgresServer) -> dict[str, dict[str, bytes]]:
    return {"missioncontrol-database": {"url": server.url().encode()}}


async def until(pod: Pod, expected: dict[str, bool]) -> None:
    """Returns when the probes of a pod say this."""
    async with asyncio.timeout(60):
        while await pod.answers() != expected:
            pod.process.assert_running()
            await asyncio.sleep(0.05)


async def test_each_service_of_the_local_overlay_passes_its_probes(make_cluster: MakeCluster):
    cluster = make_cluster(("local",))
    for component, name in (
        ("scheduler", "missioncontrol-scheduler-0"),
        ("coordinator", "missioncontrol-coordinator-0"),
        ("event-gateway", "missioncontrol-event-gateway-0"),
    ):
        pod = cluster.pod(name, component)
        await pod.start()
        await until(pod, ALL)


async def test_a_gateway_without_a_coordinator_has_started_and_is_not_ready(make_cluster: MakeCluster):
    gateway = make_cluster(("local",)).pod("missioncontrol-event-gateway-0", "event-gateway")
    gateway.begin()
    await until(gateway, {"startup": True, "liveness": True, "readiness": False})


async def test_a_coordinator_that_waits_for_its_database_is_alive_and_has_not_started(
    make_cluster: MakeCluster, empty_postgres: PostgresServer
):
    cluster = make_cluster(("production",), secrets=database(empty_postgres))
    empty_postgres.stop()
    coordinator = cluster.pod("missioncontrol-coordinator-0", "coordinator")
    coordinator.begin()
    await until(coordinator, {"startup": False, "liveness": True, "readiness": False})


async def test_a_database_that_goes_away_changes_no_probe(make_cluster: MakeCluster, empty_postgres: PostgresServer):
    cluster = make_cluster(("production",), secrets=database(empty_postgres))
    migration = cluster.pod("missioncontrol-migrate", "migrate")
    migration.begin()
    coordinator = cluster.pod("missioncontrol-coordinator-0", "coordinator")
    # Its first container waits for the schema that the job is making.
    await coordinator.start()
    assert await migration.process.wait_exit(60) == 0
    empty_postgres.kill()
    away = "could not be looked at"
    await wait_until(lambda: away in coordinator.process.log_file.read_text(), 60, "the coordinator to notice")
    await until(coordinator, ALL)
    empty_postgres.start()


async def test_a_process_that_drains_is_alive_and_gets_no_new_work(make_cluster: MakeCluster):
    scheduler = make_cluster(("local",)).pod("missioncontrol-scheduler-0", "scheduler")
    await scheduler.start()
    scheduler.process.signal(signal.SIGSTOP)
    assert await scheduler.asks(scheduler.workload.container["livenessProbe"]) is False  # a loop that does not turn
    scheduler.process.signal(signal.SIGCONT)
    await until(scheduler, ALL)
    assert await scheduler.end() < scheduler.workload.pod["terminationGracePeriodSeconds"]


async def test_an_agent_of_the_pool_connects_and_drains(make_cluster: MakeCluster):
    cluster = make_cluster(("local",))
    coordinator = cluster.pod("missioncontrol-coordinator-0", "coordinator")
    await coordinator.start()
    agent = cluster.pod("missioncontrol-agents-0", "agents")
    await agent.start()
    await wait_until(lambda: "connected" in agent.process.log_file.read_text(), 60, "the agent to connect")
    assert await agent.end() < 60  # the drain may take minutes, and there is nothing to wait for
