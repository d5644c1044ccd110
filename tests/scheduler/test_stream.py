"""The Schedule conversation over a real server and a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import grpc
import pytest
from missioncontrol.v1 import scheduler_service_pb2 as pb
from missioncontrol.v1 import scheduler_service_pb2_grpc as pb_grpc
from prometheus_client import CollectorRegistry

from services.domain.errors import ResourceExhausted
from services.scheduler.metrics import SchedulerMetrics, SizeCollector
from services.scheduler.service import ScheduleService
from services.transport.server import create_server

ANSWER_SECONDS = 60.0
Stream = grpc.aio.StreamStreamCall[pb.ScheduleRequest, pb.ScheduleResponse]


class Scheduler:
    """A scheduler on a port of its own, and streams to it."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.service = ScheduleService(SchedulerMetrics(self.registry))
        self.registry.register(SizeCollector(self.service.planner))
        self.server = create_server("scheduler", listen="127.0.0.1:0", registry=self.registry)
        self.server.add(pb_grpc.add_SchedulerServiceServicer_to_server, self.service)
        self.stub: pb_grpc.SchedulerServiceAsyncStub
        self._channel: grpc.aio.Channel
        self._planning: asyncio.Task[None]

    async def start(self) -> None:
        self._channel = grpc.aio.insecure_channel(await self.server.start())
        self._planning = asyncio.create_task(self.service.run())
        self.stub = pb_grpc.SchedulerServiceStub(self._channel)

    async def stop(self) -> None:
        self.service.end_streams()
        self._planning.cancel()
        await self._channel.close()
        await self.server.stop(grace_seconds=0)

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"missioncontrol_scheduler_{name}", labels)


@pytest.fixture
async def scheduler() -> AsyncIterator[Scheduler]:
    running = Scheduler()
    await running.start()
    yield running
    await running.stop()


def agent(agent_id: str = "a", *, slots: int = 1, leases: int = 0, session: int = 1) -> pb.SchedulableAgent:
    return pb.SchedulableAgent(
        namespace="default",
        agent_id=agent_id,
        session=session,
        accepting=True,
        kinds=["build"],
        slots=slots,
        leases=leases,
    )


def group(group_id: int = 1, *, kind: str = "build") -> pb.TaskGroup:
    return pb.TaskGroup(id=group_id, namespace="default", queue="q", kind=kind, needs_id=kind)


def ready(*task_ids: str, group_id: int = 1) -> pb.ReadyTasks:
    tasks = [pb.ReadyTask(task_id=task_id, queued_time_micros=number) for number, task_id in enumerate(task_ids)]
    return pb.ReadyTasks(group_id=group_id, tasks=tasks)


def snapshot(**fields: object) -> pb.ScheduleRequest:
    return pb.ScheduleRequest(coordinator_id="c1", snapshot=True, snapshot_complete=True, **fields)  # type: ignore[arg-type]  # by field name


async def answer(stream: Stream) -> pb.ScheduleResponse:
    async with asyncio.timeout(ANSWER_SECONDS):
        response = await stream.read()
    assert isinstance(response, pb.ScheduleResponse), "the stream ended"
    return response


async def status_of(stream: Stream) -> tuple[grpc.StatusCode, str]:
    """The status with which the stream ends; what it said before is read over."""
    async with asyncio.timeout(ANSWER_SECONDS):
        with suppress(grpc.RpcError):
            while await stream.read() is not grpc.aio.EOF:
                pass
        return await stream.code(), await stream.details()


def pairs(response: pb.ScheduleResponse) -> list[tuple[str, str, int]]:
    return [(placement.task_id, placement.agent_id, placement.session) for placement in response.placements]


async def test_nothing_is_placed_before_the_snapshot_is_complete(scheduler: Scheduler) -> None:
    stream = scheduler.stub.Schedule()
    first = pb.ScheduleRequest(
        coordinator_id="c1", snapshot=True, groups=[group()], ready=[ready("t")], agents=[agent()]
    )
    await stream.write(first)
    await stream.write(
        pb.ScheduleRequest(snapshot=True, snapshot_complete=True, agents=[agent("b", slots=9), agent(leases=1)])
    )
    assert pairs(await answer(stream)) == [("t", "b", 1)]


async def test_results_free_the_way_for_the_next_tasks(scheduler: Scheduler) -> None:
    stream = scheduler.stub.Schedule()
    await stream.write(snapshot(groups=[group()], agents=[agent()], ready=[ready("t1", "t2")]))
    assert pairs(await answer(stream)) == [("t1", "a", 1)]
    granted = pb.PlacementResult(number=1, outcome=pb.PLACEMENT_OUTCOME_GRANTED)
    await stream.write(pb.ScheduleRequest(results=[granted], agents=[agent(leases=1)]))
    await stream.write(pb.ScheduleRequest(agents=[agent()]))
    assert pairs(await answer(stream)) == [("t2", "a", 1)]
    assert scheduler.metric("placements_total") == 2
    assert scheduler.metric("results_total", outcome="granted") == 1
    assert scheduler.metric("tasks") == 1
    assert scheduler.metric("outstanding") == 1


