"""Figures that are cheap to fill: the client library's own cost 1 to 2.5 µs an observation, these a tenth of it."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import IntEnum

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector


class FastCounter(Collector):
    """Counts things by one label, whose values are an enum's names. For one thread."""

    def __init__(
        self, name: str, documentation: str, *, label: str, values: type[IntEnum], registry: CollectorRegistry
    ) -> None:
        self._name = name
        self._documentation = documentation
        self._label = label
        self._values = values
        self._counts: Counter[int] = Counter()
        registry.register(self)

    def count(self, things: Iterable[int]) -> None:
        """Counts each of them."""
        self._counts.update(things)

    def collect(self) -> Iterable[Metric]:
        """The counter as the library tells it."""
        family = CounterMetricFamily(self._name, self._documentation, labels=[self._label])
        for value, count in sorted(self._counts.items()):
            family.add_metric([self._values(value).name.lower()], count)
        yield family


class FastHistogram(Collector):
    """Counts observations in buckets, and tells the library when it is asked. For one thread."""

    def __init__(self, name: str, documentation: str, *, buckets: Sequence[float], registry: CollectorRegistry) -> None:
        self._name = name
        self._documentation = documentation
        self._buckets = tuple(buckets)
        self._counts = [0] * (len(buckets) + 1)
        self._sum = 0.0
        registry.register(self)

    def observe(self, value: float) -> None:
        """Counts one observation."""
        self._counts[bisect_left(self._buckets, value)] += 1
        self._sum += value

    def collect(self) -> Iterable[Metric]:
        """The histogram as the library tells it: counts are cumulative."""
        family = HistogramMetricFamily(self._name, self._documentation)
        total = 0
        cumulative: list[tuple[str, float]] = []
        for bound, count in zip([*map(str, self._buckets), "+Inf"], self._counts, strict=True):
            total += count
            cumulative.append((bound, total))
        family.add_metric([], buckets=cumulative, sum_value=self._sum)
        yield family
