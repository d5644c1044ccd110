"""Cordon and drain: two things, each taken off by itself, and when a drain is over."""

from __future__ import annotations

from typing import Any

import pytest

from services.domain.agent import AgentState, DrainMode, DrainState
from services.domain.agent_change import DRAIN_TRANSITIONS
from services.domain.commands import (
    AgentAction,
    AgentChanged,
    ChangeAgent,
    ChangeSelectedAgent,
    EnforceDrain,
    PlacementOutcome,
)
from services.domain.event import EventType
from services.domain.failure import AttemptOutcome
from services.domain.limits import DRAIN_GRACE_MICROS
from services.domain.membership import SHARING_PROGRAM
from services.domain.requirements import LabelSelector, SelectorOperator
from services.domain.task import TaskState
from services.store import flush
from services.store.drains import read_overdue_drains
from tests.store.world import World, key

SECOND = 1_000_000
BEGIN = 1_800_000_000 * SECOND
EU = LabelSelector("zone", SelectorOperator.IN, ("eu",))


class Clock:
    """What the flushes read as the time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = BEGIN
        monkeypatch.setattr(flush.time, "time_ns", lambda: self.now * 1000)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def ask(world: World, action: AgentAction, agent_id: str = "a", **order: Any) -> Any:
    return world.do(ChangeAgent(key(agent_id), action, session=world.sessions[agent_id], **order))


def told(world: World) -> list[EventType]:
    """The events of agents, without those of their streams."""
    streams = (EventType.AGENT_CONNECTED, EventType.AGENT_DISCONNECTED, EventType.AGENT_OFFLINE)
    return [event.type for event in world.events if not event.task_id and event.type not in streams]


def test_every_edge_of_the_table_has_a_state_before_and_after_that_the_row_can_have() -> None:
    assert (DrainState.NONE, DrainState.DRAINED) not in DRAIN_TRANSITIONS
    assert {before for before, _ in DRAIN_TRANSITIONS} == set(DrainState)


def test_a_drain_does_not_cordon_and_grants_nothing(world: World) -> None:
    """S14."""
    world.connect("a")
    world.submit("t")
    drained = ask(world, AgentAction.DRAIN)
    assert (drained.cordoned, drained.accepting) == (False, False)
    assert world.grant("t", "a") is PlacementOutcome.AGENT_NOT_ACCEPTING


def test_each_is_taken_off_by_itself(world: World) -> None:
    world.connect("a")
    ask(world, AgentAction.CORDON)
    ask(world, AgentAction.DRAIN)
    assert ask(world, AgentAction.UNCORDON).drain_state is DrainState.DRAINED
    ask(world, AgentAction.CORDON)
    resumed = ask(world, AgentAction.RESUME)
    assert (resumed.cordoned, resumed.drain_state, resumed.state) == (True, DrainState.NONE, AgentState.READY)
    assert not resumed.accepting
    assert ask(world, AgentAction.UNCORDON).accepting


def test_reopening_takes_off_both(world: World) -> None:
    world.connect("a")
    ask(world, AgentAction.CORDON)
    ask(world, AgentAction.DRAIN)
    assert ask(world, AgentAction.REOPEN).accepting
    assert told(world)[-2:] == [EventType.AGENT_RESUMED, EventType.AGENT_UNCORDONED]


def test_what_is_so_already_records_nothing(world: World) -> None:
    world.connect("a")
    for action in (AgentAction.UNCORDON, AgentAction.RESUME, AgentAction.REOPEN):
        ask(world, action)
    assert told(world) == []
    ask(world, AgentAction.DRAIN)
    ask(world, AgentAction.DRAIN)
    assert told(world) == [EventType.AGENT_DRAINING, EventType.AGENT_DRAINED]


def test_a_drain_is_done_in_the_transaction_that_ends_the_last_lease(world: World) -> None:
    """S9."""
    world.connect("a")
    for task_id in ("t1", "t2"):
        world.submit(task_id)
        world.run("a", task_id)
    assert ask(world, AgentAction.DRAIN).drain_state is DrainState.DRAINING
    world.finish("a", "t1")
    assert world.agent("a").drain_state is DrainState.DRAINING
    world.finish("a", "t2")
    assert world.agent("a").drain_state is DrainState.DRAINED
    assert world.last is not None
    assert [event.type for event in world.last.events] == [EventType.TASK_SUCCEEDED, EventType.AGENT_DRAINED]


def test_a_drain_survives_reconnects_and_a_new_process(world: World) -> None:
    """S14."""
    world.connect("a")
    world.submit("t")
    ask(world, AgentAction.DRAIN)
    for again in (True, False):
        admission = world.connect("a", again=again)
        assert (admission.drain_mode, world.agent("a").state) == (DrainMode.FINISH, AgentState.DRAINING)
        assert world.grant("t", "a") is PlacementOutcome.AGENT_NOT_ACCEPTING
    ask(world, AgentAction.RESUME)
    assert world.grant("t", "a") is PlacementOutcome.GRANTED


def test_a_new_process_ends_the_drain_of_the_old_one_s_work(world: World) -> None:
    world.connect("a")
    world.submit("t")
    world.run("a", "t")
    ask(world, AgentAction.DRAIN)
    world.connect("a")
    assert world.agent("a").drain_state is DrainState.DRAINED
    assert told(world) == [EventType.AGENT_DRAINING, EventType.AGENT_DRAINED]


def test_a_drain_is_done_when_the_leases_of_an_absent_agent_run_out(world: World) -> None:
    world.connect("a")
    world.submit("t")
    world.run("a", "t")
    ask(world, AgentAction.DRAIN)
    world.leave("a", goodbye=False)
    world.lose("a", "t")
    agent = world.agent("a")
    assert (agent.state, agent.drain_state) == (AgentState.OFFLINE, DrainState.DRAINED)


def test_an_order_that_is_repeated_makes_nothing_longer(world: World, clock: Clock) -> None:
    """The agent sees it so, too: what it was told once stands."""
    world.connect("a")
    world.submit("t")
    world.run("a", "t")
    ask(world, AgentAction.DRAIN, drain_limit_micros=60 * SECOND)
    clock.now += 5 * SECOND
    for again in ({}, {"drain_limit_micros": 60 * SECOND}):
        assert ask(world, AgentAction.DRAIN, **again).drain_time == BEGIN + 60 * SECOND
    shorter = ask(world, AgentAction.DRAIN, drain_limit_micros=10 * SECOND)
    assert (shorter.drain_mode, shorter.drain_time) == (DrainMode.FINISH, BEGIN + 15 * SECOND)
    at_once = ask(world, AgentAction.DRAIN, drain_mode=DrainMode.RETURN)
    assert (at_once.drain_mode, at_once.drain_time) == (DrainMode.RETURN, BEGIN + 5 * SECOND)
    assert told(world) == [EventType.AGENT_DRAINING] * 3


@pytest.mark.parametrize(
    ("order", "deadline"),
    [({"drain_limit_micros": 60 * SECOND}, BEGIN + 60 * SECOND), ({"drain_mode": DrainMode.RETURN}, BEGIN)],
    ids=["finish", "return"],
)
def test_what_an_agent_keeps_after_the_deadline_is_taken_back_and_burns_nothing(
    world: World, clock: Clock, order: dict[str, Any], deadline: int
) -> None:
    world.connect("a")
    for task_id in ("started", "unstarted"):
        world.submit(task_id)
        assert world.grant(task_id, "a") is PlacementOutcome.GRANTED
    world.start("a", "started")
    ask(world, AgentAction.DRAIN, **order)

    clock.now = deadline + DRAIN_GRACE_MICROS - 1
    world.do(EnforceDrain(key("a")))
    assert world.agent("a").drain_state is DrainState.DRAINING
    clock.now = deadline + DRAIN_GRACE_MICROS
    assert read_overdue_drains(world.connection, clock.now - DRAIN_GRACE_MICROS, limit=10) == [key("a")]
    world.do(EnforceDrain(key("a")))

    assert world.agent("a").drain_state is DrainState.DRAINED
    assert world.last is not None
    assert {revoked.task_id for revoked in world.last.revoked} == {"started", "unstarted"}
    assert {attempt.outcome for attempt in world.last.ended} == {AttemptOutcome.RETURNED}
    for task_id in ("started", "unstarted"):
        task = world.task(task_id)
        assert (task.state, task.failures, task.redeliveries) == (TaskState.PENDING, 0, 0)
    assert read_overdue_drains(world.connection, clock.now, limit=10) == []


def test_a_drain_that_was_called_off_or_has_no_deadline_is_not_enforced(world: World, clock: Clock) -> None:
    world.connect("a")
    world.submit("t")
    world.run("a", "t")
    ask(world, AgentAction.DRAIN)
    clock.now += 3600 * SECOND
    world.do(EnforceDrain(key("a")))
    ask(world, AgentAction.DRAIN, drain_limit_micros=SECOND)
    ask(world, AgentAction.RESUME)
    clock.now += 3600 * SECOND
    world.do(EnforceDrain(key("a")))
    assert world.task("t").state is TaskState.RUNNING


def test_an_agent_is_changed_only_if_its_labels_are_meant_when_it_is_changed(world: World) -> None:
    world.connect("a", labels={"zone": "eu"})
    world.connect("b", labels={"zone": "us"})
    answers = world.flush(
        *[ChangeSelectedAgent(key(agent_id), [EU], AgentAction.CORDON) for agent_id in ("a", "b", "nobody")],
        ChangeSelectedAgent(key("a"), [EU], AgentAction.CORDON),
    )
    assert [answer.changed if isinstance(answer, AgentChanged) else None for answer in answers] == [
        True,
        None,
        None,
        False,
    ]
    assert (world.agent("a").cordoned, world.agent("b").cordoned) == (True, False)


def test_an_older_coordinator_can_read_what_is_told_of_drains(world: World) -> None:
    """It knows neither of the two newer words, whether the drain ends at once or with the last lease."""
    for agent_id in ("idle", "busy"):
        world.connect(agent_id)
    world.submit("t")
    world.run("busy", "t")
    ask(world, AgentAction.DRAIN, "idle")
    world.flusher.program = SHARING_PROGRAM
    ask(world, AgentAction.DRAIN, "busy")
    world.finish("busy", "t")
    before = len(told(world))

    ask(world, AgentAction.CORDON, "idle")
    ask(world, AgentAction.RESUME, "idle")
    ask(world, AgentAction.RESUME, "busy")

    cordoned, uncordoned = EventType.AGENT_CORDONED, EventType.AGENT_UNCORDONED
    assert told(world)[:before] == [EventType.AGENT_DRAINING, EventType.AGENT_DRAINED, EventType.AGENT_DRAINING]
    assert told(world)[before:] == [cordoned, cordoned, uncordoned]
    assert (world.agent("idle").accepting, world.agent("busy").accepting) == (False, True)
    assert world.findings() == []
