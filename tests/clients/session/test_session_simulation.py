"""The session against a coordinator's model, over a network that breaks after any message: many seeds, no real time."""

from __future__ import annotations

import pytest

from tests.clients.session.session_world import World


@pytest.mark.parametrize("seed", range(40))
def test_whatever_breaks_each_task_ends_once_and_nothing_is_left_to_say(seed: int) -> None:
    print(f"seed {seed}")
    world = World(seed, tasks=60)

    world.run(until=120.0)
    world.chaos = False
    world.run(until=300.0)

    assert not world.unfinished
    assert all(len(task.accepted) == 1 for task in world.tasks.values())
    assert len(world.session.reports) == 0
    assert world.session.idle
    assert world.session.connected


@pytest.mark.parametrize("seed", range(10))
def test_an_agent_that_leaves_in_the_middle_returns_what_it_has_and_says_goodbye(seed: int) -> None:
    print(f"seed {seed}")
    world = World(seed, tasks=60)
    world.run(until=7.0)

    world.chaos = False
    world.session.leave(world.now, drain_seconds=1.0, leave_seconds=20.0)
    world.later(0.0, world._turn)
    world.run(until=60.0)

    assert world.left
    assert not world.running
    # One that reached no coordinator in all that time has nobody to tell.
    assert world.session.idle or not world.session.connected


@pytest.mark.parametrize("seed", range(40))
def test_work_that_goes_on_when_it_is_told_to_stop_costs_its_slot_and_nothing_else(seed: int) -> None:
    print(f"seed {seed}")
    world = World(seed, tasks=60, stubborn=0.7)

    world.run(until=120.0)
    world.chaos = False
    world.run(until=300.0)

    assert not world.unfinished
    assert all(len(task.accepted) == 1 for task in world.tasks.values())
    assert world.session.idle
    assert world.session.connected
    assert world.offered == (4, False)
