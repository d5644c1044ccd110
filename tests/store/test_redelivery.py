"""Whom a task avoids: who lost or rejected it, for a moment; who failed it, as long as there are others."""

from __future__ import annotations

from services.domain.commands import PlacementOutcome, ReportKind
from services.domain.limits import AVOID_FAILED_MICROS, AVOIDED_AGENTS_MAX
from services.domain.retry import RetryPolicy
from services.domain.task import TaskState
from tests.store.world import World

RETRY = RetryPolicy(attempts_max=20, initial_backoff_seconds=0.0)


def avoided(world: World) -> list[tuple[str, bool]]:
    return [(each.agent_id, each.if_others) for each in world.task("t").avoid]


def fail(world: World, agent_id: str) -> None:
    world.run(agent_id, "t")
    world.finish(agent_id, "t", ReportKind.FAILED)


def test_an_agent_that_failed_a_task_is_avoided_for_the_retry_if_there_are_others(world: World) -> None:
    world.connect("a")
    world.submit("t", retry=RETRY)
    fail(world, "a")
    (entry,) = world.task("t").avoid
    assert (entry.agent_id, entry.if_others) == ("a", True)
    assert entry.until_time == world.task("t").wake_time + AVOID_FAILED_MICROS


def test_who_is_avoided_is_still_known_when_the_retry_is_ready_and_told_with_it(world: World) -> None:
    world.connect("a")
    world.submit("t", retry=RETRY)
    fail(world, "a")
    world.wake("t")
    assert world.task("t").state is TaskState.PENDING
    assert avoided(world) == [("a", True)]
    assert world.last is not None
    assert [each.agent_id for task in world.last.ready for each in task.avoid] == ["a"]


def test_the_grant_leaves_it_to_the_scheduler_whether_there_are_others(world: World) -> None:
    world.connect("a")
    world.submit("t", retry=RETRY)
    fail(world, "a")
    world.wake("t")
    assert world.grant("t", "a") is PlacementOutcome.GRANTED


def test_losing_a_task_does_not_undo_that_it_was_failed(world: World) -> None:
    world.connect("a")
    world.submit("t", retry=RETRY)
    fail(world, "a")
    world.wake("t")
    world.run("a", "t")
    world.lose("a", "t")
    assert avoided(world) == [("a", False), ("a", True)]
    assert world.grant("t", "a") is PlacementOutcome.INELIGIBLE


def test_an_agent_that_fails_a_task_again_stands_there_once_and_first(world: World) -> None:
    world.connect("a")
    world.connect("b")
    world.submit("t", retry=RETRY)
    for agent_id in ("a", "b", "a"):
        fail(world, agent_id)
        world.wake("t")
    assert avoided(world) == [("a", True), ("b", True)]


def test_only_so_many_are_remembered_the_newest_first(world: World) -> None:
    world.submit("t", retry=RETRY)
    agents = [f"a{number}" for number in range(AVOIDED_AGENTS_MAX + 2)]
    for agent_id in agents:
        world.connect(agent_id)
        fail(world, agent_id)
        world.wake("t")
    assert avoided(world) == [(agent_id, True) for agent_id in reversed(agents[2:])]


def test_the_last_failure_leaves_nothing_to_avoid_for(world: World) -> None:
    world.connect("a")
    world.submit("t", retry=RetryPolicy(attempts_max=1))
    fail(world, "a")
    assert world.task("t").state is TaskState.FAILED
    assert avoided(world) == []


def test_a_lease_that_is_recalled_comes_back_with_its_queued_time_and_burns_nothing(world: World) -> None:
    """The agent answers a recall with `returned`."""
    world.connect("a")
    world.submit("t", queue_limit_micros=60_000_000)
    before = world.task("t")
    world.grant("t", "a")
    world.finish("a", "t", ReportKind.RETURNED, message="recalled")
    after = world.task("t")
    assert after.state is TaskState.PENDING
    assert (after.queued_time, after.wake_time) == (before.queued_time, before.wake_time)
    assert (after.failures, after.redeliveries, after.avoid) == (0, 0, ())
    assert world.grant("t", "a") is PlacementOutcome.GRANTED
