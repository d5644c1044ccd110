"""The real scheduler, simulated for a few seconds, agrees with theory. `make routing-study` is the long form."""

from __future__ import annotations

import pytest

from benchmarks.routing_study.cell import Cell, exactly
from benchmarks.routing_study.fleet import FleetPlan
from benchmarks.routing_study.lanes import Pool, cells
from benchmarks.routing_study.reference import dispatch, in_turn
from benchmarks.routing_study.simulation import Workload, simulate
from benchmarks.routing_study.spread import ROOM, Scene, Spread, spread_cell
from benchmarks.routing_study.workload import poisson
from services.domain.policy import QueuePolicy, Strategy


def shortened(cell: Cell, tasks: int) -> Cell:
    return cell._replace(tasks=tasks, skip=tasks // 5)


@pytest.mark.parametrize("spread", [Spread.CENTRAL, Spread.SHORTEST, Spread.TWO, Spread.ROUND_ROBIN])
def test_a_strategy_takes_the_time_that_theory_says(spread: Spread) -> None:
    cell = shortened(spread_cell(Scene(100, 0.7), spread, tasks=1), 10_000)
    assert cell.expected
    assert not list(cell.disagreements(cell.run()))


@pytest.mark.parametrize("reserved", [0, 3])
def test_a_reserved_pool_shortens_the_wait_as_theory_says(reserved: int) -> None:
    (cell,) = (cell for cell in cells() if cell.name == Pool(reserved).name)
    cell = shortened(cell, 1_500)
    assert cell.expected
    assert not list(cell.disagreements(cell.run()))


def test_what_does_not_agree_is_found() -> None:
    cell = shortened(spread_cell(Scene(100, 0.7), Spread.TWO, tasks=1), 4_000)
    wrong = cell._replace(expected={"time": exactly(3.33, "the wrong formula")})
    (line,) = wrong.disagreements(wrong.run())
    assert "3.33 by the wrong formula" in line


def test_round_robin_gives_each_task_the_time_that_a_dispatcher_of_two_lines_gives_it() -> None:
    policy = QueuePolicy(strategy=Strategy.ROUND_ROBIN)
    workload = Workload(poisson(8.0, 4))
    observed = simulate(FleetPlan(10, queue_limit=ROOM), policy, workload, skip=0, tasks=5_000)
    times, waits = dispatch(poisson(8.0, 4), agents=10, choose=in_turn(), skip=0, tasks=5_000)
    assert list(observed.times) == pytest.approx(list(times), abs=1e-6)
    assert list(observed.waits) == pytest.approx(list(waits), abs=1e-6)


def test_slots_are_as_busy_as_the_load() -> None:
    policy = QueuePolicy(strategy=Strategy.ROUND_ROBIN)
    observed = simulate(FleetPlan(10, queue_limit=ROOM), policy, Workload(poisson(5.0, 3)), skip=1_000, tasks=10_000)
    assert observed.busy / 10 == pytest.approx(0.5, rel=0.03)
    assert all(time > wait for time, wait in zip(observed.times, observed.waits, strict=True))


def test_the_same_seed_gives_the_same_bit_by_bit() -> None:
    cell = shortened(spread_cell(Scene(20, 0.8), Spread.TWO, tasks=1), 1_000)
    assert cell.run() == cell.run()
