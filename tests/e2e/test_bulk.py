"""Many tasks are moved and given another priority while agents work on them: nothing is lost, and all of them run."""

from __future__ import annotations

import asyncio

import pytest
from missioncontrol import Client, limits, task_request
from missioncontrol.cli.events import verified
from missioncontrol.client import Client as ClientType
from missioncontrol.v1 import task_pb2
from missioncontrol.v1 import task_service_pb2 as pb

from tests.clients.cli.conftest import CommandLine
from tests.clients.client.peer import Peer
from tests.conftest import StartFleet, work_agent
from tests.e2e.waiting import eventually
from tests.faults.databases import database_findings

TASKS = 2_000
PAGE = 100
PATIENCE_SECONDS = 120.0
SUCCEEDED = task_pb2.TASK_STATE_SUCCEEDED


async def change(client: ClientType, request: pb.BulkChangeTasksRequest, begun: asyncio.Event) -> list[str]:
    """The ids of what has changed; `begun` is set when there are some."""
    changed: list[str] = []
    try:
        async for page in client.tasks.change_many(request):
            changed.extend(page.task_ids)
            if changed:
                begun.set()
    finally:
        begun.set()  # if there were none, that is for the test to say
    return changed


@pytest.mark.timeout(300)
async def test_a_backlog_that_is_moved_under_working_agents_runs_whole(
    start_fleet: StartFleet, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L4, S9: through either coordinator."""
    # A page that is asked for twice does not tell what the first asking changed.
    monkeypatch.setattr(limits, "TRY_SECONDS_MAX", PATIENCE_SECONDS)
    several = database_url.startswith("postgresql")
    fleet = await start_fleet(
        database_url=database_url, coordinators=2 if several else 1, gateway_listen="", lease_ttl_seconds=30.0,
        agents=(work_agent("agent-1", slots=2), work_agent("agent-2", slots=2)),
    )  # fmt: skip
    addresses = [listening.address for name, listening in fleet.listening.items() if name.startswith("coordinator")]
    async with (
        Client(addresses[0], call_seconds=PATIENCE_SECONDS) as first,
        Client(addresses[-1], call_seconds=PATIENCE_SECONDS) as second,
    ):
        await first.submit_many(task_request("echo", n, queue="old", request_id=f"r{n}") for n in range(TASKS))
        old = pb.TaskFilter(queue="old")
        # What is moved is no longer meant by the other change: moved fast enough, nothing would be left for it.
        begun = asyncio.Event()
        raised = pb.BulkChangeTasksRequest(filter=old, page_size=PAGE, reprioritize=pb.BulkReprioritize(priority=7))
        reprioritizing = asyncio.create_task(change(first, raised, begun))
        await begun.wait()
        move = pb.BulkChangeTasksRequest(filter=old, page_size=PAGE, move=pb.BulkMove(queue="new"))
        answers = await asyncio.gather(reprioritizing, change(second, move, asyncio.Event()))

        async def ended() -> list[task_pb2.Task] | None:
            tasks = [task async for task in first.tasks.list(states=[SUCCEEDED])]
            return tasks if len(tasks) == TASKS else None

        tasks = await eventually(ended, within=240)
        fold, listed = await verified(first)
    reprioritized, moved = map(set, answers)
    assert {task.id for task in tasks if task.spec.queue == "new"} == moved
    assert {task.id for task in tasks if task.spec.priority == 7} == reprioritized
    assert moved
    assert reprioritized
    assert {task.token for task in tasks} == {1}
    assert (fold.findings, listed) == ([], TASKS)
    assert await database_findings(fleet) == []


@pytest.mark.timeout(120)
async def test_an_operator_counts_moves_and_cancels_what_waits(start_fleet: StartFleet) -> None:
    fleet = await start_fleet(agents=(), gateway_listen="")
    missionctl = CommandLine(Peer(), fleet.address)
    async with Client(fleet.address) as client:
        await client.submit_many(task_request("echo", n, queue="q", labels={"odd": str(n % 2)}) for n in range(20))

    bulk = ("tasks", "bulk")
    odd = ("--queue", "q", "--state", "pending", "--label", "odd=1")
    counted = await missionctl(*bulk, "move", *odd, "--to", "other", "--preview", "-o", "json")
    unasked = await missionctl(*bulk, "move", *odd, "--to", "other")
    moved = await missionctl(*bulk, "move", *odd, "--to", "other", "--yes", "-o", "json")
    raised = await missionctl(*bulk, "reprioritize", "--queue", "other", "--priority", "9", "--yes", "-o", "json")
    cancelled = await missionctl(*bulk, "cancel", "--kind", "echo", "--reason", "enough", "--yes", "-o", "json")
    again = await missionctl(*bulk, "retry", "--queue", "other", "--yes", "--request-id", "x", "-o", "json")
    listed = await missionctl("tasks", "list", "--queue", "other", "--state", "PENDING", "-o", "json")
    everything = await missionctl(*bulk, "cancel", "--yes")

    assert counted.err == "would move 10 of 10 tasks that match\n"
    assert counted.json == {"matched": 10, "changed": 10, "skipped": 0, "preview": True}
    assert (unasked.code, unasked.out) == (2, "")
    assert "--yes" in unasked.err
    assert moved.json == raised.json == {"matched": 10, "changed": 10, "skipped": 0, "preview": False}
    assert cancelled.json["changed"] == 20
    assert again.json["changed"] == 10
    assert {task["spec"]["priority"] for task in listed.json["tasks"]} == {9}
    assert (everything.code, "--queue" in everything.err) == (2, True)
