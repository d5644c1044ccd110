"""Agents' streams at the moments at which something overtakes something else, or cannot be written."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from missioncontrol.v1 import agent_service_pb2 as wire

from services.domain.agent import AgentState, DrainMode
from services.domain.commands import (
    AdmitAgent,
    AgentAction,
    CancelTask,
    ChangeAgent,
    EndSession,
    PlacementOutcome,
    RevokeLeases,
    RevokeReason,
)
from services.domain.errors import Unavailable
from services.domain.task import TaskState
from services.domain.task_changes import ChangeTasks, Move
from services.domain.task_filter import TaskFilter
from services.transport import convert_bulk
from tests.coordinator.agent_stream import KEY, PATIENCE_SECONDS, AgentStream, Answered, Coordinator, Foretold

GRANTED = [PlacementOutcome.GRANTED]


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[Coordinator]:
    made = await Coordinator.start(tmp_path)
    yield made
    await made.stop()


def cancelled(message: wire.CoordinatorMessage) -> list[tuple[str, int]]:
    return [(each.task_id, each.token) for each in message.orders.cancel]


def drain(action: AgentAction) -> ChangeAgent:
    mode = DrainMode.FINISH if action is AgentAction.DRAIN else DrainMode.NONE
    return ChangeAgent(KEY, action, drain_mode=mode)


# A cancel that overtakes its lease (S16).


async def test_a_cancel_that_overtakes_its_lease_is_ordered_again_when_the_lease_is_out(
    coordinator: Coordinator,
) -> None:
    stream, welcome = await coordinator.connect()
    task = await coordinator.submit()
    stream.stop_reading()
    stream.say(heartbeat=wire.Heartbeat(number=1, held_included=True))
    await stream.blocked.wait()  # in the echo: what comes now gathers behind it

    assert await coordinator.grant(task, welcome.session) == GRANTED
    await coordinator.journal.submit(CancelTask("default", task.id))
    stream.read_again()

    _, early, batch, again = await stream.hear_of("heartbeat_echo", "orders", "leases", "orders")
    assert [lease.task_id for lease in batch.leases.leases] == [task.id]
    assert cancelled(early) == cancelled(again) == [(task.id, 1)]


async def test_a_cancel_in_the_flush_of_its_grant_follows_the_lease_whose_document_has_to_be_read(
    coordinator: Coordinator,
) -> None:
    stream, welcome = await coordinator.connect()
    task = await coordinator.submit()
    await coordinator.grant(task, welcome.session)
    await stream.hear_of("leases")
    returned = wire.Report(number=1, task_id=task.id, token=1, returned=wire.Returned())
    stream.say(reports=wire.ReportBatch(reports=[returned]))
    await stream.hear_of("report_ack")

    granted = coordinator.grant(task, welcome.session)
    coordinator.journal.submit(CancelTask("default", task.id))

    assert await granted == GRANTED
    early, batch, again = await stream.hear_of("orders", "leases", "orders")
    assert [lease.token for lease in batch.leases.leases] == [2]
    assert cancelled(early) == cancelled(again) == [(task.id, 2)]


async def test_a_cancel_is_ordered_with_each_heartbeat_until_its_lease_has_ended(coordinator: Coordinator) -> None:
    stream, welcome = await coordinator.connect()
    task = await coordinator.submit()
    await coordinator.grant(task, welcome.session)
    await stream.hear_of("leases")
    await coordinator.journal.submit(CancelTask("default", task.id))
    await stream.hear_of("orders")

    held = [wire.LeaseReference(task_id=task.id, token=1)]
    stream.say(heartbeat=wire.Heartbeat(number=1, held=held, held_included=True))
    _, repeated = await stream.hear_of("heartbeat_echo", "orders")
    stream.say(
        reports=wire.ReportBatch(
            reports=[wire.Report(number=1, task_id=task.id, token=1, cancelled=wire.Cancelled())],
        )
    )
    await stream.hear_of("report_ack")
    stream.say(heartbeat=wire.Heartbeat(number=2, held_included=True))
    stream.say(heartbeat=wire.Heartbeat(number=3))

    assert cancelled(repeated) == [(task.id, 1)]
    await stream.hear_of("heartbeat_echo", "heartbeat_echo")


async def test_a_cancel_that_was_ordered_before_a_reconnect_is_part_of_welcome_and_repeated(
    coordinator: Coordinator,
) -> None:
    stream, welcome = await coordinator.connect()
    task = await coordinator.submit()
    await coordinator.grant(task, welcome.session)
    await stream.hear_of("leases")
    stream.hang_up()
    await coordinator.until(AgentState.DISCONNECTED)
    await coordinator.journal.submit(CancelTask("default", task.id))

    stream, welcome = await coordinator.connect((task.id, 1))
    stream.say(heartbeat=wire.Heartbeat(number=1))

    assert [(each.task_id, each.token) for each in welcome.orders.cancel] == [(task.id, 1)]
    repeated = [message for message in [await stream.hear() for _ in range(2)] if cancelled(message)]
    assert cancelled(repeated[0]) == [(task.id, 1)]


# A lease that is over before it is out (S4).


async def test_a_lease_that_is_taken_back_before_it_is_out_does_not_leave(coordinator: Coordinator) -> None:
    stream, welcome = await coordinator.connect()
    task = await coordinator.submit()
    stream.stop_reading()
    stream.say(heartbeat=wire.Heartbeat(number=1, held_included=True))
    await stream.blocked.wait()

    assert await coordinator.grant(task, welcome.session) == GRANTED
    await coordinator.journal.submit(RevokeLeases(KEY, welcome.session, [(task.id, 1)], RevokeReason.UNDELIVERED))
    stream.read_again()
    await stream.hear_of("heartbeat_echo")
    assert await coordinator.grant(task, welcome.session) == GRANTED

    [batch] = await stream.hear_of("leases")
    assert [lease.token for lease in batch.leases.leases] == [2]


# A Hello whose agent does not wait for the answer.


async def test_a_session_whose_agent_went_away_before_welcome_is_ended(coordinator: Coordinator) -> None:
    conversation = coordinator.call(AgentStream())
    coordinator.journal.foretell(Foretold(AdmitAgent, conversation.cancel, asyncio.Event()))

    with pytest.raises(asyncio.CancelledError):
        await conversation
    await coordinator.until(AgentState.OFFLINE)
    assert coordinator.connections.connected == 0


async def test_leases_of_an_agent_that_went_away_before_welcome_get_their_grace(coordinator: Coordinator) -> None:
    stream, welcome = await coordinator.connect()
    task = await coordinator.submit()
    await coordinator.grant(task, welcome.session)
    stream.hang_up()
    await coordinator.until(AgentState.DISCONNECTED)

    conversation = coordinator.call(AgentStream(), (task.id, 1))
    coordinator.journal.foretell(Foretold(AdmitAgent, conversation.cancel, asyncio.Event()))

    with pytest.raises(asyncio.CancelledError):
        await conversation
    await coordinator.settled()
    await coordinator.settled()
    agent = coordinator.agents[KEY[1]]
    assert (agent.state, agent.session, agent.leases) == (AgentState.DISCONNECTED, welcome.session + 1, 1)
    assert agent.expire_time > agent.seen_time


async def test_an_agent_that_is_welcomed_while_the_coordinator_stops_is_sent_away(coordinator: Coordinator) -> None:
    closing: list[asyncio.Future[None]] = []
    close = Foretold(
        AdmitAgent, lambda: closing.append(asyncio.ensure_future(coordinator.connections.close())), asyncio.Event()
    )
    coordinator.journal.foretell(close)

    conversation = coordinator.call(AgentStream())

    async with asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(Unavailable, match="stopping"):
            await conversation
    await closing[0]
    await coordinator.until(AgentState.OFFLINE)


# The end of a session that cannot be written at first.


class LockedDatabase:
    """Another process has the file: the coordinator can write nothing until it lets go."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._connection = coordinator.parts.storage.engine.connect()

    async def __aenter__(self) -> None:
        await self._coordinator.journal.read(lambda writer: writer.exec_driver_sql("PRAGMA busy_timeout = 0"))
        self._connection.exec_driver_sql("BEGIN IMMEDIATE")

    async def __aexit__(self, *_: object) -> None:
        self._connection.exec_driver_sql("ROLLBACK")
        self._connection.close()


