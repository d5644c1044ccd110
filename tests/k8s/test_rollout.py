"""Rolling updates, rehearsed: real processes, replaced in the order of Kubernetes, while work runs and readers read.

All workloads of an overlay are replaced at the same time, as after `kubectl apply -k` with another image.
"""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from missioncontrol import Client, limits

from services.fleet.postgres import PostgresServer
from tests.k8s.cluster import Cluster, Pod, roll, roll_surging
from tests.k8s.conftest import MakeCluster
from tests.k8s.rehearsal import Books, Reader, outcomes, working

pytestmark = [pytest.mark.k8s, pytest.mark.timeout(600)]
SERVICES = ("scheduler", "coordinator", "agents")


def pods_of(cluster: Cluster, component: str) -> list[Pod]:
    return [cluster.pod(name, component) for name in cluster.workload(component).pod_names()]


def gateways_of(cluster: Cluster, generation: str) -> list[Pod]:
    count = cluster.workload("event-gateway").replicas
    return [cluster.pod(f"missioncontrol-event-gateway-{generation}{n}", "event-gateway") for n in range(count)]


async def replace_everything(cluster: Cluster, old: list[Pod], new: list[Pod]) -> dict[str, list[float]]:
    """Rolls everything at once. How long each end took, in seconds, by component."""
    rolls = {component: roll(pods_of(cluster, component)) for component in SERVICES}
    ended = await asyncio.gather(*rolls.values(), roll_surging(old, new))
    return dict(zip([*rolls, "event-gateway"], ended, strict=True))


async def rehearse(cluster: Cluster, *, call_seconds: float) -> None:
    """The whole rehearsal. `call_seconds` is the deadline of a call with all its retries."""
    old, new = gateways_of(cluster, "a"), gateways_of(cluster, "b")
    everything = [pod for component in SERVICES for pod in pods_of(cluster, component)]
    await asyncio.gather(*(pod.start() for pod in [*everything, *old]))
    reader, books = Reader([f"{pod.ip}:7080" for pod in [*old, *new]]), Books()
    reading = asyncio.create_task(reader.run())
    async with Client(cluster.resolve("missioncontrol-coordinator:7070"), call_seconds=call_seconds) as client:
        async with working(client, books):
            await first_done(books)
            ended = await replace_everything(cluster, old, new)
        counted = await outcomes(books)
        head = (await client.tasks.get(books.handles[-1].id)).position
        await asyncio.wait_for(reader.until(int(head.rpartition(":")[2])), 60)
    reading.cancel()
    print(f"{books.calls} calls, the longest {books.longest_call_seconds:.1f} s; {dict(counted)}; ends {ended}")
    judge(books, counted)
    assert reader.resets == 0
    assert reader.sequences == list(range(1, reader.sequences[-1] + 1))
    assert reader.connections > 1


async def first_done(books: Books) -> None:
    """Work runs, of both kinds."""
    while len(books.handles) < 10:
        await asyncio.sleep(0.1)
    await asyncio.wait_for(books.handles[1].wait(), 60)


def judge(books: Books, counted: Counter[str]) -> None:
    """0 failed calls, 0 lost, and 0 requeued of what an agent had begun."""
    assert books.failed_calls == []
    tasks = len(books.handles)
    assert counted["task TASK_STATE_SUCCEEDED"] == counted["ATTEMPT_OUTCOME_SUCCEEDED"] == tasks
    # What an agent had taken and not begun when it was told to go, it gives back: the only other thing that may be.
    others = set(counted) - {"task TASK_STATE_SUCCEEDED", "ATTEMPT_OUTCOME_SUCCEEDED"}
    assert others <= {"ATTEMPT_OUTCOME_RETURNED unstarted"}, counted


async def test_in_production_nothing_is_lost_requeued_or_refused(
    make_cluster: MakeCluster, empty_postgres: PostgresServer
):
    secrets = {"missioncontrol-database": {"url": empty_postgres.url().encode()}}
    cluster = make_cluster(("production",), secrets=secrets)
    migration = cluster.pod("missioncontrol-migrate", "migrate")
    migration.begin()
    await rehearse(cluster, call_seconds=limits.CALL_SECONDS)
    assert migration.process.exit_code == 0
    await whole(cluster)


async def test_on_sqlite_calls_wait_while_the_one_coordinator_restarts(make_cluster: MakeCluster):
    cluster = make_cluster(("local",))
    # Some seconds on a machine that has nothing else to do; this is for one that has.
    await rehearse(cluster, call_seconds=150)
    await whole(cluster)


async def whole(cluster: Cluster) -> None:
    """`missionctl db check`, in the coordinator's pod: the log is dense, and its fold is what is in the tables."""
    coordinator = pods_of(cluster, "coordinator")[0]
    container = {**coordinator.workload.container, "name": "check", "command": ["missionctl", "db", "check"]}
    checked = coordinator.run(container)
    assert await checked.wait_exit(60) == 0, checked.log_tail()
