"""Means with confidence intervals from one long run, by batch means.

The values stand in the order of arrival, with the warm-up cut off. They are correlated, for a task waits because the
ones before it do; the means of long batches of them hardly are, and are treated as independent and normal. Whether the
batches are long enough is shown by the correlation of each batch's mean with the next one's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import msgspec

BATCHES = 20
# Student's t with BATCHES - 1 degrees of freedom: 95 %, and 99.9 %, lie between minus this and this.
STUDENT_T_95, STUDENT_T_999 = 2.093024, 3.883406


class Estimate(msgspec.Struct, frozen=True):
    """A mean, half the width of its 95 % confidence interval, and the correlation of neighbouring batches."""

    mean: float
    half_width: float
    correlation: float = 0.0

    @property
    def half_width_999(self) -> float:
        """Half the width of the 99.9 % confidence interval."""
        return self.half_width * STUDENT_T_999 / STUDENT_T_95

    def __str__(self) -> str:
        return f"{self.mean:.4g} ± {self.half_width:.2g}"


def batch_means(values: Sequence[float]) -> Estimate:
    """Estimate the mean. A few values are left out at the end if they do not fill the batches evenly."""
    return of_batches([math.fsum(batch) / len(batch) for batch in batches(values)])


def batch_quantiles(values: Sequence[float], part: float) -> Estimate:
    """Estimate the value that this part of all does not exceed, from each batch's own."""
    return of_batches([quantile(batch, part) for batch in batches(values)])


def quantile(values: Sequence[float], part: float) -> float:
    """Return the value at place part · (n + 1) of n in order, between two of them in proportion."""
    ordered = sorted(values)
    place = min(max(part * (len(ordered) + 1) - 1, 0.0), len(ordered) - 1.0)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def batches(values: Sequence[float]) -> list[Sequence[float]]:
    """Cut into BATCHES parts of the same length."""
    length = len(values) // BATCHES
    assert length, "a batch needs a value"
    return [values[number * length : (number + 1) * length] for number in range(BATCHES)]


def of_batches(means: Sequence[float]) -> Estimate:
    """Estimate from what BATCHES batches gave."""
    mean = math.fsum(means) / len(means)
    deviations = [value - mean for value in means]
    squares = math.fsum(deviation * deviation for deviation in deviations)
    error = math.sqrt(squares / (len(means) - 1) / len(means))
    neighbours = math.fsum(one * other for one, other in pairwise(deviations))
    return Estimate(mean, STUDENT_T_95 * error, neighbours / squares if squares else 0.0)
