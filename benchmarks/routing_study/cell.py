"""One measurement of the study, what it must agree with, and what came out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.routing_study.estimate import Estimate

# By how much of its value a figure may differ from theory where its interval is narrower than that.
TOLERANCE = 0.03
RESULTS = Path(__file__).with_name("results.json")

Figures = dict[str, Estimate]


class Expected(NamedTuple):
    """What a figure must be: at least `low`, at most `high`, give or take its interval or `within` of the bound.

    The interval is that of 99.9 %: some fifty figures are compared in one study, so that of 95 % would be missed by two
    or three of them by chance.
    """

    low: float
    high: float
    source: str
    within: float = TOLERANCE

    def agrees(self, estimate: Estimate) -> bool:
        """Whether it is so."""
        below, above = (max(estimate.half_width_999, self.within * bound) for bound in (self.low, self.high))
        return self.low - below <= estimate.mean <= self.high + above

    def __str__(self) -> str:
        return f"{self.low:.4g}" if self.low == self.high else f"{self.low:.4g} to {self.high:.4g}"


def exactly(value: float, source: str, *, within: float = TOLERANCE) -> Expected:
    """What theory gives a value for."""
    return Expected(value, value, source, within)


class Cell(NamedTuple):
    """A measurement of `tasks` arrivals after the first `skip`. `full`: too long for every change."""

    name: str
    seed: int
    skip: int
    tasks: int
    measure: Callable[[Cell], Figures]
    expected: Mapping[str, Expected] = {}
    full: bool = False

    def run(self) -> Result:
        """Carry it out."""
        return Result(self.seed, self.skip, self.tasks, self.measure(self))

    def disagreements(self, result: Result) -> Iterator[str]:
        """What differs from what it must be, in words."""
        for figure, expected in self.expected.items():
            estimate = result.figures[figure]
            if not expected.agrees(estimate):
                yield f"{self.name}: {figure} is {estimate}, but {expected} by {expected.source}"


class Result(msgspec.Struct, frozen=True):
    """What came out of a cell, and of which run."""

    seed: int
    skip: int
    tasks: int
    figures: Figures


Results = dict[str, Result]


def load_results(path: Path = RESULTS) -> Results:
    """Return all results by the names of their cells; none if there is no file yet."""
    return msgspec.json.decode(path.read_bytes(), type=Results) if path.exists() else {}


def save_results(results: Results, path: Path = RESULTS) -> None:
    """Write them, in the order of their names."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(dict(sorted(results.items()))), indent=1) + b"\n")
