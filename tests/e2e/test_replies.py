"""Answers that never arrive: the same request id gives the same task (S2)."""

from __future__ import annotations

import asyncio

import grpc
from missioncontrol import Client
from missioncontrol.errors import AlreadyExists
from missioncontrol.v1 import task_pb2, task_service_pb2, task_service_pb2_grpc

from services.fleet.observe import Observer
from tests.conftest import StartFleet
from tests.e2e.waiting import eventually
from tests.faults.proxy import Proxy


async def test_a_submit_whose_answer_is_lost_is_one_task(start_fleet: StartFleet) -> None:
    fleet = await start_fleet()
    observer = Observer(fleet.address)

    async def arrived() -> list[task_pb2.Task]:
        return (await observer.tasks())[0]

    async with Proxy(fleet.address) as proxy, Client(proxy.address) as client:
        assert [task async for task in client.tasks.list()] == []  # The connection stands.
        proxy.swallow_replies = True
        submitting = asyncio.create_task(client.submit("echo", b"once"))
        await eventually(arrived)
        proxy.swallow_replies = False
        proxy.cut()

        handle = await submitting
        result = await handle.result(bytes)
        tasks, _ = await observer.tasks()
    await observer.close()

    assert [task.id for task in tasks] == [handle.id]
    assert result == b"once"


async def test_fifty_submits_at_once_with_one_request_id_are_one_task(start_fleet: StartFleet) -> None:
    fleet = await start_fleet()
    async with grpc.aio.insecure_channel(fleet.address) as channel:
        tasks = task_service_pb2_grpc.TaskServiceStub(channel)
        request = task_service_pb2.CreateTaskRequest(
            spec=task_pb2.TaskSpec(kind="echo", payload=task_pb2.Payload(data=b"x")), request_id="the-same"
        )

        answers = await asyncio.gather(*(tasks.CreateTask(request, timeout=60) for _ in range(50)))

    assert len({answer.task.id for answer in answers}) == 1
    assert sum(not answer.deduplicated for answer in answers) == 1


async def test_another_body_under_a_used_request_id_is_refused_with_the_tasks_id(start_fleet: StartFleet) -> None:
    fleet = await start_fleet()
    async with Client(fleet.address) as client:
        first = await client.submit("echo", b"one", request_id="key")
        try:
            await client.submit("echo", b"two", request_id="key")
        except AlreadyExists as error:
            refused = error
        else:
            raise AssertionError("the second body was accepted")

    assert first.id in f"{refused} {vars(refused)}"
