"""What the checker finds in a database broken by hand. That it finds nothing else, every store test shows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.domain.agent import DrainMode
from services.domain.commands import AgentAction, ChangeAgent, ChangeQueue, PlacementOutcome
from services.domain.policy import QueuePolicy
from services.domain.requirements import Requirements
from services.store.check import check
from tests.store.world import NAMESPACE, World, key

QUEUE = (NAMESPACE, "slow")


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    """Unlike the other tests' one it may end broken."""
    made = World(database_url)
    yield made
    made.close()


def broken(world: World, statement: str) -> list[tuple[str, str]]:
    """What the checker says after this statement, of a database that was whole before: check and subject."""
    assert check(world.connection) == []
    with world.engine.connect() as connection:
        assert connection.exec_driver_sql(statement).rowcount == 1
    return [(finding.check, finding.message.split(":")[0]) for finding in check(world.connection)]


def lease_with_gpu(world: World) -> None:
    """Agent a holds one lease that demands a gpu and some memory."""
    world.connect("a", resources={"gpu": 2.0, "memory": 64e9})
    world.submit("t", requirements=Requirements(resources={"gpu": 1.0, "memory": 1e9 / 3}))
    assert world.grant("t", "a") is PlacementOutcome.GRANTED


@pytest.mark.parametrize(
    "used", ['{"gpu": 2.0, "memory": 333333333.333333333}', '{"memory": 333333333.333333333}', "{}"]
)
def test_resources_in_use_that_are_not_those_of_the_leases_are_found(world: World, used: str) -> None:
    """S13."""
    lease_with_gpu(world)

    assert broken(world, f"UPDATE agents SET resources_used = '{used}'") == [("resources", "agent a")]


def test_resources_that_stay_in_use_after_the_last_lease_are_found(world: World) -> None:
    """S13."""
    lease_with_gpu(world)
    world.start("a", "t")
    world.finish("a", "t")

    assert broken(world, """UPDATE agents SET resources_used = '{"gpu": 1.0}'""") == [("resources", "agent a")]


def test_thirds_of_a_resource_add_up(world: World) -> None:
    world.connect("a", slots=3, resources={"gpu": 1.0})
    for task_id in ("t1", "t2", "t3"):
        world.submit(task_id, requirements=Requirements(resources={"gpu": 1 / 3}))
        assert world.grant(task_id, "a") is PlacementOutcome.GRANTED

    assert check(world.connection) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE agents SET state = 4",
        "UPDATE agents SET session = 3",
        "DELETE FROM agents",
        "UPDATE agents SET cordoned = NOT cordoned",
    ],
)
def test_an_agent_that_is_not_what_its_events_add_up_to_is_found(world: World, statement: str) -> None:
    """S9."""
    world.connect("a")
    world.connect("a", again=True)

    assert broken(world, statement) == [("fold", "agent a")]


def test_a_cordon_that_is_lost_is_found(world: World) -> None:
    """S9."""
    world.connect("a")
    world.do(ChangeAgent(key("a"), AgentAction.CORDON))

    assert broken(world, "UPDATE agents SET cordoned = NOT cordoned") == [("fold", "agent a")]


def test_a_drain_may_cordon_or_not_until_a_cordon_is_told(world: World) -> None:
    """It did in earlier versions."""
    admission = world.connect("a")
    world.do(ChangeAgent(key("a"), AgentAction.NOTICE, session=admission.session))
    assert check(world.connection) == []
    world.do(ChangeAgent(key("a"), AgentAction.DRAIN, drain_mode=DrainMode.FINISH))
    assert check(world.connection) == []
    world.do(ChangeAgent(key("a"), AgentAction.CORDON))
    world.do(ChangeAgent(key("a"), AgentAction.UNCORDON))

    assert broken(world, "UPDATE agents SET cordoned = NOT cordoned") == [("fold", "agent a")]


@pytest.mark.parametrize("statement", ["UPDATE agents SET drain_mode = 0", "UPDATE agents SET leases = 1"])
def test_a_drain_that_is_not_as_done_as_was_told_is_found(world: World, statement: str) -> None:
    """S9."""
    world.connect("a")
    world.do(ChangeAgent(key("a"), AgentAction.DRAIN, drain_mode=DrainMode.FINISH))
    assert ("fold", "agent a") in broken(world, statement)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE queues SET paused = NOT paused", "UPDATE queues SET version = version + 1", "DELETE FROM queues"],
)
def test_a_queue_that_is_not_what_its_events_add_up_to_is_found(world: World, statement: str) -> None:
    """S9."""
    world.do(ChangeQueue(QUEUE, paused=True))
    world.do(ChangeQueue(QUEUE, policy=QueuePolicy(run_limit_micros=5)))

    assert broken(world, statement) == [("fold", "queue slow")]


def test_a_queue_that_was_resumed_is_what_its_events_add_up_to(world: World) -> None:
    world.do(ChangeQueue(QUEUE, paused=True))
    world.do(ChangeQueue(QUEUE, paused=False))

    assert check(world.connection) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE tasks SET blockers = 2 WHERE id = 't'",
        "DELETE FROM dependencies",
        "INSERT INTO dependencies (depends_on, task_id) VALUES ('d', 'other')",
    ],
)
def test_a_task_that_waits_for_more_or_less_than_it_says_is_found(world: World, statement: str) -> None:
    """D1."""
    world.submit("other")
    world.submit("d")
    world.submit("t", depends_on=("d",))

    found = broken(world, statement)

    assert ("blockers", "task other" if "other" in statement else "task t") in found


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM tasks WHERE id = 'd'",
        "UPDATE tasks SET state = 7, end_time = 1 WHERE id = 'd'",
        "UPDATE tasks SET has_dependents = false WHERE id = 'd'",
    ],
)
def test_a_task_that_would_wait_for_ever_is_found(world: World, statement: str) -> None:
    """D1."""
    world.submit("d")
    world.submit("t", depends_on=("d",))

    assert "blockers" in [check for check, _ in broken(world, statement)]
