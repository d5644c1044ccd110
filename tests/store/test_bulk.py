"""Changes of many tasks: each as its own call would change it, in both databases, and no other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from services.domain.commands import CreateTasks, GrantLeases, Placement, PlacementOutcome
from services.domain.event import EventType
from services.domain.task import TaskState
from services.domain.task_changes import Cancel, ChangeTasks, Move, Reprioritize, TaskChange
from services.domain.task_filter import TaskFilter
from services.store.bulk import read_bulk_page
from services.store.documents import read_documents
from tests.store.world import NAMESPACE, World, key, new_task

ALL = TaskFilter(namespace=NAMESPACE, kind="work")
FAR_AWAY = 4_000_000_000_000_000


def ask(change: TaskChange, *task_ids: str, filter_: TaskFilter = ALL, patch: bytes = b"") -> ChangeTasks:
    return ChangeTasks(filter_, task_ids, change, patch)


def make_every_state(world: World) -> None:
    """A task in each state that an API shows, named by it."""
    world.connect("a", slots=10)
    world.submit("scheduled", not_before_time=FAR_AWAY)
    for task_id in ("pending", "leased", "running", "succeeded", "cancelled"):
        world.submit(task_id)
    world.grant("leased", "a")
    world.run("a", "running")
    world.run("a", "succeeded")
    world.finish("a", "succeeded")
    world.cancel("cancelled")


EVERY = ("scheduled", "pending", "leased", "running", "succeeded", "cancelled")


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        (Cancel(), ["scheduled", "pending", "leased", "running"]),
        (Reprioritize(7), ["scheduled", "pending"]),
        (Move("other"), ["scheduled", "pending"]),
    ],
    ids=["cancel", "reprioritize", "move"],
)
def test_what_the_state_does_not_allow_is_left_alone(world: World, change: TaskChange, changed: Sequence[str]) -> None:
    make_every_state(world)
    versions = {task_id: world.task(task_id).version for task_id in EVERY}
    assert world.do(ask(change, *EVERY, "nothing")) == changed
    assert world.do(ask(change, *EVERY)) == []
    assert {task_id for task_id in EVERY if world.task(task_id).version != versions[task_id]} == set(changed)


def test_another_priority_and_another_queue_are_in_the_row_and_in_the_event(world: World) -> None:
    """S9."""
    world.submit("t", queue="old", priority=1)
    before = world.task("t")
    world.do(ask(Reprioritize(-5), "t"))
    world.do(ask(Move("new"), "t"))
    world.flusher.discard()
    after = world.task("t")
    assert (after.queue, after.priority, after.version) == ("new", -5, 3)
    assert (after.queued_time, after.wake_time, after.state) == (before.queued_time, before.wake_time, before.state)
    told = [(event.type, event.queue, event.data.priority) for event in world.events[-2:]]
    assert told == [(EventType.TASK_CHANGED, "old", -5), (EventType.TASK_CHANGED, "new", -5)]


def test_the_stored_spec_is_patched_byte_by_byte(world: World) -> None:
    """Zeros, too: a document is no text."""
    world.submit("t", document=b"\x00\xff\x00spec")
    world.flush(ask(Move("q1"), "t", patch=b"\x00\x01"), ask(Reprioritize(3), "t", patch=b"\xfe\x00"))
    world.do(ask(Move("q2"), "t", patch=b"|"))
    assert read_documents(world.connection, ["t"])["t"].document == b"\x00\xff\x00spec\x00\x01\xfe\x00|"


def test_a_task_that_is_not_meant_any_more_is_left_alone(world: World) -> None:
    """Between the look and the change it may have started."""
    world.connect("a")
    world.submit("t")
    pending = TaskFilter(namespace=NAMESPACE, states=frozenset({int(TaskState.PENDING)}))
    world.grant("t", "a")
    assert world.do(ask(Cancel(), "t", filter_=pending)) == []
    assert world.do(ask(Cancel(), "t", filter_=TaskFilter(namespace="another", kind="work"))) == []
    assert world.task("t").cancel_request_time == 0


def test_a_task_that_was_moved_is_judged_by_its_new_queue_in_the_same_flush(world: World) -> None:
    world.connect("a", queues=("old",))
    world.submit("t", queue="old")
    grant = GrantLeases([Placement(1, "t", "a", world.sessions["a"])], [key("a")])
    assert world.flush(ask(Move("new"), "t"), grant)[1] == [PlacementOutcome.INELIGIBLE]


def test_a_cancel_orders_the_holder(world: World) -> None:
    world.connect("a")
    world.submit("t")
    world.run("a", "t")
    world.do(ask(Cancel("enough"), "t"))
    assert world.last is not None
    assert [order.task_id for order in world.last.cancels] == ["t"]
    assert world.last.events[0].data.message == "enough"


def pages(world: World, limit: int, **fields: Any) -> list[list[str]]:
    found, after = [], ""
    while True:
        filter_ = TaskFilter(**{"namespace": NAMESPACE, **fields})
        page = read_bulk_page(world.connection, filter_, after=after, until="t7", limit=limit)
        found.append([task.id for task in page.tasks])
        if page.last is None:
            return found
        after = page.last


def test_tasks_are_found_oldest_first_up_to_a_bound(world: World) -> None:
    world.flush(CreateTasks([new_task(f"t{number}", queue=f"q{number % 2}") for number in range(9)]))
    assert pages(world, 3, queue="q0") == [["t0", "t2", "t4"], ["t6"]]
    assert pages(world, 4, states=frozenset({int(TaskState.PENDING)})) == [["t0", "t1", "t2", "t3"], ["t4", "t5", "t6"]]
    assert pages(world, 4, states=frozenset({int(TaskState.BLOCKED)})) == [[]]


def test_labels_are_asked_where_tasks_are_found(world: World) -> None:
    world.submit("t1", labels={"team": "red"})
    world.submit("t2", labels={"team": "blue"})
    assert pages(world, 10, labels={"team": "blue"}) == [["t2"]]
