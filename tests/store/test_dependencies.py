"""Tasks that wait for others, on a real database: what blocks them, and what becomes of them when those end."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import pytest

from services.domain.commands import CancelTask, CreateTasks, Forget, ReportKind, SettleDependents
from services.domain.dependencies import DependencyPolicy
from services.domain.errors import InvalidArgument
from services.domain.event import EventType
from services.domain.failure import Failure, FailureReason
from services.domain.retry import RetryPolicy
from services.domain.task import TaskState
from services.store import dependents
from services.store.dependencies import find_unsettled, read_open_dependencies
from services.store.queues import count_queue, list_queues
from services.store.retention import find_old_tasks
from services.store.task_index import TaskFilter
from services.store.tasks import get_task, list_tasks
from tests.store.world import NAMESPACE, World, new_task

SECOND = 1_000_000
ONCE = RetryPolicy(attempts_max=1)


def states(world: World, *task_ids: str) -> list[TaskState]:
    return [world.task(task_id).state for task_id in task_ids]


def succeed(world: World, task_id: str) -> None:
    world.run("a", task_id)
    assert world.finish("a", task_id) == []


def fail(world: World, task_id: str) -> None:
    world.run("a", task_id)
    assert world.finish("a", task_id, ReportKind.FAILED) == []


def failure_of(world: World, task_id: str) -> Failure | None:
    return get_task(world.connection, NAMESPACE, task_id)[0].failure


def last_event(world: World, task_id: str) -> Any:
    return [event for event in world.events if event.task_id == task_id][-1]


def test_a_task_is_blocked_until_the_last_one_that_it_depends_on_has_succeeded(world: World) -> None:
    world.connect("a")
    world.submit("d1")
    world.submit("d2")
    world.submit("t", depends_on=("d1", "d2"))
    assert (world.task("t").state, world.task("t").blockers) == (TaskState.BLOCKED, 2)
    assert last_event(world, "t").data.blockers == 2
    succeed(world, "d1")
    assert (world.task("t").state, world.task("t").blockers) == (TaskState.BLOCKED, 1)
    assert read_open_dependencies(world.connection, "t") == ["d2"]
    succeed(world, "d2")
    assert (world.task("t").state, world.task("t").blockers) == (TaskState.PENDING, 0)
    assert last_event(world, "t").type is EventType.TASK_UNBLOCKED
    assert world.last is not None
    assert [task.id for task in world.last.ready] == ["t"]
    assert world.last.requirements.keys() == {world.task("t").needs_id}


def test_what_has_succeeded_before_does_not_block(world: World) -> None:
    world.connect("a")
    world.submit("d")
    succeed(world, "d")
    world.submit("t", depends_on=("d",))
    assert states(world, "t") == [TaskState.PENDING]


def test_a_task_is_marked_once_when_another_begins_to_wait_for_it(world: World) -> None:
    world.submit("d")
    world.submit("t1", depends_on=("d",))
    world.submit("t2", depends_on=("d",))
    told = [event.type for event in world.events if event.task_id == "d"]
    assert told == [EventType.TASK_CREATED, EventType.TASK_CHANGED]


def test_a_task_that_is_known_to_have_dependents_is_made_with_the_mark(world: World) -> None:
    world.flush(CreateTasks([new_task("d", has_dependents=True), new_task("t", depends_on=("d",))]))
    assert world.task("d").has_dependents
    assert world.task("d").version == 1


def test_an_unknown_and_a_foreign_task_are_refused_in_the_same_words(world: World) -> None:
    world.submit("foreign", namespace="other")
    world.submit("known")
    answer = world.submit("t", depends_on=("known", "foreign", "missing"), request_id="r")
    assert isinstance(answer, InvalidArgument)
    assert [field for field, _ in answer.fields] == ["spec.depends_on[1]", "spec.depends_on[2]"]
    assert "there is no task foreign in namespace default" in answer.message
    assert answer.message.replace("foreign", "missing").count("there is no task missing in namespace default") == 2
    assert isinstance(world.submit("t", request_id="r"), type(world.submit("u"))), "the request id is free still"


def test_a_submit_that_was_accepted_is_not_refused_when_its_dependency_is_gone(world: World) -> None:
    """S2: the coordinator remembers neither."""
    world.connect("a")
    world.submit("d")
    succeed(world, "d")
    world.submit("t", depends_on=("d",), request_id="r")
    world.do(Forget(["d"], time.time_ns() // 1000 + SECOND, []))
    world.flusher.discard()
    answer = world.submit("again", depends_on=("d",), request_id="r")
    assert getattr(answer, "task_id", answer) == "t"


@pytest.mark.parametrize(
    ("policy", "state"),
    [
        (DependencyPolicy.UNSPECIFIED, TaskState.FAILED),
        (DependencyPolicy.FAIL, TaskState.FAILED),
        (DependencyPolicy.CANCEL, TaskState.CANCELLED),
        (DependencyPolicy.RUN, TaskState.PENDING),
    ],
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_the_policy_says_what_becomes_of_it_if_one_fails(
    world: World, policy: DependencyPolicy, state: TaskState, when: str
) -> None:
    world.connect("a")
    world.submit("d", retry=ONCE)
    if when == "before":
        fail(world, "d")
    world.submit("t", depends_on=("d",), dependency_policy=policy)
    if when == "after":
        fail(world, "d")
    assert states(world, "t") == [state]
    if state is not TaskState.PENDING:
        assert failure_of(world, "t") == Failure(FailureReason.DEPENDENCY, "task d, which it depends on, is FAILED")
        assert last_event(world, "t").data.failure == failure_of(world, "t")


def test_a_task_that_will_be_tried_again_blocks_still(world: World) -> None:
    world.connect("a")
    world.submit("d")
    world.submit("t", depends_on=("d",))
    fail(world, "d")
    assert states(world, "d", "t") == [TaskState.SCHEDULED, TaskState.BLOCKED]


def test_the_first_failure_ends_it_although_others_have_not_ended(world: World) -> None:
    world.connect("a")
    world.submit("d1", retry=ONCE)
    world.submit("d2")
    world.submit("t", depends_on=("d1", "d2"))
    fail(world, "d1")
    assert states(world, "t") == [TaskState.FAILED]
    assert read_open_dependencies(world.connection, "t") == []
    succeed(world, "d2")


@pytest.mark.parametrize("how", ["cancel", "expire", "dead letter"])
def test_whoever_ends_it_moves_its_dependents_on(world: World, how: str) -> None:
    world.connect("a")
    world.submit("d", queue_limit_micros=1 if how == "expire" else 0, retry=RetryPolicy(redeliveries_max=0))
    world.submit("t", depends_on=("d",))
    if how == "cancel":
        world.cancel("d")
    elif how == "expire":
        world.wake("d")
    else:
        world.run("a", "d")
        world.lose("a", "d")
    assert world.task("d").terminal
    assert states(world, "t") == [TaskState.FAILED]


def test_a_failure_goes_through_a_chain_and_a_diamond(world: World) -> None:
    world.connect("a")
    world.submit("top", retry=ONCE)
    world.submit("left", depends_on=("top",))
    world.submit("right", depends_on=("top",), dependency_policy=DependencyPolicy.CANCEL)
    world.submit("bottom", depends_on=("left", "right"))
    world.submit("anyway", depends_on=("bottom",), dependency_policy=DependencyPolicy.RUN)
    fail(world, "top")
    assert states(world, "left", "right", "bottom", "anyway") == [
        TaskState.FAILED,
        TaskState.CANCELLED,
        TaskState.FAILED,
        TaskState.PENDING,
    ]


def test_commands_of_a_flush_see_what_the_ones_before_have_unblocked(world: World) -> None:
    world.submit("d")
    world.submit("t", depends_on=("d",), dependency_policy=DependencyPolicy.RUN)
    world.flush(CancelTask(NAMESPACE, "d"), CancelTask(NAMESPACE, "t"))
    assert [event.data.to_state for event in world.events if event.task_id == "t"] == [
        TaskState.BLOCKED,
        TaskState.PENDING,
        TaskState.CANCELLED,
    ]


def test_the_time_in_the_queue_counts_from_the_last_blocker_s_end(world: World) -> None:
    world.connect("a")
    world.submit("d")
    world.submit("t", depends_on=("d",), queue_limit_micros=60 * SECOND)
    assert (world.task("t").queued_time, world.task("t").wake_time) == (0, 0)
    succeed(world, "d")
    task = world.task("t")
    assert task.queued_time == world.task("d").end_time
    assert task.wake_time == task.queued_time + 60 * SECOND


def test_with_a_time_to_come_it_is_scheduled_then(world: World) -> None:
    world.connect("a")
    later = time.time_ns() // 1000 + 3600 * SECOND
    world.submit("d")
    world.submit("t", depends_on=("d",), not_before_time=later)
    succeed(world, "d")
    assert (world.task("t").state, world.task("t").wake_time) == (TaskState.SCHEDULED, later)


def test_a_time_that_comes_while_it_is_blocked_leaves_it_blocked(world: World) -> None:
    world.connect("a")
    world.submit("d")
    world.submit("t", depends_on=("d",), not_before_time=time.time_ns() // 1000 + 50_000)
    while world.task("t").wake_time:
        world.wake("t")
    assert states(world, "t") == [TaskState.BLOCKED]
    succeed(world, "d")
    assert states(world, "t") == [TaskState.PENDING]


def test_a_blocked_task_is_cancelled_at_once_and_waits_for_nothing_more(world: World) -> None:
    world.connect("a")
    world.submit("d")
    world.submit("t", depends_on=("d",))
    assert world.cancel("t").state is TaskState.CANCELLED
    assert world.task("t").blockers == 0
    succeed(world, "d")
    assert states(world, "t") == [TaskState.CANCELLED]


def test_what_ends_in_the_flush_that_makes_it_wait_unblocks_it(world: World) -> None:
    world.submit("d")
    run = DependencyPolicy.RUN
    world.flush(
        CreateTasks([new_task("t", depends_on=("d",), dependency_policy=run)]),
        CancelTask(NAMESPACE, "d"),
    )
    assert states(world, "t") == [TaskState.PENDING]


def test_a_wide_fan_is_moved_on_in_several_flushes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dependents, "DEPENDENTS_MAX", 30)
    world.connect("a")
    world.submit("d")
    names = [f"t{number:03}" for number in range(100)]
    world.flush(CreateTasks([new_task(name, depends_on=("d",)) for name in names]))
    succeed(world, "d")
    pending = [states(world, *names).count(TaskState.PENDING)]
    while world.last is not None and world.last.unsettled:
        assert find_unsettled(world.connection, after="", limit=10).task_ids == ["d"]
        assert not find_old_tasks(world.connection, ended_before=2**62, after="", limit=10).ids
        world.do(SettleDependents(world.last.unsettled))
        pending.append(states(world, *names).count(TaskState.PENDING))
    assert pending == [30, 60, 90, 100]
    assert find_unsettled(world.connection, after="", limit=10).task_ids == []


def test_a_long_chain_of_failures_goes_on_in_several_flushes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dependents, "DEPENDENCY_ROUNDS_MAX", 4)
    world.connect("a")
    world.submit("t00", retry=ONCE)
    names = [f"t{number:02}" for number in range(20)]
    for before, name in pairwise(names):
        world.submit(name, depends_on=(before,))
    fail(world, "t00")
    failed = [states(world, *names).count(TaskState.FAILED)]
    while world.last is not None and world.last.unsettled:
        world.do(SettleDependents(world.last.unsettled))
        failed.append(states(world, *names).count(TaskState.FAILED))
    assert failed == [5, 9, 13, 17, 20]


def test_what_is_left_is_found_a_part_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dependents, "DEPENDENTS_MAX", 0)
    for number in range(5):
        world.submit(f"d{number}")
        world.flush(CreateTasks([new_task(f"t{number}{n}", depends_on=(f"d{number}",)) for n in range(3)]))
    for number in (1, 3, 4):
        world.cancel(f"d{number}")
    found, after = [], ""
    while (part := find_unsettled(world.connection, after=after, limit=2)).after:
        found.append(part.task_ids)
        after = part.after
    assert [*found, part.task_ids] == [["d1"], ["d3"], ["d4"]]
    monkeypatch.undo()
    world.do(SettleDependents(["d1", "d3", "d4"]))


def test_a_task_that_has_not_ended_has_nothing_to_settle(world: World) -> None:
    world.submit("d")
    world.submit("t", depends_on=("d",))
    world.do(SettleDependents(["d", "missing"]))
    assert states(world, "t") == [TaskState.BLOCKED]


def test_blocked_tasks_are_listed_and_counted(world: World) -> None:
    world.submit("d")
    world.submit("t", depends_on=("d",), queue="q")
    filter_ = TaskFilter(namespace=NAMESPACE, states=frozenset({int(TaskState.BLOCKED)}))
    assert [stored.row.id for stored in list_tasks(world.connection, filter_, before="", limit=10).tasks] == ["t"]
    assert count_queue(world.connection, (NAMESPACE, "q")).blocked == 1
    assert [queue.name for queue in list_queues(world.connection, NAMESPACE, after="", limit=10).queues] == [
        "default",
        "q",
    ]
