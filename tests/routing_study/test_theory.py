"""The formulas, against values that were published, against each other, and against a simulation of a few lines."""

from __future__ import annotations

import math

import pytest

from benchmarks.routing_study import reference, theory
from benchmarks.routing_study.cell import exactly
from benchmarks.routing_study.estimate import STUDENT_T_95, STUDENT_T_999, batch_means, quantile
from benchmarks.routing_study.workload import BoundedPareto, Zipf, poisson


@pytest.mark.parametrize(
    ("load", "time"), [(0.5, 1.2657), (0.7, 1.6145), (0.8, 1.9474), (0.9, 2.6141), (0.95, 3.3830), (0.99, 5.4320)]
)
def test_the_supermarket_model_gives_the_published_times(load: float, time: float) -> None:
    # Mitzenmacher, The Power of Two Choices in Randomized Load Balancing, table 1.
    assert theory.supermarket_time(load) == pytest.approx(time, abs=1e-4)


def test_one_choice_of_the_supermarket_model_is_a_random_server() -> None:
    assert theory.supermarket_time(0.8, choices=1) == pytest.approx(theory.random_time(0.8))


def test_erlang_c_is_its_textbook_sum() -> None:
    servers, load = 7, 0.75
    offered = servers * load
    last = offered**servers / math.factorial(servers) / (1 - load)
    total = sum(offered**count / math.factorial(count) for count in range(servers)) + last
    assert theory.erlang_c(servers, load) == pytest.approx(last / total)


def test_with_one_server_every_strategy_is_the_same() -> None:
    assert 1 + theory.central_queue_wait(1, 0.8) == pytest.approx(5.0)
    assert theory.round_robin_time(1, 0.8) == pytest.approx(5.0)
    assert theory.random_time_general(0.8, second_moment=2.0) == pytest.approx(5.0)
    assert 1 + theory.central_queue_wait_general(1, 0.8, second_moment=2.0) == pytest.approx(5.0)


def test_without_a_pool_urgent_tasks_wait_for_the_next_of_all_slots() -> None:
    wait = theory.reserved_wait(10, reserved=0, arrivals=2.0)
    assert (wait.probability, wait.mean) == (1.0, 1 / 8)
    assert wait.quantile(0.99) == pytest.approx(math.log(100) / 8)


def test_with_all_agents_reserved_urgent_tasks_have_a_central_queue() -> None:
    wait = theory.reserved_wait(10, reserved=10, arrivals=8.0)
    assert wait.mean == pytest.approx(theory.central_queue_wait(10, 0.8))


def test_a_cache_for_all_keys_misses_nothing_in_the_long_run() -> None:
    uniform = [0.01] * 100
    assert theory.least_recently_used_hits(uniform, 50) == pytest.approx(0.5)
    assert theory.least_recently_used_hits(Zipf(100, 0.9).probabilities, 99) > 0.9


def test_heavy_tails_have_the_moments_that_are_said_of_them() -> None:
    heavy = BoundedPareto(1.5, 1_000.0)
    steps = 200_000
    values = [heavy.at((step + 0.5) / steps) for step in range(steps)]
    assert math.fsum(values) / steps == pytest.approx(1.0, rel=1e-3)
    assert math.fsum(value * value for value in values) / steps == pytest.approx(heavy.second_moment, rel=1e-2)
    assert max(values) / min(values) == pytest.approx(1_000.0, rel=0.05)


def test_students_quantiles_belong_to_nineteen_degrees_of_freedom() -> None:
    def density(place: float) -> float:
        return math.gamma(10) / (math.sqrt(19 * math.pi) * math.gamma(9.5)) * (1 + place * place / 19) ** -10

    def mass(limit: float, steps: int = 20_000) -> float:
        width = 2 * limit / steps
        return width * math.fsum(density(-limit + (step + 0.5) * width) for step in range(steps))

    assert mass(STUDENT_T_95) == pytest.approx(0.95, abs=1e-6)
    assert mass(STUDENT_T_999) == pytest.approx(0.999, abs=1e-6)


def test_a_quantile_stands_between_two_values() -> None:
    assert quantile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.5
    assert quantile([1.0, 2.0], 0.99) == 2.0


@pytest.mark.parametrize(
    ("choose", "expected"),
    [
        (reference.at_random(1), theory.random_time(0.7)),
        (reference.in_turn(), theory.round_robin_time(50, 0.7)),
        (reference.shorter_of_two(1), theory.supermarket_time(0.7)),
    ],
)
def test_dispatchers_of_a_few_lines_do_what_theory_says(choose: reference.Choose, expected: float) -> None:
    times, _ = reference.dispatch(poisson(35.0, 2), agents=50, choose=choose, skip=10_000, tasks=60_000)
    assert exactly(expected, "theory").agrees(batch_means(times))
