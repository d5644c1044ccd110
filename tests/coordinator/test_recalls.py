"""Recalls: what the scheduler wants back is asked of the agent, and comes back if its work has not started."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from missioncontrol.v1 import agent_service_pb2 as wire

from services.domain.commands import CancelTask, PlacementOutcome
from services.domain.task import Task, TaskState
from tests.coordinator.agent_stream import KEY, AgentStream, Coordinator

GRANTED = [PlacementOutcome.GRANTED]


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[Coordinator]:
    made = await Coordinator.start(tmp_path)
    yield made
    await made.stop()


def recalled(message: wire.CoordinatorMessage) -> list[tuple[str, int]]:
    return [(each.task_id, each.token) for each in message.orders.recall]


async def leased(coordinator: Coordinator, stream: AgentStream, session: int) -> Task:
    """A task whose lease the agent has."""
    task = await coordinator.submit()
    assert await coordinator.grant(task, session) == GRANTED
    await stream.hear_of("leases")
    return task


async def test_the_newest_leases_are_ordered_back_and_what_the_agent_returns_waits_again(
    coordinator: Coordinator,
) -> None:
    stream, welcome = await coordinator.connect()
    first, second = [await leased(coordinator, stream, welcome.session) for _ in range(2)]

    coordinator.parts.link.agents.recall(KEY, welcome.session, queue="default", count=1)
    [orders] = await stream.hear_of("orders")
    assert recalled(orders) == [(second.id, 1)]

    returned = wire.Report(number=1, task_id=second.id, token=1, returned=wire.Returned(message="recalled"))
    stream.say(reports=wire.ReportBatch(reports=[returned]))
    await stream.hear_of("report_ack")
    task = coordinator.tasks[second.id]
    assert (task.state, task.queued_time) == (TaskState.PENDING, second.queued_time)
    assert (task.failures, task.redeliveries, task.avoid) == (0, 0, ())
    assert coordinator.tasks[first.id].state is TaskState.LEASED


async def test_a_recall_that_overtakes_its_lease_is_ordered_again_when_the_lease_is_out(
    coordinator: Coordinator,
) -> None:
    stream, welcome = await coordinator.connect()
    task = await coordinator.submit()
    stream.stop_reading()
    stream.say(heartbeat=wire.Heartbeat(number=1, held_included=True))
    await stream.blocked.wait()  # in the echo: what comes now gathers behind it

    assert await coordinator.grant(task, welcome.session) == GRANTED
    coordinator.parts.link.agents.recall(KEY, welcome.session, queue="default", count=1)
    stream.read_again()

    _, early, batch, again = await stream.hear_of("heartbeat_echo", "orders", "leases", "orders")
    assert [lease.task_id for lease in batch.leases.leases] == [task.id]
    assert recalled(early) == recalled(again) == [(task.id, 1)]


async def test_nothing_is_ordered_of_another_session_or_of_what_has_started(coordinator: Coordinator) -> None:
    stream, welcome = await coordinator.connect()
    task = await leased(coordinator, stream, welcome.session)
    coordinator.parts.link.agents.recall(KEY, welcome.session + 1, queue="default", count=1)
    coordinator.parts.link.agents.recall(KEY, welcome.session, queue="another", count=1)
    started = wire.Report(number=1, task_id=task.id, token=1, started=wire.Started())
    stream.say(reports=wire.ReportBatch(reports=[started]))
    await stream.hear_of("report_ack")
    coordinator.parts.link.agents.recall(KEY, welcome.session, queue="default", count=1)

    await coordinator.journal.submit(CancelTask("default", task.id))
    [orders] = await stream.hear_of("orders")  # the first that the agent hears
    assert recalled(orders) == []