async def test_a_task_that_is_not_visible_yet_is_proposed_again_by_itself(scheduler: Scheduler) -> None:
    stream = scheduler.stub.Schedule()
    await stream.write(snapshot(groups=[group()], agents=[agent()], ready=[ready("t")]))
    assert (await answer(stream)).placements[0].number == 1
    early = pb.PlacementResult(number=1, outcome=pb.PLACEMENT_OUTCOME_NOT_VISIBLE)
    await stream.write(pb.ScheduleRequest(results=[early]))
    assert (await answer(stream)).placements[0].number == 2


async def test_placements_come_in_batches_of_at_most_500(scheduler: Scheduler) -> None:
    stream = scheduler.stub.Schedule()
    names = [f"t{number}" for number in range(1_200)]
    await stream.write(snapshot(groups=[group()], agents=[agent(slots=2_000)], ready=[ready(*names)]))
    batches = [pairs(await answer(stream)) for _ in range(3)]
    assert [len(batch) for batch in batches] == [500, 500, 200]
    assert [task_id for batch in batches for task_id, _, _ in batch] == names


async def test_a_group_that_nobody_can_run_is_reported_and_taken_back(scheduler: Scheduler) -> None:
    stream = scheduler.stub.Schedule()
    await stream.write(snapshot(groups=[group(kind="bake")], agents=[agent()], ready=[ready("t")]))
    (told,) = (await answer(stream)).unplaceable
    assert (told.group_id, told.never) == (1, True)
    assert [(reason.reason, reason.subject, reason.agents) for reason in told.reasons] == [
        (pb.FILTER_REASON_KIND, "bake", 1)
    ]
    assert scheduler.metric("groups_unplaceable", reason="kind") == 1
    await stream.write(pb.ScheduleRequest(removed_task_ids=["t"]))
    (taken_back,) = (await answer(stream)).unplaceable
    assert (taken_back.group_id, list(taken_back.reasons)) == (1, [])


async def test_a_newer_stream_of_a_coordinator_ends_the_older_and_starts_from_nothing(scheduler: Scheduler) -> None:
    older, newer = scheduler.stub.Schedule(), scheduler.stub.Schedule()
    await older.write(snapshot(groups=[group()], agents=[agent()], ready=[ready("t")]))
    assert pairs(await answer(older)) == [("t", "a", 1)]
    await newer.write(snapshot(groups=[group()], agents=[agent()], ready=[ready("t")]))
    assert pairs(await answer(newer)) == [("t", "a", 1)]
    assert (await status_of(older))[0] is grpc.StatusCode.ABORTED


async def test_a_coordinator_that_goes_away_takes_its_view_with_it(scheduler: Scheduler) -> None:
    stream = scheduler.stub.Schedule()
    await stream.write(snapshot(groups=[group()], agents=[agent()], ready=[ready("t")]))
    await answer(stream)
    await stream.done_writing()
    assert (await status_of(stream))[0] is grpc.StatusCode.OK
    assert scheduler.metric("coordinators") == 0


@pytest.mark.parametrize(
    ("requests", "field"),
    [
        ([pb.ScheduleRequest(snapshot=True)], "coordinator_id"),
        ([pb.ScheduleRequest(coordinator_id="c1")], "snapshot"),
        ([snapshot(), pb.ScheduleRequest(snapshot=True)], "snapshot"),
        ([snapshot(), pb.ScheduleRequest(coordinator_id="c2")], "coordinator_id"),
        ([pb.ScheduleRequest(coordinator_id="c1", snapshot_complete=True)], "snapshot"),
        ([snapshot(), pb.ScheduleRequest(results=[pb.PlacementResult(number=1)])], "outcome"),
    ],
)
async def test_a_message_out_of_turn_ends_the_stream_with_its_reason(
    scheduler: Scheduler, requests: list[pb.ScheduleRequest], field: str
) -> None:
    stream = scheduler.stub.Schedule()
    for request in requests:
        await stream.write(request)
    code, details = await status_of(stream)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert field in details


async def test_a_ping_is_answered_though_there_is_nothing_to_say_and_before_the_snapshot_is_complete(
    scheduler: Scheduler,
) -> None:
    stream = scheduler.stub.Schedule()
    await stream.write(pb.ScheduleRequest(coordinator_id="c1", snapshot=True, ping=1))
    assert await answer(stream) == pb.ScheduleResponse(pong=1)
    await stream.write(pb.ScheduleRequest(snapshot=True, snapshot_complete=True))
    await stream.write(pb.ScheduleRequest(ping=2))
    assert await answer(stream) == pb.ScheduleResponse(pong=2)


