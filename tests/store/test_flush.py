"""Flushes that are prepared before the one below them is written: they see it, and fall with it."""

from __future__ import annotations

import pytest

from services.domain.agent import Declaration
from services.domain.commands import (
    AdmitAgent,
    AgentAction,
    ApplyReports,
    CancelTask,
    ChangeAgent,
    ChangeQueue,
    Created,
    CreateTasks,
    EndSession,
    ExpireAgent,
    Forget,
    GrantLeases,
    Placement,
    PlacementOutcome,
    Report,
    ReportKind,
)
from services.domain.errors import NotFound
from services.domain.event import EventType
from services.domain.requirements import Requirements
from services.domain.task import TaskState
from tests.store.ahead import Ahead, untimed
from tests.store.world import KIND, NAMESPACE, World, ended, key, new_task


@pytest.fixture
def ahead(world: World) -> Ahead:
    return Ahead(world)


def grant(world: World, *task_ids: str, agent_id: str = "a") -> GrantLeases:
    session = world.sessions[agent_id]
    return GrantLeases([Placement(1, task_id, agent_id, session) for task_id in task_ids], [key(agent_id)])


def reports(world: World, *said: Report, agent_id: str = "a") -> ApplyReports:
    return ApplyReports(key(agent_id), world.incarnations[agent_id], world.sessions[agent_id], said)


def test_a_task_of_the_flush_below_is_granted_on_top_of_it(world: World, ahead: Ahead) -> None:
    world.connect("a")
    ahead.prepare(CreateTasks([new_task("t")]))
    assert ahead.prepare(grant(world, "t")) == [[PlacementOutcome.GRANTED]]
    ahead.write_all()
    assert world.task("t").state is TaskState.LEASED


def test_the_events_of_both_are_numbered_one_after_the_other(world: World, ahead: Ahead) -> None:
    world.connect("a")
    ahead.prepare(CreateTasks([new_task("t1"), new_task("t2")]))
    ahead.prepare(grant(world, "t1", "t2"))
    below, above = ahead.write_all()
    assert above.first_sequence == below.first_sequence + 2
    assert [event.type for event in above.events] == [EventType.TASK_LEASED] * 2


def test_needs_that_the_flush_below_brought_are_known_on_top_of_it(world: World, ahead: Ahead) -> None:
    world.connect("a", capabilities=("gpu",))
    ahead.prepare(CreateTasks([new_task("t", requirements=Requirements(capabilities=("gpu",)))]))
    assert ahead.prepare(grant(world, "t")) == [[PlacementOutcome.GRANTED]]
    ahead.write_all()


def test_one_request_id_in_both_is_one_task(world: World, ahead: Ahead) -> None:
    ahead.prepare(CreateTasks([new_task("t1", request_id="r")]))
    ((again,),) = ahead.prepare(CreateTasks([new_task("t2", request_id="r")]))
    ahead.write_all()
    assert (again.task_id, again.deduplicated) == ("t1", True)


def test_a_lease_is_not_granted_a_second_time_on_top(world: World, ahead: Ahead) -> None:
    world.connect("a")
    world.connect("b")
    world.submit("t")
    ahead.prepare(grant(world, "t"))
    assert ahead.prepare(grant(world, "t", agent_id="b")) == [[PlacementOutcome.TASK_GONE]]
    ahead.write_all()


def test_the_last_slot_is_given_once(world: World, ahead: Ahead) -> None:
    world.connect("a", slots=1)
    world.submit("t1")
    world.submit("t2")
    ahead.prepare(grant(world, "t1"))
    assert ahead.prepare(grant(world, "t2")) == [[PlacementOutcome.AGENT_FULL]]
    ahead.write_all()
    assert world.agent("a").leases == 1


def test_a_report_counts_on_top_of_the_grant_that_it_is_of(world: World, ahead: Ahead) -> None:
    world.connect("a")
    world.submit("t")
    ahead.prepare(grant(world, "t"))
    assert ahead.prepare(reports(world, ended(1, "t", 1, ReportKind.SUCCEEDED))) == [[]]
    ahead.write_all()
    assert world.task("t").state is TaskState.SUCCEEDED


def test_the_same_outcome_is_known_on_top_of_the_flush_that_took_it(world: World, ahead: Ahead) -> None:
    world.connect("a")
    world.submit("t")
    world.run("a", "t")
    outcome = ended(1, "t", 1, ReportKind.SUCCEEDED)
    ahead.prepare(reports(world, outcome))
    assert ahead.prepare(reports(world, outcome)) == [[]]
    (refusal,) = ahead.prepare(reports(world, ended(2, "t", 1, ReportKind.FAILED)))[0]
    ahead.write_all()
    assert refusal.number == 2
    assert world.task("t").version == 4


def test_a_task_that_ended_below_is_final_on_top_and_afterwards(world: World, ahead: Ahead) -> None:
    world.connect("a")
    world.submit("t")
    world.run("a", "t")
    ahead.prepare(reports(world, ended(1, "t", 1, ReportKind.SUCCEEDED)))
    cancel = CancelTask(NAMESPACE, "t")
    assert ahead.prepare(cancel)[0].state is TaskState.SUCCEEDED
    ahead.write()
    assert ahead.prepare(cancel)[0].state is TaskState.SUCCEEDED
    ahead.write_all()


