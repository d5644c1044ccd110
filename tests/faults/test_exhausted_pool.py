"""Two connections for all readers, and callers who go away at any moment: no connection is lost by that.

And a PostgreSQL whose connections others have: UNAVAILABLE with a time to come back, and all is well when they let go.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import grpc
import psycopg
import pytest
from google.rpc import error_details_pb2, status_pb2
from missioncontrol.v1 import event_service_pb2, queue_service_pb2, task_pb2, task_service_pb2, task_service_pb2_grpc

from services.fleet.launcher import COORDINATOR, Fleet
from services.fleet.postgres import PostgresServer
from services.store import database, readers
from services.transport.status import DETAILS_KEY
from tests.conftest import StartFleet, running_postgres, work_agent
from tests.coordinator.rpc.harness import Coordinator, submit
from tests.coordinator.rpc.serving import serving
from tests.e2e.waiting import eventually
from tests.faults.figures import SEED, record

pytestmark = pytest.mark.figures("pool_leaks")
READERS = 2
# The journal's own reader is the only one that keeps a connection.
AT_REST = 1
AT_ONCE = 40
# A call is given up after so long, most often early: from before it is sent until after it would have been answered.
CANCEL_SECONDS_MIN, CANCEL_SECONDS_MAX = 0.0003, 0.5
PATIENCE_SECONDS = 60.0
CONNECTIONS_MAX = 20
CALL_SECONDS = 3.0
END_OURS = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'missioncontrol%'"


@pytest.fixture
async def coordinator(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Coordinator]:
    """A whole one, whose readers are two."""
    monkeypatch.setattr(readers, "READERS_MAX", READERS)
    monkeypatch.setattr(database, "READERS_MAX", READERS)
    async with serving(database_url) as made:
        yield made


def calls_of(coordinator: Coordinator, task_id: str) -> list[Callable[[], Any]]:
    """One of each kind that waits for a reader, for the journal, or for both, or that goes on and on."""
    watch = task_service_pb2.WatchTaskRequest(task_id=task_id)
    follow = event_service_pb2.WatchEventsRequest(follow=True)
    return [
        lambda: coordinator.tasks.GetTask(task_service_pb2.GetTaskRequest(task_id=task_id)),
        lambda: coordinator.tasks.ListTasks(task_service_pb2.ListTasksRequest()),
        lambda: coordinator.tasks.CreateTask(submit()),
        lambda: coordinator.events.ListEvents(event_service_pb2.ListEventsRequest()),
        lambda: coordinator.queues.ListQueues(queue_service_pb2.ListQueuesRequest()),
        lambda: coordinator.tasks.WatchTask(watch).read(),
        lambda: coordinator.events.WatchEvents(follow).read(),
    ]


async def cancel_at_random(calls: list[Callable[[], Any]], *, count: int, seed: int) -> int:
    """So many calls, a bounded number at a time, each given up at a random moment. How many were answered before."""
    chance = random.Random(seed)
    answered = 0

    async def call_and_go(number: int) -> None:
        nonlocal answered
        calling = asyncio.ensure_future(calls[number % len(calls)]())
        await asyncio.wait([calling], timeout=moment(chance))
        calling.cancel()
        with suppress(asyncio.CancelledError):
            await calling
            answered += 1

    for start in range(0, count, AT_ONCE):
        await asyncio.gather(*(call_and_go(number) for number in range(start, min(count, start + AT_ONCE))))
    return answered


def moment(chance: random.Random) -> float:
    """Evenly over the orders of magnitude: what a call does first takes the least time."""
    return CANCEL_SECONDS_MIN * (CANCEL_SECONDS_MAX / CANCEL_SECONDS_MIN) ** chance.random()


async def judge_cancels(coordinator: Coordinator, *, count: int, seed: int) -> None:
    """Runs, and looks at the pool, and whether whoever waits is served; records and asserts."""
    task = await coordinator.create()
    calls = calls_of(coordinator, task.id)
    answered = await cancel_at_random(calls, count=count, seed=seed)
    pool: Any = coordinator.parts.storage.engine.pool

    async def at_rest() -> bool:
        return bool(pool.checkedout() == AT_REST)

    with suppress(AssertionError):
        await eventually(at_rest, within=PATIENCE_SECONDS)
    leaked = pool.checkedout() - AT_REST
    record("pool_leaks", leaked, runs=count, seed=seed)
    print(f"{answered} of {count} calls were answered before they were given up")
    assert leaked == 0
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.gather(*(call() for call in calls for _ in range(AT_ONCE // len(calls))))
    # Streams that were read from once may be reading still.
    await eventually(at_rest, within=PATIENCE_SECONDS)
    assert await in_no_transaction(coordinator)


async def in_no_transaction(coordinator: Coordinator) -> bool:
    """Whether a read sees what was committed just now, on each of the readers' connections."""
    created = await coordinator.create()
    found = await asyncio.gather(
        *(coordinator.tasks.GetTask(task_service_pb2.GetTaskRequest(task_id=created.id)) for _ in range(2 * READERS))
    )
    return {answer.task.id for answer in found} == {created.id}


