"""A submit that is leased in the same breath: one command, one commit, and no promise less."""

from __future__ import annotations

import pytest

from services.domain.commands import AgentAction, ChangeAgent, ChangeQueue, Created, CreateTasks, NewTask, Placement
from services.domain.errors import AlreadyExists
from services.domain.event import EventType
from services.domain.requirements import Requirements
from services.domain.task import Task, TaskState
from services.store.writer import RequestsKnown
from tests.store.world import NAMESPACE, World, key, new_task


def submit(world: World, new: NewTask, agent_id: str = "a", *, session: int = 0) -> Created:
    placement = Placement(0, new.id, agent_id, session or world.sessions[agent_id])
    (answer,) = world.do(CreateTasks([new], [placement]))
    assert isinstance(answer, Created)
    return answer


def ready(world: World) -> list[Task]:
    assert world.last is not None
    return world.last.ready


def test_a_task_is_made_and_leased_in_one_commit_with_an_event_for_each(world: World) -> None:
    world.connect("a")
    answer = submit(world, new_task("t"))
    assert answer.task == world.task("t")
    assert world.task("t").state is TaskState.LEASED
    assert (world.task("t").version, world.task("t").token) == (2, 1)
    made, leased = [event for event in world.events if event.task_id]
    assert (made.type, made.data.version, made.agent_id) == (EventType.TASK_CREATED, 1, "")
    assert (leased.type, leased.data.version, leased.agent_id) == (EventType.TASK_LEASED, 2, "a")
    assert world.agent("a").leases == 1


def test_it_is_told_as_granted_and_not_as_ready(world: World) -> None:
    world.connect("a")
    submit(world, new_task("t"))
    assert world.last is not None
    assert [(granted.task.id, granted.session) for granted in world.last.granted] == [("t", world.sessions["a"])]
    assert ready(world) == []


def test_its_row_reads_from_disk_as_it_was_made(world: World) -> None:
    world.connect("a")
    task = submit(world, new_task("t", request_id="r", affinity_key="k", priority=3)).task
    world.flusher.discard()
    assert world.task("t") == task


@pytest.mark.parametrize("why", ["full", "gone", "moved", "draining", "ineligible", "paused"])
def test_a_placement_that_does_not_hold_leaves_the_task_pending_and_ready(world: World, why: str) -> None:
    world.connect("a", slots=1)
    session = world.sessions["a"]
    fields = {"requirements": Requirements(capabilities=("gpu",))} if why == "ineligible" else {}
    if why == "full":
        submit(world, new_task("first"))
    elif why == "gone":
        world.leave("a")
    elif why == "moved":
        world.connect("a", again=True, slots=1)
    elif why == "draining":
        world.do(ChangeAgent(key("a"), AgentAction.DRAIN))
    elif why == "paused":
        world.do(ChangeQueue((NAMESPACE, "default"), paused=True))
    answer = submit(world, new_task("t", **fields), session=session)
    assert answer.task is not None
    assert (answer.task.state, answer.task.version) == (TaskState.PENDING, 1)
    assert [task.id for task in ready(world)] == ["t"]


def test_of_one_command_as_many_are_leased_as_there_is_room_for(world: World) -> None:
    world.connect("a", slots=2)
    tasks = [new_task(f"t{number}") for number in range(4)]
    placements = [Placement(0, task.id, "a", world.sessions["a"]) for task in tasks]
    world.do(CreateTasks(tasks, [placements[0], None, *placements[2:]]))
    states = [world.task(task.id).state for task in tasks]
    assert states == [TaskState.LEASED, TaskState.PENDING, TaskState.LEASED, TaskState.PENDING]


def test_a_repeated_request_id_is_not_leased_again(world: World) -> None:
    world.connect("a")
    submit(world, new_task("t", request_id="r"))
    assert submit(world, new_task("again", request_id="r")).deduplicated
    assert world.agent("a").leases == 1


def test_a_task_whose_time_is_to_come_is_not_leased(world: World) -> None:
    world.connect("a")
    answer = submit(world, new_task("t", not_before_time=2**60))
    assert answer.task is not None
    assert answer.task.state is TaskState.SCHEDULED
    assert ready(world) == []


def test_an_agent_is_only_ever_one_of_the_task_s_own_namespace(world: World) -> None:
    world.connect("a")
    answer = submit(world, new_task("t", namespace="other"))
    assert answer.task is not None
    assert answer.task.state is TaskState.PENDING
    assert world.agent("a").key == key("a")
    assert world.agent("a").leases == 0


def test_a_request_id_that_nobody_remembers_is_found_by_the_database(world: World) -> None:
    """S2 over a restart: the writer refuses the batch, and the flush is made again with the ids looked up."""
    world.submit("t1", request_id="r")
    world.flusher, world.writer = world.new_flusher("coordinator-1")
    with pytest.raises(RequestsKnown):
        world.writer.write(world.flusher.prepare([CreateTasks([new_task("t2", request_id="r")])]).batch)
    world.flusher.discard()
    same = world.submit("t3", request_id="r")
    other = world.submit("t4", request_id="r", digest="another body")
    assert isinstance(same, Created)
    assert (same.task_id, same.deduplicated) == ("t1", True)
    assert isinstance(other, AlreadyExists)
