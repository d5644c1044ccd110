"""The numbers of the demo's table."""

from __future__ import annotations

import pytest

from demo.report import percentile


@pytest.mark.parametrize(("percent", "expected"), [(50, 50), (95, 95), (99, 99), (100, 100)])
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(percent: float, expected: float) -> None:
    assert percentile(list(range(100, 0, -1)), percent) == expected


def test_of_one_value_every_percentile_is_that_value_and_of_none_it_is_zero() -> None:
    assert percentile([7.0], 99) == 7.0
    assert percentile([], 50) == 0.0
