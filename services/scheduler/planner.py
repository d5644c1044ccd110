"""The one view of all coordinators, and what follows from it, as a state machine without a network or a clock.

Streams join, their requests go in by `receive`, and `decide` says what to answer on which stream: a placement on the
one that tells of the agent, news of a group on the one that told of it. A stream that is over leaves with all that it
told; the next begins with a snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from time import perf_counter

from missioncontrol.v1 import scheduler_service_pb2 as pb

from services.domain.commands import Placement
from services.domain.errors import ResourceExhausted
from services.domain.placement import PLACEMENTS_MAX, plan
from services.domain.rebalance import rebalance
from services.domain.requirements import FilterReason, WaitReason
from services.domain.schedule import Recall, Unplaceable, source_of
from services.domain.schedule_view import ScheduleView
from services.domain.standing import Standing, StandingOffers
from services.domain.unplaceable import report
from services.scheduler import limits
from services.scheduler.metrics import SchedulerMetrics
from services.scheduler.questions import Questions, Said
from services.scheduler.session import ScheduleSession
from services.transport.schedule_convert import schedule_response


class Planner:
    """See the module. `stopwatch` measures how long planning takes, and decides nothing."""

    def __init__(self, metrics: SchedulerMetrics, *, stopwatch: Callable[[], float] = perf_counter) -> None:
        self.sessions: dict[int, ScheduleSession] = {}
        self._metrics = metrics
        self._stopwatch = stopwatch
        self._joined = 0
        self._questions = Questions()
        self._more = False
        self._report_time = 0
        self._begin()

    def _begin(self) -> None:
        """Know nothing: nobody has told anything yet, or nobody is left who did."""
        self.view = ScheduleView()
        # The groups that were reported as not placeable: by the first reason against agents, or what holds them back.
        self.unplaceable: dict[int, FilterReason | WaitReason] = {}
        self._standing = StandingOffers()
        # Whether something was received since the offers were last revised at their own time.
        self._loads_changed = False

    # The streams.

    def join(self) -> ScheduleSession:
        """Begin a stream."""
        self._joined += 1
        session = self.sessions[self._joined] = ScheduleSession(self._joined)
        return session

    def leave(self, session: ScheduleSession) -> None:
        """End a stream, once or more often: what it told is forgotten, and what it holds up goes on."""
        self._questions.drop(session)
        if self.sessions.pop(session.source, None) is None or not session.snapshot_complete:
            return
        if not any(other.snapshot_complete for other in self.sessions.values()):
            self._begin()
            return
        self.view.remove_source(session.source)
        for group_id in [group_id for group_id in self.unplaceable if source_of(group_id) == session.source]:
            del self.unplaceable[group_id]
        self._more = self._loads_changed = True

    def receive(self, session: ScheduleSession, request: pb.ScheduleRequest, now: int) -> None:
        """Take a request in. Raises InvalidArgument if it may not come now, ResourceExhausted beyond the limits.

        The stream has to leave then.
        """
        for changes in session.read(request):
            for result in changes.results:
                self._metrics.result(result.outcome)
            self.view.apply(changes, now)
            for group_id in changes.removed_groups:
                self.unplaceable.pop(group_id, None)
            self._check_limits(session.source)
            self._more = self._loads_changed = True
        if request.snapshot_complete:
            self.view.roster.arrivals.clear()  # they were there before: nothing is to be recalled for them
        self._questions.take(session, request)

    # What to say.

    def decide(self, now: int) -> list[tuple[ScheduleSession, pb.ScheduleResponse]]:
        """Return the next responses, at most one for each stream. Repeat it while `more`."""
        started = self._stopwatch()
        placements = plan(self.view, now)
        self._metrics.planned(len(placements), self._stopwatch() - started)
        self._more = len(placements) == PLACEMENTS_MAX
        news = [] if now < self._report_time else self._report(now)
        offers = [] if self._more else self._revise(now)
        recalls = [] if self._more else rebalance(self.view)
        said: Said = []
        if placements or news or offers or recalls:
            said = list(self._responses(placements, news, offers, recalls))
        return self._questions.with_next_answer(said, self.view, now)

    @property
    def more(self) -> bool:
        """Whether `decide` has something to do now."""
        return self._more or self._questions.waiting

    def next_time(self) -> int | None:
        """Return when `decide` has something to do again if nothing is received, None if never."""
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
        unexplained = self.view.backlog.unexplained
        looked_at = sum(len(needs.groups) for needs in islice(unexplained, limits.REPORT_NEEDS_MAX))
        self._report_time = now + max(report_interval(len(unexplained)), looked_at * limits.REPORT_GROUP_MICROS)
        news = report(self.view, now, needs_max=limits.REPORT_NEEDS_MAX)
        for group in news:
            if group.wait:
                self.unplaceable[group.group_id] = group.reasons[0].reason if group.reasons else group.wait
            else:
                self.unplaceable.pop(group.group_id, None)
        return news

    def _responses(
        self, placements: list[Placement], news: list[Unplaceable], offers: list[Standing], recalls: list[Recall]
    ) -> Iterable[tuple[ScheduleSession, pb.ScheduleResponse]]:
        offers = [offer for offer in offers if source_of(offer.group_id) in self.sessions]  # the others need not hear
        if len(self.sessions) == 1:
            (session,) = self.sessions.values()
            yield session, schedule_response(placements, news, offers, recalls)
            return
        shares: dict[int, tuple[list[Placement], list[Unplaceable], list[Standing], list[Recall]]] = {
            source: ([], [], [], []) for source in self.sessions
        }
        outstanding = self.view.outstanding
        for placement in placements:
            shares[outstanding[placement.number].source][0].append(placement)
        for group in news:
            shares[source_of(group.group_id)][1].append(group)
        for offer in offers:
            shares[source_of(offer.group_id)][2].append(offer)
        for recall in recalls:
            shares[recall.source][3].append(recall)
        for source, share in shares.items():
            if any(share):
                yield self.sessions[source], schedule_response(*share)

    def _check_limits(self, source: int) -> None:
        view = self.view
        groups = view.backlog.groups_of.get(source, {})
        tasks = len(view.tasks)
        if tasks > limits.TASKS_MAX:  # of all streams together; this one's are only counted then
            tasks = sum(group.size for group in groups.values())
        for what, count, limit in (
            ("tasks", tasks, limits.TASKS_MAX),
            ("groups", len(groups), limits.GROUPS_MAX),
            ("agents", view.capacity.told_by.get(source, 0).bit_count(), limits.AGENTS_MAX),
        ):
            if count > limit:
                raise ResourceExhausted(f"more than {limit} {what} on one stream: begin a new one")


def report_interval(sets: int) -> int:
    """How long until it is looked again why tasks wait, microseconds, with so many sets of needs to look at."""
    interval = limits.REPORT_ROUND_MICROS * limits.REPORT_NEEDS_MAX // max(sets, 1)
    return max(limits.REPORT_INTERVAL_MICROS_MIN, min(interval, limits.REPORT_INTERVAL_MICROS))