async def test_calls_that_are_given_up_at_any_moment_leak_no_connection(coordinator: Coordinator) -> None:
    await judge_cancels(coordinator, count=400, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_ten_thousand_calls_that_are_given_up_leak_no_connection(coordinator: Coordinator) -> None:
    await judge_cancels(coordinator, count=10_000, seed=SEED)


async def test_a_call_that_waits_for_a_reader_for_too_long_hears_that_and_others_are_served(
    coordinator: Coordinator,
) -> None:
    """Both readers are held: whoever is in a hurry gets DEADLINE_EXCEEDED, the others are served when they are free."""
    task = await coordinator.create()
    free = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold(_: object) -> None:
        asyncio.run_coroutine_threadsafe(free.wait(), loop).result(PATIENCE_SECONDS)

    holding = [asyncio.ensure_future(coordinator.parts.storage.readers.run(hold)) for _ in range(READERS)]
    request = task_service_pb2.GetTaskRequest(task_id=task.id)
    patient = [asyncio.ensure_future(coordinator.tasks.GetTask(request, timeout=PATIENCE_SECONDS)) for _ in range(20)]
    hasty = await asyncio.gather(
        *(coordinator.tasks.GetTask(request, timeout=0.2) for _ in range(20)), return_exceptions=True
    )
    assert not any(call.done() for call in patient)
    free.set()
    await asyncio.gather(*holding)

    assert {error.code() for error in hasty if isinstance(error, grpc.aio.AioRpcError)} == {
        grpc.StatusCode.DEADLINE_EXCEEDED
    }
    assert len(hasty) == 20
    assert {answer.task.id for answer in await asyncio.gather(*patient)} == {task.id}


@contextmanager
def all_connections(server: PostgresServer) -> Iterator[None]:
    """Inside, others have every connection, also those that Mission Control had."""
    with ExitStack() as stack:
        held, ended = [stack.enter_context(server.connect())], 0
        # Counted: a session that is only beginning is in no list.
        while len(held) < CONNECTIONS_MAX:
            try:
                held.append(stack.enter_context(server.connect()))
            except psycopg.OperationalError:
                row = held[0].execute(END_OURS).fetchone()
                ended += int(str(row[0])) if row else 0
        assert ended, "Mission Control had no connection"
        yield


async def test_while_others_have_all_connections_calls_are_refused_with_a_time_to_come_back(
    start_fleet: StartFleet,
) -> None:
    with running_postgres(max_connections=str(CONNECTIONS_MAX)) as server:
        fleet = await start_fleet(agents=(work_agent("agent-1"),), database_url=server.url())
        async with grpc.aio.insecure_channel(fleet.address) as channel:
            stub = task_service_pb2_grpc.TaskServiceStub(channel)
            first = (await stub.CreateTask(submit("before"))).task
            read = task_service_pb2.GetTaskRequest(task_id=first.id)
            with all_connections(server):
                refused = [await refused_call(stub.GetTask(read, timeout=PATIENCE_SECONDS)) for _ in range(10)]
                late = asyncio.ensure_future(again(stub, "late"))
                hasty = await refused_call(stub.CreateTask(submit("hasty"), timeout=CALL_SECONDS))
            assert all(error.code() is grpc.StatusCode.UNAVAILABLE for error in refused)
            assert all(retry_seconds(error) > 0 for error in refused)
            assert hasty.code() in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE)
            await recovers(fleet, stub, read)
            made = {(await late).id, (await again(stub, "late")).id}
            assert len(made) == 1, "S2: the same request id"
            await again(stub, "hasty")
            tasks = (await stub.ListTasks(task_service_pb2.ListTasksRequest())).tasks
        assert len(tasks) == 3
        await fleet.stop()


async def refused_call(call: Awaitable[Any]) -> grpc.aio.AioRpcError:
    """The error of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


def retry_seconds(error: grpc.aio.AioRpcError) -> float:
    """What its RetryInfo says; 0 without one."""
    trailing: dict[str, Any] = dict(error.trailing_metadata() or ())
    info = error_details_pb2.RetryInfo()
    for detail in status_pb2.Status.FromString(trailing.get(DETAILS_KEY, b"")).details:
        detail.Unpack(info)
    delay: float = info.retry_delay.ToTimedelta().total_seconds()
    return delay


async def recovers(
    fleet: Fleet,
    stub: task_service_pb2_grpc.TaskServiceAsyncStub,
    request: task_service_pb2.GetTaskRequest,
) -> None:
    """Returns once reads are answered again, by the same process."""

    async def answered() -> bool:
        with suppress(grpc.aio.AioRpcError):
            return bool((await stub.GetTask(request, timeout=CALL_SECONDS)).task.id)
        return False

    await eventually(answered)
    assert fleet.services[COORDINATOR].starts == 1


async def again(stub: task_service_pb2_grpc.TaskServiceAsyncStub, request_id: str) -> task_pb2.Task:
    """The task of a request id that was used before, or is now; if it is refused, it is submitted once more."""
    while True:
        try:
            return (await stub.CreateTask(submit(request_id), timeout=PATIENCE_SECONDS)).task
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            await asyncio.sleep(retry_seconds(error) or 0.1)
