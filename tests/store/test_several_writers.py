"""Several coordinators write to one PostgreSQL: each decides on what it has read, and the transaction looks again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from services.domain.agent import AgentKey, Declaration
from services.domain.commands import (
    AdmitAgent,
    AgentAction,
    CancelTask,
    ChangeAgent,
    ChangeQueue,
    Command,
    CreateTasks,
    Forget,
    GrantLeases,
    Placement,
    PlacementOutcome,
)
from services.domain.dependencies import DependencyPolicy
from services.domain.errors import InvalidArgument
from services.domain.membership import PROGRAM
from services.domain.task import TaskState
from services.domain.task_changes import ChangeTasks, Move
from services.domain.task_filter import TaskFilter
from services.store.coordinators import claim_term, read_coordinators
from services.store.feed import read_bounds
from services.store.flush import Flusher, Prepared
from services.store.schema import coordinators
from services.store.writer import Conflict, RequestsKnown, Writer
from tests.store.world import KIND, NAMESPACE, World, key, new_task

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


class Rival:
    """A second coordinator on the world's database."""

    def __init__(self, world: World) -> None:
        self.flusher: Flusher
        self.writer: Writer
        self.flusher, self.writer = world.new_flusher("coordinator-2")

    def prepare(self, *commands: Command) -> Prepared:
        return self.flusher.prepare(commands)

    def write(self, prepared: Prepared) -> None:
        self.flusher.settle(prepared, self.writer.write(prepared.batch))

    def flush(self, *commands: Command) -> list[Any]:
        prepared = self.prepare(*commands)
        self.write(prepared)
        return prepared.answers


@pytest.fixture
def rival(world: World) -> Iterator[Rival]:
    yield Rival(world)
    world.flusher.discard()


def placement(world: World, task_id: str, agent_id: str = "a") -> GrantLeases:
    agent: AgentKey = key(agent_id)
    return GrantLeases([Placement(1, task_id, agent_id, world.sessions[agent_id])], [agent])


def test_both_write_and_the_feed_is_dense(world: World, rival: Rival) -> None:
    """S10."""
    for number in range(10):
        world.submit(f"t{number}")
        rival.flush(CreateTasks([new_task(f"r{number}")]))
    assert read_bounds(world.connection).head == 20


def test_a_task_is_granted_once(world: World, rival: Rival) -> None:
    """S3: both have read it as pending."""
    world.connect("a")
    world.connect("b")
    world.submit("t")
    late = rival.prepare(placement(world, "t", "b"))
    assert world.grant("t", "a") is PlacementOutcome.GRANTED
    with pytest.raises(Conflict):
        rival.write(late)
    rival.flusher.discard_read([late])
    assert rival.flush(placement(world, "t", "b")) == [[PlacementOutcome.TASK_GONE]]


def test_a_task_that_is_granted_meanwhile_is_not_moved_under_its_agent(world: World, rival: Rival) -> None:
    """S3: both have read it as pending."""
    world.connect("a")
    world.submit("t")
    move = ChangeTasks(TaskFilter(namespace=NAMESPACE, queue="default"), ["t"], Move("other"))
    late = rival.prepare(move)
    assert world.grant("t", "a") is PlacementOutcome.GRANTED
    with pytest.raises(Conflict):
        rival.write(late)
    rival.flusher.discard_read([late])
    assert rival.flush(move) == [[]]
    assert world.task("t").queue == "default"


def test_a_task_that_was_moved_elsewhere_is_granted_by_its_new_queue(world: World, rival: Rival) -> None:
    world.connect("a", queues=("default",))
    world.submit("t")
    late = world.flusher.prepare([placement(world, "t")])
    rival.flush(ChangeTasks(TaskFilter(namespace=NAMESPACE, queue="default"), ["t"], Move("other")))
    with pytest.raises(Conflict):
        world.writer.write(late.batch)
    world.flusher.discard_read([late])
    assert world.grant("t", "a") is PlacementOutcome.INELIGIBLE


def test_a_slot_is_given_once(world: World, rival: Rival) -> None:
    """S13: two tasks, one slot."""
    world.connect("a", slots=1)
    world.submit("t1")
    world.submit("t2")
    late = rival.prepare(placement(world, "t2"))
    assert world.grant("t1", "a") is PlacementOutcome.GRANTED
    with pytest.raises(Conflict):
        rival.write(late)
    rival.flusher.discard_read([late])
    assert rival.flush(placement(world, "t2")) == [[PlacementOutcome.AGENT_FULL]]


def test_nothing_is_granted_after_a_drain(world: World, rival: Rival) -> None:
    """S14."""
    world.connect("a")
    world.submit("t")
    late = rival.prepare(placement(world, "t"))
    world.do(ChangeAgent(key("a"), AgentAction.DRAIN))
    with pytest.raises(Conflict):
        rival.write(late)


