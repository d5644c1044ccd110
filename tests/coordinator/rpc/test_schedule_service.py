"""Schedules through the API, and fired by the loop's own step, at instants of the test's choice."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from missioncontrol.event_names import event_name
from missioncontrol.v1 import event_service_pb2, queue_service_pb2, task_pb2, task_service_pb2
from missioncontrol.v1 import schedule_service_pb2 as wire

from services.store.check import check
from tests.coordinator.rpc.harness import Coordinator, refusal, submit

HOUR = 3_600_000_000
MINUTE = 60_000_000


def schedule(name: str = "nightly", **fields: Any) -> wire.Schedule:
    """A schedule with defaults."""
    spec = task_pb2.TaskSpec(kind="report", queue="reports", labels={"team": "a"}, payload={"data": b"input"})
    return wire.Schedule(**{"name": name, "cron": "0 * * * *", "spec": spec, **fields})


async def update(coordinator: Coordinator, name: str = "nightly", **fields: Any) -> wire.Schedule:
    request = wire.UpdateScheduleRequest(schedule=schedule(name, **fields))
    response: wire.UpdateScheduleResponse = await coordinator.schedules.UpdateSchedule(request)
    return response.schedule


async def read(coordinator: Coordinator, name: str = "nightly") -> wire.Schedule:
    response: wire.GetScheduleResponse = await coordinator.schedules.GetSchedule(wire.GetScheduleRequest(name=name))
    return response.schedule


async def tasks(coordinator: Coordinator) -> list[task_pb2.Task]:
    """Oldest first."""
    response = await coordinator.tasks.ListTasks(task_service_pb2.ListTasksRequest())
    return list(reversed(response.tasks))


async def event_names(coordinator: Coordinator) -> list[str]:
    everything = event_service_pb2.ListEventsRequest(page_size=1000)
    response = await coordinator.events.ListEvents(everything)
    return [event_name(event.type) for event in response.events]


async def findings(coordinator: Coordinator) -> list[Any]:
    return list(await coordinator.store.read(check))


def next_micros(value: wire.Schedule) -> int:
    return value.next_time.ToMicroseconds()


async def test_it_is_made_read_and_listed(coordinator: Coordinator) -> None:
    made = await update(coordinator, time_zone="Europe/Berlin", cron="  0 3 * *  1 ")
    await update(coordinator, "another")

    assert (made.namespace, made.cron, made.time_zone) == ("default", "0 3 * * 1", "Europe/Berlin")
    assert (made.version, made.missed_policy, made.paused) == (1, wire.MISSED_POLICY_ONE, False)
    assert (made.spec.namespace, made.spec.payload.data) == ("default", b"input")
    assert made.next_time.ToMicroseconds() > made.create_time.ToMicroseconds()
    assert not made.HasField("last_time")
    assert await read(coordinator) == made
    first = await coordinator.schedules.ListSchedules(wire.ListSchedulesRequest(page_size=1))
    second = wire.ListSchedulesRequest(page_size=1, page_token=first.next_page_token)
    rest = await coordinator.schedules.ListSchedules(second)
    assert [each.name for each in (*first.schedules, *rest.schedules)] == ["another", "nightly"]
    assert not rest.next_page_token


async def test_the_same_again_changes_nothing(coordinator: Coordinator) -> None:
    made = await update(coordinator)
    assert await update(coordinator) == made
    assert (await update(coordinator, cron="5 * * * *")).version == 2
    assert await event_names(coordinator) == ["schedule.updated"] * 2


async def test_it_fires_once_when_its_time_has_come(coordinator: Coordinator) -> None:
    made = await update(coordinator)
    loop = coordinator.parts.schedules
    await loop.step(next_micros(made) - 1)
    assert await tasks(coordinator) == []

    for _ in range(2):
        await loop.step(next_micros(made) + 1)

    [task] = await tasks(coordinator)
    after = await read(coordinator)
    assert (task.spec.kind, task.spec.queue, task.state) == ("report", "reports", task_pb2.TASK_STATE_PENDING)
    assert dict(task.spec.labels) == {"team": "a", "missioncontrol.schedule": "nightly"}
    assert task.request_id == f"schedule/nightly/{made.next_time.ToJsonString()}"
    assert (after.last_task_id, after.last_time, after.missed) == (task.id, made.next_time, 0)
    assert next_micros(after) == next_micros(made) + HOUR
    assert await event_names(coordinator) == ["schedule.updated", "task.created", "schedule.fired"]
    assert await findings(coordinator) == []


@pytest.mark.parametrize(
    ("policy", "fired", "missed"),
    [(wire.MISSED_POLICY_SKIP, 0, 5), (wire.MISSED_POLICY_UNSPECIFIED, 1, 4), (wire.MISSED_POLICY_ALL, 5, 0)],
)
async def test_after_five_hours_away(coordinator: Coordinator, policy: Any, fired: int, missed: int) -> None:
    made = await update(coordinator, missed_policy=policy)

    await coordinator.parts.schedules.step(next_micros(made) + 4 * HOUR + 30 * MINUTE)

    after = await read(coordinator)
    assert len(await tasks(coordinator)) == fired
    assert (after.missed, next_micros(after)) == (missed, next_micros(made) + 5 * HOUR)
    assert ("schedule.missed" in await event_names(coordinator)) == bool(missed)
    assert await findings(coordinator) == []


async def test_a_flood_of_instants_is_worked_off_in_bounded_passes(coordinator: Coordinator) -> None:
    """Every second for a day: the newest hundred, the minute that is in time, and all others counted."""
    made = await update(coordinator, cron="* * * * * *", missed_policy=wire.MISSED_POLICY_ALL)
    now = next_micros(made) + 24 * HOUR
    while next_micros(await read(coordinator)) <= now:
        await coordinator.parts.schedules.step(now)
    after = await read(coordinator)
    response = await coordinator.tasks.ListTasks(task_service_pb2.ListTasksRequest(page_size=1000))
    assert len(response.tasks) == 100 + 61
    assert after.missed == 24 * 3600 + 1 - 161
    assert await findings(coordinator) == []


async def test_instants_of_a_pause_are_not_missed(coordinator: Coordinator) -> None:
    made = await update(coordinator)
    paused = await coordinator.schedules.PauseSchedule(wire.PauseScheduleRequest(name="nightly"))
    assert not paused.schedule.HasField("next_time")
    await coordinator.parts.schedules.step(next_micros(made) + 5 * HOUR)
    resumed = await coordinator.schedules.ResumeSchedule(wire.ResumeScheduleRequest(name="nightly"))
    assert (resumed.schedule.missed, resumed.schedule.version) == (0, 3)
    assert resumed.schedule.spec == made.spec
    assert await tasks(coordinator) == []


async def test_a_paused_queue_takes_firings_as_it_takes_submits(coordinator: Coordinator) -> None:
    await coordinator.queues.PauseQueue(queue_service_pb2.PauseQueueRequest(name="reports"))
    made = await update(coordinator)
    await coordinator.parts.schedules.step(next_micros(made))
    assert [task.state for task in await tasks(coordinator)] == [task_pb2.TASK_STATE_PENDING]


async def test_it_is_deleted_and_its_tasks_stay(coordinator: Coordinator) -> None:
    made = await update(coordinator)
    await coordinator.parts.schedules.step(next_micros(made))
    await coordinator.schedules.DeleteSchedule(wire.DeleteScheduleRequest(name="nightly"))
    refused = await refusal(read(coordinator))
    again = await refusal(coordinator.schedules.DeleteSchedule(wire.DeleteScheduleRequest(name="nightly")))
    assert refused.code is again.code is grpc.StatusCode.NOT_FOUND
    assert len(await tasks(coordinator)) == 1
    assert (await event_names(coordinator))[-1] == "schedule.deleted"
    assert await findings(coordinator) == []


async def test_many_fire_in_one_pass_and_each_for_itself(coordinator: Coordinator) -> None:
    made = [await update(coordinator, f"s{number}") for number in range(30)]
    await coordinator.parts.schedules.step(next_micros(made[-1]))
    assert {task.spec.labels["missioncontrol.schedule"] for task in await tasks(coordinator)} == {
        each.name for each in made
    }


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"cron": "0 25 * * *"}, "schedule.cron", "hour"),
    ({"cron": "0 0 */40 * 1#5"}, "schedule.cron", "never fires"),
    ({"cron": "@daily"}, "schedule.cron", "write five"),
    ({"time_zone": "Europe/Berlln"}, "schedule.time_zone", 'did you mean "Europe/Berlin"?'),
    ({"spec": task_pb2.TaskSpec(kind="a b")}, "schedule.spec.kind", ""),
    ({"spec": task_pb2.TaskSpec(kind="a", priority=101)}, "schedule.spec.priority", ""),
    ({"spec": task_pb2.TaskSpec(kind="a", namespace="other")}, "schedule.spec.namespace", "leave it out"),
    ({"spec": task_pb2.TaskSpec(kind="a", depends_on=["x"])}, "schedule.spec.depends_on", "cannot depend"),
    ({"spec": task_pb2.TaskSpec(kind="a", not_before_time={"seconds": 1})}, "schedule.spec.not_before_time", ""),
    (
        {"spec": task_pb2.TaskSpec(kind="a", queue_time_limit={"seconds": 1, "nanos": -1})},
        "schedule.spec.queue_time_limit",
        "nanos",
    ),
    ({"name": "a b"}, "schedule.name", ""),
]


async def test_what_could_not_fire_is_refused_when_it_is_made(coordinator: Coordinator) -> None:
    for fields, field, said in REFUSED:
        refused = await refusal(update(coordinator, **fields))
        assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
        assert field in refused.fields, refused
        assert said in refused.fields[field]


async def test_nobody_else_may_use_the_request_ids_of_firings(coordinator: Coordinator) -> None:
    taken = "schedule/nightly/2026-03-29T01:00:00Z"
    single = await refusal(coordinator.tasks.CreateTask(submit(taken)))
    batch = await coordinator.tasks.BatchCreateTasks(task_service_pb2.BatchCreateTasksRequest(requests=[submit(taken)]))
    assert single.code is grpc.StatusCode.INVALID_ARGUMENT
    assert "request_id" in single.fields
    assert batch.results[0].error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert await tasks(coordinator) == []
