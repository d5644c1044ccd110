"""A flush that is prepared while the one before it is being written finds everything that one has changed."""

from __future__ import annotations

from typing import Any

import pytest

from services.domain.commands import (
    AdmitAgent,
    ApplyReports,
    CancelTask,
    ChangeQueue,
    Command,
    CreateTasks,
    ExpireAgent,
    GrantLeases,
    Placement,
    PlacementOutcome,
    RefusalReason,
    Report,
    ReportKind,
)
from services.domain.errors import AlreadyExists, MissionControlError
from services.domain.queue import QueuePolicy
from services.domain.requirements import Requirements
from services.domain.task import TaskState
from services.store.flush import Prepared
from services.store.writer import RequestsKnown
from tests.store.world import NAMESPACE, World, ended, key, new_task


class Pipeline:
    """Flushes of a world that are prepared one after the other, and written when the test says so."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.prepared: list[Prepared] = []

    def prepare(self, *commands: Command) -> list[Any]:
        self.prepared.append(self.world.flusher.prepare(commands))
        return self.prepared[-1].answers

    def write(self) -> None:
        """Writes all of them, in order."""
        for prepared in self.prepared:
            self.world.writer.write(prepared.batch)
            self.world.flusher.settle(prepared)
        self.prepared.clear()

    def grant(self, task_id: str, agent_id: str = "a") -> list[Any]:
        placement = Placement(1, task_id, agent_id, self.world.sessions[agent_id])
        return self.prepare(GrantLeases([placement], [key(agent_id)]))

    def report(self, *reports: Report, agent_id: str = "a") -> list[Any]:
        world = self.world
        command = ApplyReports(key(agent_id), world.incarnations[agent_id], world.sessions[agent_id], reports)
        answer: list[Any] = self.prepare(command)[0]
        return answer


@pytest.fixture
def pipeline(world: World) -> Pipeline:
    world.connect("a", slots=1)
    return Pipeline(world)


def test_a_task_and_its_lease_are_there_before_they_are_written(pipeline: Pipeline) -> None:
    pipeline.prepare(CreateTasks([new_task("t")]))
    assert pipeline.grant("t") == [[PlacementOutcome.GRANTED]]
    pipeline.write()
    assert pipeline.world.task("t").state is TaskState.LEASED


def test_slots_that_an_unwritten_flush_took_are_taken(pipeline: Pipeline) -> None:
    """S13: both would see a free slot otherwise."""
    pipeline.world.flush(CreateTasks([new_task("t1"), new_task("t2")]))
    assert pipeline.grant("t1") == [[PlacementOutcome.GRANTED]]
    assert pipeline.grant("t2") == [[PlacementOutcome.AGENT_FULL]]
    pipeline.write()


def test_a_request_id_of_an_unwritten_flush_is_known(pipeline: Pipeline) -> None:
    """S2: one task per key, whatever is on its way."""
    pipeline.prepare(CreateTasks([new_task("t1", request_id="r")]))
    [[same]] = pipeline.prepare(CreateTasks([new_task("t2", request_id="r")]))
    assert (same.task_id, same.deduplicated) == ("t1", True)
    pipeline.write()


def test_the_end_of_a_task_is_known_before_it_is_written(pipeline: Pipeline) -> None:
    """S5, S6: the same outcome is fine again, another one is stale, a cancel comes too late."""
    pipeline.world.submit("t")
    pipeline.world.grant("t", "a")
    assert pipeline.report(ended(1, "t", 1, ReportKind.SUCCEEDED)) == []
    assert pipeline.report(ended(2, "t", 1, ReportKind.SUCCEEDED)) == []
    pipeline.write()
    assert pipeline.report(ended(3, "t", 1, ReportKind.SUCCEEDED)) == []
    (refusal,) = pipeline.report(ended(4, "t", 1, ReportKind.FAILED))
    assert refusal.reason is RefusalReason.STALE
    (task,) = pipeline.prepare(CancelTask(NAMESPACE, "t"))
    assert task.state is TaskState.SUCCEEDED
    pipeline.write()


def test_an_agent_that_is_expired_loses_what_an_unwritten_flush_gave_it_and_keeps_what_it_ended(
    pipeline: Pipeline,
) -> None:
    world = pipeline.world
    world.connect("b", slots=2)
    world.flush(CreateTasks([new_task("old"), new_task("new")]))
    world.grant("old", "b")
    world.leave("b", goodbye=False)
    pipeline.prepare(CancelTask(NAMESPACE, "new"))
    (refused,) = pipeline.prepare(ExpireAgent(key("b"), world.sessions["b"]))
    assert refused is None
    pipeline.write()
    assert world.task("old").state is TaskState.LEASED, "its time has not come: nothing was set for it"


def test_a_hello_sees_what_is_on_its_way(pipeline: Pipeline) -> None:
    """A grant that is not written yet, and that Hello does not name, goes back like any other."""
    world = pipeline.world
    world.submit("t")
    pipeline.grant("t")
    hello = AdmitAgent(key("a"), world.incarnations["a"], world.agent("a").declared, [], False, "c1")
    (admission,) = pipeline.prepare(hello)
    assert not isinstance(admission, MissionControlError)
    pipeline.write()
    assert world.task("t").state is TaskState.PENDING
    assert world.agent("a").leases == 0


def test_a_queue_that_was_just_paused_is_paused(pipeline: Pipeline) -> None:
    pipeline.world.submit("t")
    pipeline.prepare(ChangeQueue((NAMESPACE, "default"), policy=QueuePolicy(), paused=True))
    assert pipeline.grant("t") == [[PlacementOutcome.QUEUE_PAUSED]]
    pipeline.write()


def test_requirements_of_an_unwritten_task_are_known(pipeline: Pipeline) -> None:
    pipeline.prepare(CreateTasks([new_task("t", requirements=Requirements(capabilities=("rare",)))]))
    assert pipeline.grant("t") == [[PlacementOutcome.INELIGIBLE]]
    pipeline.write()


def test_events_are_numbered_on_from_what_is_not_written_yet(pipeline: Pipeline) -> None:
    """S10."""
    pipeline.prepare(CreateTasks([new_task("t1"), new_task("t2")]))
    pipeline.prepare(CreateTasks([new_task("t3")]))
    first, second = (prepared.batch for prepared in pipeline.prepared)
    assert second.head == first.head + first.events == first.head + 2
    pipeline.write()


def test_what_stands_on_a_flush_that_was_not_written_is_thrown_away_with_it(pipeline: Pipeline) -> None:
    """S9: neither rows, nor events, nor a memory of either."""
    pipeline.prepare(CreateTasks([new_task("t1", request_id="r")]))
    pipeline.grant("t1")
    pipeline.prepared.clear()
    pipeline.world.flusher.discard()
    assert pipeline.grant("t1") == [[PlacementOutcome.NOT_VISIBLE]]
    [[created]] = pipeline.prepare(CreateTasks([new_task("t2", request_id="r")]))
    assert not created.deduplicated
    pipeline.write()
    assert pipeline.world.agent("a").leases == 0


def test_a_task_is_created_and_leased_in_one_commit_if_its_placement_holds(pipeline: Pipeline) -> None:
    world = pipeline.world
    placement = Placement(0, "t1", "a", world.sessions["a"])
    full = Placement(0, "t2", "a", world.sessions["a"])
    answers = world.flush(CreateTasks([new_task("t1"), new_task("t2")], [placement, full]))[0]
    assert [answer.task.state for answer in answers] == [TaskState.LEASED, TaskState.PENDING]
    assert world.last is not None
    assert [(event.task_id, event.type.name) for event in world.last.events] == [
        ("t1", "TASK_CREATED"),
        ("t1", "TASK_LEASED"),
        ("t2", "TASK_CREATED"),
    ]
    assert [task.id for task in world.last.ready] == ["t2"]
    assert (world.task("t1").version, world.agent("a").leases) == (2, 1)


def test_a_request_id_that_nobody_remembers_is_found_by_the_database(pipeline: Pipeline) -> None:
    """S2 over a restart: the writer refuses the batch, and the flush is made again with the ids looked up."""
    world = pipeline.world
    world.submit("t1", request_id="r")
    world.flusher, world.writer = world.new_flusher("coordinator-1")
    with pytest.raises(RequestsKnown):
        world.writer.write(world.flusher.prepare([CreateTasks([new_task("t2", request_id="r")])]).batch)
    world.flusher.discard()
    same = world.submit("t3", request_id="r")
    other = world.submit("t4", request_id="r", digest="another body")
    assert same.task_id == "t1"  # type: ignore[union-attr]  # it is no error
    assert isinstance(other, AlreadyExists)
