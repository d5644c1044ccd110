"""No failpoint is a name that nobody passes: at each of them a process dies, and its work is done once all the same."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import grpc
import pytest
from missioncontrol.failpoints import POINTS as AGENT_POINTS
from missioncontrol.failpoints import VARIABLE as AGENT_VARIABLE
from missioncontrol.v1 import task_service_pb2, task_service_pb2_grpc

from services.failpoints import POINTS, VARIABLE
from services.fleet.audit import Acknowledged
from services.fleet.feed import FeedFollower
from services.fleet.launcher import COORDINATOR, GATEWAY, SCHEDULER, AgentPlan, Fleet
from services.fleet.process import ManagedProcess
from tests.conftest import StartFleet, work_agent
from tests.faults.deaths import restart
from tests.faults.storm import Ledger, make_requests, rest, submit

pytestmark = pytest.mark.figures("failpoint_findings")
DYING_AGENT = Path(__file__).parent / "dying_agent.py"
DIES_SECONDS = 120.0
# What an agent only says when it is told to leave.
LEAVING = ("drain_notice.", "goodbye.")
LEAVES_MAX = 5
# A task comes while the one before is at work.
TASKS_PER_AGENT_MAX, TASK_SECONDS, BETWEEN_SECONDS = 100, 0.6, 0.3
TASKS_PER_POINT = 4
# The services whose points these are; all others are the coordinator's.
OTHERS = {"scheduler": SCHEDULER, "gateway": GATEWAY}
# A coordinator whose writer was killed ends by itself.
WRITER_KILLED = 1


async def test_an_agent_dies_at_each_of_its_points_and_its_work_is_done_once(start_fleet: StartFleet) -> None:
    # Fifteen agents share two cores; what they had when they died is waited for.
    fleet, ledger = await start_fleet(agents=(), lease_ttl_seconds=6.0), Ledger()
    follower = FeedFollower(fleet.gateway_url)
    points = {f"dying-{number}": point for number, point in enumerate(AGENT_POINTS)}
    async with asyncio.TaskGroup() as group:
        following = group.create_task(follower.run())
        dying = [group.create_task(die(fleet, name, points[name], ledger)) for name in points]
        codes = dict(zip(points.values(), await asyncio.gather(*dying), strict=True))
        fleet.start_agent(work_agent("survivor", slots=20, capabilities=tuple(points)))
        aftermath = await rest(fleet, follower, ledger)
        following.cancel()
    assert codes == dict.fromkeys(AGENT_POINTS, -signal.SIGKILL)
    assert aftermath.findings() == []


async def die(fleet: Fleet, name: str, point: str, ledger: Ledger) -> int:
    """How an agent ends that has a life with everything in it, and is killed at a point."""
    process = fleet.start_agent(AgentPlan(name, arguments=(str(DYING_AGENT),)))
    await restart(fleet, name, AGENT_VARIABLE, f"{point}=kill")
    async with grpc.aio.insecure_channel(fleet.address) as channel, asyncio.TaskGroup() as group:
        group.create_task(give_work(task_service_pb2_grpc.TaskServiceStub(channel), process, ledger))
        return await (leave(fleet, process) if point.startswith(LEAVING) else process.wait_exit(DIES_SECONDS))


async def leave(fleet: Fleet, process: ManagedProcess) -> int:
    """How an agent ends that is told to leave. One whose stream is broken just then has no word to say: it comes again.

    On a busy machine that happens to streams as short-lived as these.
    """
    code = 0
    for _ in range(LEAVES_MAX):
        await fleet.wait_agents_ready([process.name])
        process.signal(signal.SIGTERM)
        code = await process.wait_exit(DIES_SECONDS)
        if code == -signal.SIGKILL:
            break
        await fleet.restart(process.name)
    return code


async def give_work(stub: task_service_pb2_grpc.TaskServiceAsyncStub, process: ManagedProcess, ledger: Ledger) -> None:
    """Tasks that only this agent can do, until it dies, and somebody who watches each. The survivor does the rest."""
    watching = []
    for request in make_requests(TASKS_PER_AGENT_MAX, seed=1, seconds=(TASK_SECONDS, TASK_SECONDS)):
        if not process.running:
            break
        request.request_id += f"-{process.name}"
        request.spec.requirements.capabilities.append(process.name)
        answer = await stub.CreateTask(request)
        ledger.acknowledged.append(Acknowledged(request.request_id, answer.task.id))
        watching.append(asyncio.create_task(watch(stub, answer.task.id)))
        await asyncio.sleep(BETWEEN_SECONDS)
    # One that starts late still has all of it before it, and those who watch.
    await process.wait_exit(DIES_SECONDS)
    for each in watching:
        each.cancel()
    await asyncio.gather(*watching, return_exceptions=True)


async def watch(stub: task_service_pb2_grpc.TaskServiceAsyncStub, task_id: str) -> None:
    """Has the agent send what the task writes."""
    async for _ in stub.WatchTask(task_service_pb2.WatchTaskRequest(task_id=task_id, follow_output=True)):
        pass


@pytest.mark.slow
async def test_a_service_dies_at_each_of_its_points_and_work_is_done_once(
    database_url: str, start_fleet: StartFleet
) -> None:
    fleet, ledger = await start_fleet(agents=(work_agent("agent-1"),), database_url=database_url), Ledger()
    follower = FeedFollower(fleet.gateway_url)
    codes = {}
    async with asyncio.TaskGroup() as group:
        following = group.create_task(follower.run())
        for number, point in enumerate(POINTS):
            requests = make_requests(TASKS_PER_POINT, seed=1, first=TASKS_PER_POINT * number)
            working = group.create_task(submit(fleet.address, ledger, requests, over_seconds=0))
            name = OTHERS.get(point.partition(".")[0], COORDINATOR)
            await restart(fleet, name, VARIABLE, f"{point}=kill")
            codes[point] = await fleet.services[name].wait_exit(DIES_SECONDS)
            await restart(fleet, name, VARIABLE, "")
            await working
        aftermath = await rest(fleet, follower, ledger)
        following.cancel()
    assert {
        point: code for point, code in codes.items() if code != -signal.SIGKILL and not point.startswith("writer.")
    } == {}
    assert {code for point, code in codes.items() if point.startswith("writer.")} <= {-signal.SIGKILL, WRITER_KILLED}
    assert aftermath.findings() == []
