"""What the scheduler counts, for Prometheus. Sizes are read off the sessions when somebody asks."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from services.domain.commands import PlacementOutcome

if TYPE_CHECKING:
    from services.scheduler.session import ScheduleSession

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
    """Sizes of all sessions together."""

    def __init__(self, sessions: Callable[[], Iterable[ScheduleSession]]) -> None:
        self._sessions = sessions

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Read the sizes, as Prometheus asks for them."""
        sessions = list(self._sessions())
        views = [session.view for session in sessions]
        sizes = {
            "coordinators": ("Coordinators connected.", len(sessions)),
            "agents": ("Agents known.", sum(len(view.capacity.by_key) for view in views)),
            "groups": ("Groups of tasks known.", sum(len(view.backlog.groups) for view in views)),
            "tasks": ("Tasks in the windows, placed ones included.", sum(len(view.tasks) for view in views)),
            "outstanding": ("Placements without a result.", sum(len(view.outstanding) for view in views)),
        }
        for name, (help_text, value) in sizes.items():
            yield GaugeMetricFamily(f"missioncontrol_scheduler_{name}", help_text, value=value)
        yield _unplaceable(sessions)


def _unplaceable(sessions: Iterable[ScheduleSession]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "missioncontrol_scheduler_groups_unplaceable", "Groups that cannot be placed now.", labels=["reason"]
    )
    tally = Tally(reason.name.lower() for session in sessions for reason in session.unplaceable.values())
    for reason, count in sorted(tally.items()):
        family.add_metric([reason], count)
    return family
