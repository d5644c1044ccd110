"""What the scheduler counts, for Prometheus. Sizes are read off the view when somebody asks."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from services.domain.commands import PlacementOutcome

if TYPE_CHECKING:
    from services.scheduler.planner import Planner

_PLAN_SECONDS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1)


class SchedulerMetrics:
    """Counters of the whole process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._placements = Counter("missioncontrol_scheduler_placements", "Placements proposed.", registry=registry)
        results = Counter(
            "missioncontrol_scheduler_results", "Results of placements.", labelnames=["outcome"], registry=registry
        )
        self._results = {outcome: results.labels(outcome.name.lower()) for outcome in PlacementOutcome}
        self._plan_seconds = Histogram(
            "missioncontrol_scheduler_plan_seconds", "Time of one plan.", buckets=_PLAN_SECONDS, registry=registry
        )

    def planned(self, placements: int, seconds: float) -> None:
        """Count one plan."""
        self._plan_seconds.observe(seconds)
        if placements:
            self._placements.inc(placements)

    def result(self, outcome: PlacementOutcome) -> None:
        """Count one result."""
        self._results[outcome].inc()


class SizeCollector(Collector):
    """Sizes of what a planner knows."""

    def __init__(self, planner: Planner) -> None:
        self._planner = planner

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Read the sizes, as Prometheus asks for them."""
        view = self._planner.view
        sizes = {
            "coordinators": ("Coordinators connected.", len(self._planner.sessions)),
            "agents": ("Agents known.", len(view.capacity.by_key)),
            "groups": ("Groups of tasks known.", len(view.backlog.groups)),
            "tasks": ("Tasks in the windows, placed ones included.", len(view.tasks)),
            "outstanding": ("Placements without a result.", len(view.outstanding)),
        }
        for name, (help_text, value) in sizes.items():
            yield GaugeMetricFamily(f"missioncontrol_scheduler_{name}", help_text, value=value)
        yield _unplaceable(self._planner)


def _unplaceable(planner: Planner) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "missioncontrol_scheduler_groups_unplaceable", "Groups that cannot be placed now.", labels=["reason"]
    )
    tally = Tally(reason.name.lower() for reason in planner.unplaceable.values())
    for reason, count in sorted(tally.items()):
        family.add_metric([reason], count)
    return family