def test_nothing_is_granted_after_a_pause_although_the_queue_s_row_is_only_read(world: World, rival: Rival) -> None:
    world.connect("a")
    world.submit("t")
    late = rival.prepare(placement(world, "t"))
    world.do(ChangeQueue((NAMESPACE, "default"), paused=True))
    with pytest.raises(Conflict):
        rival.write(late)


def test_an_answer_that_changes_nothing_is_not_given_on_what_is_old(world: World, rival: Rival) -> None:
    """The rival remembers the task as pending; an agent's report on its lease is not stale."""
    world.connect("a")
    rival.flush(CreateTasks([new_task("t")]))
    world.grant("t", "a")
    late = rival.prepare(CancelTask(NAMESPACE, "t"))
    assert late.answers[0].state is TaskState.CANCELLED  # by what it remembers
    with pytest.raises(Conflict):
        rival.write(late)
    rival.flusher.discard_read([late])
    (task,) = rival.flush(CancelTask(NAMESPACE, "t"))
    assert task.state is TaskState.LEASED
    assert task.cancel_request_time


def test_what_stood_on_a_flush_that_lost_is_decided_again(world: World, rival: Rival) -> None:
    world.connect("a", slots=5)
    world.submit("t1")
    first = rival.prepare(placement(world, "t1"))
    second = rival.prepare(CreateTasks([new_task("t2")], [Placement(0, "t2", "a", world.sessions["a"])]))
    world.grant("t1", "a")
    with pytest.raises(Conflict):
        rival.write(first)
    rival.flusher.discard_read([first, second])
    ((created,),) = rival.flush(CreateTasks([new_task("t2")], [Placement(0, "t2", "a", world.sessions["a"])]))
    assert created.task.state is TaskState.LEASED
    world.flusher.discard()
    assert world.agent("a").leases == 2


def test_what_was_changed_elsewhere_and_told_is_read_again(world: World, rival: Rival) -> None:
    world.connect("a")
    rival.flush(CreateTasks([new_task("t")]))
    world.grant("t", "a")
    rival.flusher.changed_elsewhere(["t"], [key("a")], [])
    (task,) = rival.flush(CancelTask(NAMESPACE, "t"))
    assert task.cancel_request_time


def test_an_agent_that_connects_to_two_at_once_gets_two_sessions(world: World, rival: Rival) -> None:
    """S17: neither takes it for new once the other has its row."""
    hello = AdmitAgent(key("a"), str(UUID(int=7)), Declaration(kinds=(KIND,)), [], False, "c1")
    late = rival.prepare(hello)
    first = world.do(hello)
    with pytest.raises(Conflict):
        rival.write(late)
    rival.flusher.discard_read([late])
    (second,) = rival.flush(hello)
    assert (first.session, second.session) == (1, 2)


def test_a_queue_that_two_make_is_made_once(world: World, rival: Rival) -> None:
    late = rival.prepare(ChangeQueue((NAMESPACE, "q"), paused=True))
    world.do(ChangeQueue((NAMESPACE, "q"), paused=False))
    with pytest.raises(Conflict):
        rival.write(late)
    rival.flusher.discard_read([late])
    (queue,) = rival.flush(ChangeQueue((NAMESPACE, "q"), paused=True))
    assert queue.version == 2


def test_a_request_id_that_two_use_makes_one_task(world: World, rival: Rival) -> None:
    """S2."""
    late = rival.prepare(CreateTasks([new_task("t2", request_id="r")]))
    world.submit("t1", request_id="r")
    with pytest.raises(RequestsKnown):
        rival.write(late)