async def test_a_coordinator_that_missed_a_choice_is_refused_until_it_has_looked_again(scheduler: Scheduler) -> None:
    newer, older = scheduler.stub.Schedule(), scheduler.stub.Schedule()
    await newer.write(pb.ScheduleRequest(coordinator_id="c1", snapshot=True, term=3, ping=1))
    await answer(newer)
    await older.write(pb.ScheduleRequest(coordinator_id="c2", snapshot=True, term=2))
    assert (await status_of(older))[0] is grpc.StatusCode.FAILED_PRECONDITION
    again = scheduler.stub.Schedule()
    await again.write(pb.ScheduleRequest(coordinator_id="c2", snapshot=True, term=3, ping=1))
    assert (await answer(again)).pong == 1


async def test_a_coordinator_with_nothing_to_choose_from_is_always_taken(scheduler: Scheduler) -> None:
    newer, single = scheduler.stub.Schedule(), scheduler.stub.Schedule()
    await newer.write(pb.ScheduleRequest(coordinator_id="c1", snapshot=True, term=3, ping=1))
    await answer(newer)
    await single.write(pb.ScheduleRequest(coordinator_id="c2", snapshot=True, ping=1))
    assert (await answer(single)).pong == 1


async def test_a_stopping_scheduler_ends_its_streams_with_unavailable(scheduler: Scheduler) -> None:
    stream = scheduler.stub.Schedule()
    await stream.write(snapshot(groups=[group()], agents=[agent()], ready=[ready("t")]))
    await answer(stream)
    scheduler.service.end_streams()
    assert (await status_of(stream))[0] is grpc.StatusCode.UNAVAILABLE
    assert (await status_of(scheduler.stub.Schedule()))[0] is grpc.StatusCode.UNAVAILABLE


async def test_two_coordinators_share_their_agents(scheduler: Scheduler) -> None:
    feeder, holder = scheduler.stub.Schedule(), scheduler.stub.Schedule()
    whole = {"snapshot": True, "snapshot_complete": True}
    await feeder.write(
        pb.ScheduleRequest(coordinator_id="feeder", groups=[group()], ready=[ready("t1", "t2")], **whole)
    )
    await holder.write(pb.ScheduleRequest(coordinator_id="holder", agents=[agent()], **whole))
    assert pairs(await answer(holder)) == [("t1", "a", 1)]
    granted = pb.PlacementResult(number=1, outcome=pb.PLACEMENT_OUTCOME_GRANTED)
    await holder.write(pb.ScheduleRequest(results=[granted], agents=[agent(leases=1)]))
    await holder.write(pb.ScheduleRequest(agents=[agent()]))
    assert pairs(await answer(holder)) == [("t2", "a", 1)]
    await holder.done_writing()
    assert (await status_of(holder))[0] is grpc.StatusCode.OK
    await feeder.write(pb.ScheduleRequest(agents=[agent("b")]))
    placed: list[tuple[str, str, int]] = []
    while not placed:  # the group was reported to have no agent meanwhile
        placed = pairs(await answer(feeder))
    assert placed == [("t2", "b", 1)]


class DeafContext:
    """A call whose client reads nothing, with everything full on the way to it."""

    async def write(self, _response: pb.ScheduleResponse) -> None:
        await asyncio.Event().wait()


async def test_a_coordinator_that_does_not_read_is_ended_and_the_others_go_on(
    scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.scheduler.limits.OUTBOX_MESSAGES_MAX", 2)
    over = asyncio.Event()

    async def requests() -> AsyncIterator[pb.ScheduleRequest]:
        names = [f"t{number}" for number in range(4_000)]
        yield snapshot(groups=[group()], agents=[agent(slots=9_000)], ready=[ready(*names)])
        await over.wait()

    deaf = asyncio.create_task(scheduler.service.Schedule(requests(), DeafContext()))
    other = scheduler.stub.Schedule()
    whole = pb.ScheduleRequest(coordinator_id="c2", snapshot=True, snapshot_complete=True)
    whole.groups.append(group(kind="test"))
    whole.ready.append(ready("t"))
    whole.agents.add(namespace="default", agent_id="b", session=1, accepting=True, kinds=["test"], slots=1)
    await other.write(whole)
    assert pairs(await answer(other)) == [("t", "b", 1)]
    async with asyncio.timeout(ANSWER_SECONDS):
        with pytest.raises(ExceptionGroup) as raised:
            await deaf
    assert raised.group_contains(ResourceExhausted)