async def break_stream(coordinator: Coordinator, stream: AgentStream) -> Answered:
    """The stream breaks while the database is locked, so that its end is not recorded. Returns what hears of it."""
    endings = Answered(EndSession, asyncio.Queue())
    coordinator.journal.foretell(endings)
    async with LockedDatabase(coordinator):
        stream.hang_up()
        assert isinstance(await endings.next(), Unavailable)
    await coordinator.settled()
    return endings


async def test_the_end_of_a_session_is_recorded_as_soon_as_it_can_be(coordinator: Coordinator) -> None:
    stream, _ = await coordinator.connect()
    endings = await break_stream(coordinator, stream)
    assert coordinator.agents[KEY[1]].state is AgentState.READY

    await coordinator.connections.step(time.monotonic())

    assert await endings.next() is None
    assert coordinator.agents[KEY[1]].state is AgentState.OFFLINE


async def test_the_end_of_a_session_is_tried_at_each_step_while_it_cannot_be_written(
    coordinator: Coordinator,
) -> None:
    stream, _ = await coordinator.connect()
    endings = await break_stream(coordinator, stream)

    async with LockedDatabase(coordinator):
        for _ in range(2):
            await coordinator.connections.step(time.monotonic())
            assert isinstance(await endings.next(), Unavailable)
            await coordinator.settled()
    await coordinator.connections.step(time.monotonic())

    assert await endings.next() is None
    assert coordinator.agents[KEY[1]].state is AgentState.OFFLINE