def test_an_agent_that_expires_on_top_loses_what_it_was_granted_below_and_only_that(world: World, ahead: Ahead) -> None:
    world.connect("a", slots=3)
    for task_id in ("kept", "ended", "granted"):
        world.submit(task_id)
    world.run("a", "kept")
    world.run("a", "ended")
    gone = EndSession(key("a"), world.sessions["a"], goodbye=False, expire_time=1)
    ahead.prepare(reports(world, ended(1, "ended", 1, ReportKind.SUCCEEDED)), grant(world, "granted"))
    ahead.prepare(gone)
    ahead.write()
    ahead.prepare(ExpireAgent(key("a"), world.sessions["a"]))
    ahead.write_all()
    assert [world.task(task_id).state for task_id in ("kept", "ended", "granted")] == [
        TaskState.PENDING,
        TaskState.SUCCEEDED,
        TaskState.PENDING,
    ]
    assert world.agent("a").leases == 0


def test_a_hello_on_top_settles_a_lease_that_was_made_with_its_task_below(world: World, ahead: Ahead) -> None:
    world.connect("a")
    ahead.prepare(CreateTasks([new_task("t")], [Placement(0, "t", "a", world.sessions["a"])]))
    (admission,) = ahead.prepare(
        AdmitAgent(key("a"), world.incarnations["a"], Declaration(kinds=(KIND,), slots=2), [], False, "c1")
    )
    ahead.write_all()
    assert list(admission.kept) == []
    assert world.task("t").state is TaskState.PENDING
    assert world.agent("a").leases == 0


def test_a_queue_that_was_paused_below_is_paused_on_top_and_open_again_after_a_discard(
    world: World, ahead: Ahead
) -> None:
    world.connect("a")
    world.submit("t")
    ahead.prepare(ChangeQueue((NAMESPACE, "default"), paused=True))
    assert ahead.prepare(grant(world, "t")) == [[PlacementOutcome.QUEUE_PAUSED]]
    ahead.discard()
    assert ahead.prepare(grant(world, "t")) == [[PlacementOutcome.GRANTED]]
    ahead.write_all()


def test_a_drain_below_refuses_the_grant_on_top(world: World, ahead: Ahead) -> None:
    world.connect("a")
    world.submit("t")
    ahead.prepare(ChangeAgent(key("a"), AgentAction.DRAIN))
    assert ahead.prepare(grant(world, "t")) == [[PlacementOutcome.AGENT_NOT_ACCEPTING]]
    ahead.write_all()


def test_of_several_unwritten_flushes_the_newest_counts(world: World, ahead: Ahead) -> None:
    world.connect("a")
    world.connect("b")
    ahead.prepare(CreateTasks([new_task("t")]))
    ahead.prepare(grant(world, "t"))
    assert ahead.prepare(grant(world, "t", agent_id="b")) == [[PlacementOutcome.TASK_GONE]]
    ahead.write_all()
    assert world.task("t").token == 1


def test_what_is_discarded_has_never_been(world: World, ahead: Ahead) -> None:
    world.connect("a")
    world.submit("old")
    needs = Requirements(capabilities=("gpu",))
    ahead.prepare(CreateTasks([new_task("lost", request_id="r", requirements=needs)]), grant(world, "old"))
    ahead.prepare(reports(world, ended(1, "old", 1, ReportKind.SUCCEEDED)))
    ahead.discard()
    assert world.task("old").state is TaskState.PENDING
    assert world.agent("a").leases == 0
    (missing,) = ahead.prepare(CancelTask(NAMESPACE, "lost"))
    assert isinstance(missing, NotFound)
    ((again,),) = ahead.prepare(CreateTasks([new_task("found", request_id="r", requirements=needs)]))
    assert not again.deduplicated
    ahead.write_all()
    world.flusher.discard()
    assert world.flush(CancelTask(NAMESPACE, "found"))[0].state is TaskState.CANCELLED  # its needs are on disk


def test_the_same_commands_are_made_again_after_a_discard(world: World, ahead: Ahead) -> None:
    create = CreateTasks([new_task("t")])
    first = ahead.prepare(create)
    ahead.discard()
    assert untimed(ahead.prepare(create)) == untimed(first)
    ahead.write_all()


def test_a_flush_that_cannot_be_prepared_leaves_the_one_below_as_it_is(world: World, ahead: Ahead) -> None:
    world.connect("a", capabilities=("gpu",))
    world.submit("broken")
    world.run("a", "broken")
    below, above = Requirements(capabilities=("gpu",)), Requirements(capabilities=("tpu",))
    ahead.prepare(CreateTasks([new_task("t", requirements=below)]))
    empty = Report(1, "broken", 1, ReportKind.PROGRESS)  # a report of progress without any: our own mistake
    with pytest.raises(AssertionError):
        world.flusher.prepare([CreateTasks([new_task("never", requirements=above)]), reports(world, empty)])
    assert ahead.prepare(grant(world, "t")) == [[PlacementOutcome.GRANTED]]
    ahead.prepare(CreateTasks([new_task("later", requirements=above)]))
    ahead.write_all()
    world.flusher.discard()
    assert world.task("later").state is TaskState.PENDING
    assert world.flush(CancelTask(NAMESPACE, "later"))[0].state is TaskState.CANCELLED


def test_a_request_id_that_was_forgotten_on_top_of_its_submit_may_be_used_again(world: World, ahead: Ahead) -> None:
    ahead.prepare(CreateTasks([new_task("t", request_id="r")]), CancelTask(NAMESPACE, "t"))
    ahead.prepare(Forget(["t"], 1 << 60, []))
    ahead.write_all()
    answer = world.submit("u", request_id="r")
    assert isinstance(answer, Created)
    assert (answer.task_id, answer.deduplicated) == ("u", False)
