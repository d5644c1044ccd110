"""What arrives: Poisson streams of tasks, and how long each takes, whoever does it. Seeded.

Times are in units of the mean service time.
"""

from __future__ import annotations

import itertools
import math
import random
from bisect import bisect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

Draw = Callable[[random.Random], float]


class Arrival(NamedTuple):
    """A task: when it comes, how long it takes on a warm agent, of which group it is, what an agent is warm for."""

    time: float
    service: float
    group: int = 0
    key: str = ""


def exponential(chance: random.Random) -> float:
    """Exponential service with mean 1."""
    return -math.log(1.0 - chance.random())


@dataclass(frozen=True)
class BoundedPareto:
    """Heavy-tailed service with mean 1: density ~ x^-(shape + 1), and the longest is `ratio` times the shortest."""

    shape: float
    ratio: float

    def __call__(self, chance: random.Random) -> float:
        """Draw one."""
        return self.at(chance.random())

    def at(self, part: float) -> float:
        """The service time that this part of the tasks does not exceed: the inverse of the distribution function."""
        return self.shortest * math.pow(1.0 - part * self._mass, -1.0 / self.shape)

    @property
    def shortest(self) -> float:
        """The shortest service, by which the mean is 1."""
        return 1.0 / self._moment(1)

    @property
    def second_moment(self) -> float:
        """The mean of the squared service time: 1 + C², C² the squared coefficient of variation."""
        return self._moment(2) * self.shortest**2

    @property
    def _mass(self) -> float:
        return 1.0 - math.pow(self.ratio, -self.shape)

    def _moment(self, power: int) -> float:
        """The mean of this power if the shortest service were 1."""
        gap = power - self.shape
        return self.shape / gap * (math.pow(self.ratio, gap) - 1.0) / self._mass


class Zipf:
    """Keys of which the k-th is drawn in proportion to k^-exponent."""

    def __init__(self, keys: int, exponent: float) -> None:
        self._names = [f"repository-{number}" for number in range(1, keys + 1)]
        weights = [number**-exponent for number in range(1, keys + 1)]
        self.probabilities = [weight / sum(weights) for weight in weights]
        self._cumulated = list(itertools.accumulate(self.probabilities))

    def __call__(self, chance: random.Random) -> str:
        """Draw one."""
        return self._names[bisect(self._cumulated, chance.random() * self._cumulated[-1])]


def no_key(_: random.Random) -> str:
    """Every agent is as warm as any other."""
    return ""


def poisson(
    rate: float, seed: int, *, service: Draw = exponential, group: int = 0, key: Callable[[random.Random], str] = no_key
) -> Iterator[Arrival]:
    """Tasks with exponential times between them, without end."""
    chance = random.Random(seed)
    time = 0.0
    while True:
        time -= math.log(1.0 - chance.random()) / rate
        yield Arrival(time, service(chance), group, key(chance))