async def test_a_late_end_leaves_the_session_alone_that_came_after_it(coordinator: Coordinator) -> None:
    stream, first = await coordinator.connect()
    endings = await break_stream(coordinator, stream)
    _, second = await coordinator.connect()

    await coordinator.connections.step(time.monotonic())

    assert await endings.next() is None
    agent = coordinator.agents[KEY[1]]
    assert second.session == first.session + 1
    assert (agent.state, agent.session) == (AgentState.READY, second.session)


async def test_leases_of_a_session_whose_end_is_recorded_late_run_out_in_time(coordinator: Coordinator) -> None:
    stream, welcome = await coordinator.connect()
    task = await coordinator.submit()
    await coordinator.grant(task, welcome.session)
    await stream.hear_of("leases")
    await break_stream(coordinator, stream)

    await coordinator.connections.step(time.monotonic() + 3600.0)
    await coordinator.settled()

    stored = await coordinator.journal.submit(CancelTask("default", task.id))
    assert stored.state is TaskState.CANCELLED  # nobody held it any more
    assert coordinator.agents[KEY[1]].state is AgentState.OFFLINE


# A drain that changes while the agent is away (S14).


async def test_a_drain_that_was_called_off_while_the_agent_was_away_is_called_off_in_welcome(
    coordinator: Coordinator,
) -> None:
    stream, _ = await coordinator.connect()
    await coordinator.journal.submit(drain(AgentAction.DRAIN))
    [ordered] = await stream.hear_of("orders")
    stream.hang_up()
    await coordinator.until(AgentState.OFFLINE)
    await coordinator.journal.submit(drain(AgentAction.RESUME))

    stream, welcome = await coordinator.connect()

    assert ordered.orders.HasField("drain")
    assert welcome.orders.resume
    assert not welcome.orders.HasField("drain")
    assert coordinator.agents[KEY[1]].accepting


async def test_a_drain_that_is_called_off_between_hello_and_welcome_is_called_off_right_after(
    coordinator: Coordinator,
) -> None:
    stream, _ = await coordinator.connect()
    await coordinator.journal.submit(drain(AgentAction.DRAIN))
    stream.hang_up()
    await coordinator.until(AgentState.OFFLINE)
    called_off = Foretold(AdmitAgent, lambda: coordinator.journal.submit(drain(AgentAction.RESUME)), asyncio.Event())
    coordinator.journal.foretell(called_off)

    stream, welcome = await coordinator.connect()
    [after] = await stream.hear_of("orders")

    assert welcome.orders.HasField("drain")
    assert after.orders.resume
    assert not after.orders.HasField("drain")


async def test_a_drain_that_is_ordered_between_hello_and_welcome_is_ordered_right_after(
    coordinator: Coordinator,
) -> None:
    ordered = Foretold(AdmitAgent, lambda: coordinator.journal.submit(drain(AgentAction.DRAIN)), asyncio.Event())
    coordinator.journal.foretell(ordered)

    stream, welcome = await coordinator.connect()
    [after] = await stream.hear_of("orders")

    assert welcome.orders.resume
    assert (after.orders.resume, after.orders.drain.mode) == (False, wire.DRAIN_MODE_FINISH)


async def test_an_agent_that_was_told_hears_of_a_drain_once(coordinator: Coordinator) -> None:
    stream, _ = await coordinator.connect()
    for _ in range(2):
        await coordinator.journal.submit(drain(AgentAction.DRAIN))
    stream.say(heartbeat=wire.Heartbeat(number=1))
    stream.say(heartbeat=wire.Heartbeat(number=2))

    await stream.hear_of("orders", "heartbeat_echo", "heartbeat_echo")


async def test_an_agent_that_leaves_while_a_drain_is_called_off_goes_on_leaving(coordinator: Coordinator) -> None:
    """S14: the row does not tell the two apart; whoever holds the stream does."""
    stream, _ = await coordinator.connect()
    await coordinator.journal.submit(drain(AgentAction.DRAIN))
    await stream.hear_of("orders")
    noticed = Answered(ChangeAgent, asyncio.Queue())
    coordinator.journal.foretell(noticed)
    stream.say(drain_notice=wire.DrainNotice())
    assert (await noticed.next()).state is AgentState.DRAINING

    await coordinator.journal.submit(drain(AgentAction.RESUME))
    assert [(await noticed.next()).state for _ in range(2)] == [AgentState.READY, AgentState.DRAINING]


async def test_a_lease_of_a_task_that_was_changed_says_what_it_is_now(coordinator: Coordinator) -> None:
    """Its document is in memory as it was submitted."""
    stream, welcome = await coordinator.connect()
    task = await coordinator.submit()
    move = Move("other")
    wanted = TaskFilter(namespace="default", queue="default")
    await coordinator.journal.submit(ChangeTasks(wanted, [task.id], move, convert_bulk.patch(move)))
    await coordinator.grant(task, welcome.session)

    [message] = await stream.hear_of("leases")
    assert [lease.spec.queue for lease in message.leases.leases] == ["other"]
