"""The order in which the tasks of one batch are made."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from services.domain.batch_order import circle_of, order_of


def test_what_others_depend_on_comes_first_and_the_rest_stays_as_it_was() -> None:
    assert order_of(5, {0: [3], 3: [4]}) == ([1, 2, 4, 3, 0], set())


def test_a_task_that_is_named_twice_counts_once() -> None:
    assert order_of(2, {0: [1, 1]}) == ([1, 0], set())


def test_circles_and_what_waits_for_them_are_stuck_and_nothing_else() -> None:
    references = {0: [1], 1: [2], 2: [1], 3: [4], 5: [5]}
    order, stuck = order_of(6, references)
    assert (order, stuck) == ([4, 3], {0, 1, 2, 5})
    assert circle_of(0, references, stuck) == [1, 2, 1]
    assert circle_of(5, references, stuck) == [5, 5]


@pytest.mark.parametrize("seed", range(50))
def test_every_order_keeps_to_the_references(seed: int) -> None:
    chance = Random(seed)
    count = 20
    references = {index: chance.sample(range(count), chance.choice([0, 0, 1, 2])) for index in range(count)}
    order, stuck = order_of(count, references)
    assert sorted([*order, *stuck]) == list(range(count))
    for place, index in enumerate(order):
        assert set(references[index]) <= set(order[:place])
    for index in stuck:
        circle = circle_of(index, references, stuck)
        assert circle[0] == circle[-1]
        assert all(after in references[before] for before, after in pairwise(circle))