def test_writers_in_each_other_s_way_both_get_through(world: World, rival: Rival) -> None:
    """They lock rows in one order, so neither waits for the other in a circle for long."""
    world.connect("a", slots=1000)
    world.flush(CreateTasks([new_task(f"t{number:03}") for number in range(60)]))

    def cancel(flusher: Flusher, writer: Writer, order: list[int]) -> None:
        for number in order:
            while True:
                prepared = flusher.prepare([CancelTask(NAMESPACE, f"t{n:03}") for n in (number, 59 - number)])
                try:
                    flusher.settle(prepared, writer.write(prepared.batch))
                except Conflict:
                    flusher.discard_read([prepared])
                else:
                    break

    threads = [
        threading.Thread(target=cancel, args=(world.flusher, world.writer, list(range(60)))),
        threading.Thread(target=cancel, args=(rival.flusher, rival.writer, list(range(59, -1, -1)))),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    world.flusher.discard()
    assert {world.task(f"t{number:03}").state for number in range(60)} == {TaskState.CANCELLED}


def test_a_task_that_ends_while_another_begins_to_wait_for_it_is_not_missed(world: World, rival: Rival) -> None:
    """The submit loses: it has read that the other one has not ended."""
    world.submit("d")
    late = rival.prepare(CreateTasks([new_task("t", depends_on=("d",), dependency_policy=DependencyPolicy.RUN)]))
    world.cancel("d")
    with pytest.raises(Conflict):
        rival.write(late)
    rival.flusher.discard_read([late])
    rival.flush(CreateTasks([new_task("t", depends_on=("d",), dependency_policy=DependencyPolicy.RUN)]))
    assert world.task("t").state is TaskState.PENDING


@pytest.mark.parametrize("waits_before", [False, True])
def test_a_task_that_begins_to_wait_while_the_other_ends_is_not_missed(
    world: World, rival: Rival, *, waits_before: bool
) -> None:
    """The end loses: against the mark of the first that waits, or against the link of a further one."""
    world.submit("d")
    if waits_before:
        world.submit("first", depends_on=("d",))
    late = rival.prepare(CancelTask(NAMESPACE, "d"))
    version = world.task("d").version
    world.submit("t", depends_on=("d",))
    assert world.task("d").version == version + (not waits_before)
    with pytest.raises(Conflict):
        rival.write(late)
    rival.flusher.discard_read([late])
    rival.flush(CancelTask(NAMESPACE, "d"))
    world.flusher.discard()
    assert world.task("t").state is TaskState.FAILED


def test_two_ends_that_unblock_the_same_task_are_both_counted(world: World, rival: Rival) -> None:
    for name in ("d1", "d2"):
        world.submit(name)
    world.submit("t", depends_on=("d1", "d2"), dependency_policy=DependencyPolicy.RUN)
    late = rival.prepare(CancelTask(NAMESPACE, "d2"))
    world.cancel("d1")
    with pytest.raises(Conflict):
        rival.write(late)
    rival.flusher.discard_read([late])
    rival.flush(CancelTask(NAMESPACE, "d2"))
    world.flusher.discard()
    assert world.task("t").state is TaskState.PENDING


def test_a_dependency_that_is_forgotten_meanwhile_is_unknown(world: World, rival: Rival) -> None:
    world.submit("d")
    world.cancel("d")
    late = rival.prepare(CreateTasks([new_task("t", depends_on=("d",))]))
    world.do(Forget(["d"], time.time_ns() // 1000 + 1_000_000, []))
    with pytest.raises(Conflict):
        rival.write(late)
    rival.flusher.discard_read([late])
    [[answer]] = rival.flush(CreateTasks([new_task("t", depends_on=("d",))]))
    assert isinstance(answer, InvalidArgument)


def test_a_request_id_of_a_task_that_another_has_forgotten_makes_a_new_task(world: World, rival: Rival) -> None:
    world.submit("t", request_id="r")
    world.cancel("t")
    rival.flush(Forget(["t"], time.time_ns() // 1000 + 1_000_000, []))
    world.submit("u", request_id="r")
    assert world.task("u").state is TaskState.PENDING


def test_none_waits_for_ever_whoever_ends_what_it_waits_for(world: World, rival: Rival) -> None:
    """One makes tasks that wait for those that the other ends, as fast as both can."""
    names = [f"d{number:03}" for number in range(60)]
    world.flush(CreateTasks([new_task(name) for name in names]))

    def write(flusher: Flusher, writer: Writer, commands: list[Command]) -> None:
        for command in commands:
            while True:
                prepared = flusher.prepare([command])
                try:
                    flusher.settle(prepared, writer.write(prepared.batch))
                except Conflict:
                    flusher.discard_read([prepared])
                else:
                    break

    run = DependencyPolicy.RUN
    waiting: list[Command] = [
        CreateTasks([new_task(f"{name}-{n}", depends_on=(name,), dependency_policy=run)])
        for name in names
        for n in range(3)
    ]
    ending: list[Command] = [CancelTask(NAMESPACE, name) for name in names]
    threads = [
        threading.Thread(target=write, args=(world.flusher, world.writer, waiting)),
        threading.Thread(target=write, args=(rival.flusher, rival.writer, ending)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    world.flusher.discard()
    assert {world.task(f"{name}-{n}").state for name in names for n in range(3)} == {TaskState.PENDING}


def test_only_a_program_that_shares_with_nobody_is_ended_by_a_newer_one(world: World) -> None:
    """And all know what the oldest of them does."""
    for name, program in (("alone", 1), ("sharing", 2)):
        claim_term(world.connection, name)
        world.connection.execute(update(coordinators).where(coordinators.c.id == name).values(program=program))
    claim_term(world.connection, "newest")
    found = {each.id: (each.term, each.program) for each in read_coordinators(world.connection)}
    assert (found["alone"], found["sharing"], found["newest"]) == ((3, 1), (1, 2), (1, PROGRAM)), "twice, never, never"
