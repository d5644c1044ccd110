"""One coordinator's conversation with the scheduler, as a state machine without a network or a clock.

Requests go in by `receive`, `decide` says what to answer. Nothing is placed before the snapshot is complete. The
session holds one view; when its stream ends it is thrown away, and the next begins with a snapshot.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from missioncontrol.v1 import scheduler_service_pb2 as pb

from services.domain.errors import InvalidArgument, ResourceExhausted
from services.domain.placement import PLACEMENTS_MAX, plan
from services.domain.requirements import FilterReason
from services.domain.schedule import Unplaceable
from services.domain.schedule_view import ScheduleView
from services.domain.standing import Standing, StandingOffers
from services.domain.unplaceable import report
from services.scheduler import limits
from services.scheduler.metrics import SchedulerMetrics
from services.transport.schedule_convert import ScheduleDecoder, schedule_response


class ScheduleSession:
    """See the module. `stopwatch` measures how long planning takes, and decides nothing."""

    def __init__(self, metrics: SchedulerMetrics, *, stopwatch: Callable[[], float] = perf_counter) -> None:
        self.view = ScheduleView()
        self.coordinator_id = ""
        self.snapshot_complete = False
        # The groups that were reported as not placeable, by their first reason.
        self.unplaceable: dict[int, FilterReason] = {}
        self._decoder = ScheduleDecoder()
        self._standing = StandingOffers()
        # Whether something was received since the offers were last revised at their own time.
        self._loads_changed = False
        self._metrics = metrics
        self._stopwatch = stopwatch
        self._more = False
        self._report_time = 0

    def receive(self, request: pb.ScheduleRequest, now: int) -> None:
        """Take a request in. Raises InvalidArgument if it may not come now, ResourceExhausted beyond the limits."""
        self._check_turn(request)
        changes = self._decoder.changes(request)
        for result in changes.results:
            self._metrics.result(result.outcome)
        self.view.apply(changes, now)
        for group_id in changes.removed_groups:
            self.unplaceable.pop(group_id, None)
        self._check_limits()
        self.snapshot_complete = self.snapshot_complete or request.snapshot_complete
        self._more = self._loads_changed = True

    def decide(self, now: int) -> pb.ScheduleResponse | None:
        """Return the next response, None if there is nothing to say. Repeat it while `more`."""
        if not self.snapshot_complete:
            self._more = False
            return None
        started = self._stopwatch()
        placements = plan(self.view, now)
        self._metrics.planned(len(placements), self._stopwatch() - started)
        self._more = len(placements) == PLACEMENTS_MAX
        news = [] if self._more or now < self._report_time else self._report(now)
        offers = [] if self._more else self._revise(now)
        return schedule_response(placements, news, offers) if placements or news or offers else None

    @property
    def more(self) -> bool:
        """Whether `decide` has something to do now."""
        return self._more

    def next_time(self) -> int | None:
        """Return when `decide` has something to do again if nothing is received, None if never."""
        if not self.snapshot_complete:
            return None
        times = [self.view.next_time()]
        if self.view.backlog.unexplained:
            times.append(self._report_time)
        if self._loads_changed:
            times.append(self._standing.next_time())
        return min((time for time in times if time is not None), default=None)

    def _revise(self, now: int) -> list[Standing]:
        self._loads_changed = self._loads_changed and now < self._standing.next_time()
        return self._standing.revise(self.view, now)

    def _report(self, now: int) -> list[Unplaceable]:
        self._report_time = now + limits.REPORT_INTERVAL_MICROS
        news = report(self.view, now, needs_max=limits.REPORT_NEEDS_MAX)
        for group in news:
            if group.reasons:
                self.unplaceable[group.group_id] = group.reasons[0].reason
            else:
                self.unplaceable.pop(group.group_id, None)
        return news

    def _check_turn(self, request: pb.ScheduleRequest) -> None:
        if not self.coordinator_id:
            if not request.coordinator_id:
                raise _invalid("coordinator_id", "must be set on the first message")
            self.coordinator_id = request.coordinator_id
        elif request.coordinator_id not in ("", self.coordinator_id):
            raise _invalid("coordinator_id", "must not change within a stream")
        if request.snapshot and self.snapshot_complete:
            raise _invalid("snapshot", "the snapshot of this stream is complete: begin a new stream for another")
        if not request.snapshot and not self.snapshot_complete:
            raise _invalid("snapshot", "must be true until the snapshot is complete")
        if request.snapshot_complete and not request.snapshot:
            raise _invalid("snapshot_complete", "belongs to a message of the snapshot")

    def _check_limits(self) -> None:
        view = self.view
        for what, count, limit in (
            ("tasks", len(view.tasks), limits.TASKS_MAX),
            ("groups", len(view.backlog.groups), limits.GROUPS_MAX),
            ("agents", len(view.capacity.by_key), limits.AGENTS_MAX),
        ):
            if count > limit:
                raise ResourceExhausted(f"more than {limit} {what} on one stream: begin a new one")


def _invalid(field: str, reason: str) -> InvalidArgument:
    return InvalidArgument(f"{field}: {reason}", fields=[(field, reason)])
