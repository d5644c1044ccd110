"""When a queue changes its state, and what a coordinator knows of depths and rates. No database."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.backpressure import state_at
from services.domain.depth import Buckets, Depths
from services.domain.event import Event, EventData, EventType
from services.domain.policy import AdmissionPolicy, AdmissionState
from services.domain.task import TaskState

NORMAL, THROTTLE, SHED = AdmissionState.NORMAL, AdmissionState.THROTTLE, AdmissionState.SHED
QUEUE = ("default", "q")
BY_DEPTH = AdmissionPolicy(throttle_pending=100, submits_per_second=10.0, shed_pending=200)


@pytest.mark.parametrize(
    ("current", "pending", "expected"),
    [
        (NORMAL, 99, NORMAL),
        (NORMAL, 100, THROTTLE),
        (NORMAL, 200, SHED),
        (THROTTLE, 90, THROTTLE),
        (THROTTLE, 89, NORMAL),
        (THROTTLE, 199, THROTTLE),
        (SHED, 180, SHED),
        (SHED, 179, THROTTLE),
        (SHED, 90, THROTTLE),
        (SHED, 89, NORMAL),
    ],
)
def test_a_state_begins_at_its_depth_and_ends_below_nine_tenths_of_it(
    current: AdmissionState, pending: int, expected: AdmissionState
) -> None:
    assert state_at(BY_DEPTH, current, pending=pending) is expected


@pytest.mark.parametrize("state", [NORMAL, THROTTLE, SHED, AdmissionState.PAUSE])
def test_what_was_set_by_hand_holds_at_every_depth(state: AdmissionState) -> None:
    policy = AdmissionPolicy(state=state, shed_pending=1)
    assert state_at(policy, NORMAL, pending=0) is state is state_at(policy, SHED, pending=1_000)


@given(st.integers(1, 300), st.integers(0, 400), st.sampled_from([NORMAL, THROTTLE, SHED]))
def test_the_state_that_follows_from_a_depth_stays_at_that_depth(
    limit: int, pending: int, current: AdmissionState
) -> None:
    policy = AdmissionPolicy(throttle_pending=limit, submits_per_second=1.0, shed_pending=2 * limit)
    state = state_at(policy, current, pending=pending)
    assert state_at(policy, state, pending=pending) is state


def moved(before: int, after: int, *, queue: str = "q", type_: EventType = EventType.TASK_CREATED) -> Event:
    return Event(type_, 0, "default", queue, "t", "", EventData(from_state=before, to_state=after))


def test_a_move_behind_a_count_that_runs_has_the_queue_counted_again() -> None:
    depths = counted(1_000, head=10)
    running = depths.begin_count(QUEUE)  # it sees the log up to 10
    data = EventData(version=2, from_state=TaskState.PENDING, to_state=TaskState.PENDING)
    depths.note_moves([Event(EventType.TASK_CHANGED, 0, "default", "another", "t", "", data)])
    depths.counted(QUEUE, running, 1_000, head=10)
    assert depths.stale() == [QUEUE]


CREATED = moved(0, TaskState.PENDING)
LEASED = moved(TaskState.PENDING, TaskState.LEASED)


def counted(pending: int, *, head: int) -> Depths:
    depths = Depths()
    depths.counted(QUEUE, depths.begin_count(QUEUE), pending, head=head)
    return depths


def test_a_depth_is_the_count_and_what_the_log_tells_behind_it() -> None:
    depths = counted(5, head=10)
    depths.hear_foreign(11, [CREATED, CREATED, LEASED, moved(0, TaskState.PENDING, queue="other")])
    assert depths.of(QUEUE) == 6


def test_what_the_count_had_seen_is_not_taken_in_twice() -> None:
    depths = counted(5, head=10)
    depths.hear_foreign(9, [CREATED, CREATED])
    assert depths.of(QUEUE) == 5


@given(st.lists(st.sampled_from([-1, 1]), max_size=30), st.data())
def test_a_count_beside_commits_misses_nothing(changes: list[int], data: st.DataObject) -> None:
    """Commits go on while it runs: it sees the log up to some place, and is told late."""
    begin = data.draw(st.integers(0, len(changes)), label="heard when the count begins")
    seen = data.draw(st.integers(begin, len(changes)), label="committed when the count looks")
    end = data.draw(st.integers(begin, len(changes)), label="heard when the count is told")
    depths = counted(100, head=0)
    numbered = list(enumerate(changes, 1))
    for sequence, by in numbered[:begin]:
        depths.hear({QUEUE: by}, sequence=sequence)
    count = depths.begin_count(QUEUE)
    for sequence, by in numbered[begin:end]:
        depths.hear({QUEUE: by}, sequence=sequence)
    depths.counted(QUEUE, count, 100 + sum(changes[:seen]), head=seen)
    for sequence, by in numbered[end:]:
        depths.hear({QUEUE: by}, sequence=sequence)
    assert depths.of(QUEUE) == 100 + sum(changes)


def test_of_two_counts_the_one_that_began_last_is_taken() -> None:
    """What the first one has missed was not noted any more when the second began."""
    depths = counted(0, head=0)
    first = depths.begin_count(QUEUE)
    depths.hear({QUEUE: 1}, sequence=1)
    second = depths.begin_count(QUEUE)
    depths.counted(QUEUE, first, 0, head=0)
    depths.give_up_count(QUEUE, first)
    depths.hear({QUEUE: 1}, sequence=2)
    depths.counted(QUEUE, second, 1, head=1)
    assert depths.of(QUEUE) == 2


def test_after_a_commit_of_unknown_outcome_nothing_is_known_and_an_older_count_does_not_help() -> None:
    depths = counted(5, head=10)
    count = depths.begin_count(QUEUE)
    depths.forget()
    depths.counted(QUEUE, count, 7, head=12)
    assert depths.of(QUEUE) is None
    assert depths.stale() == [QUEUE]


def test_a_pending_task_that_is_moved_has_the_queues_counted_again() -> None:
    depths = counted(5, head=10)
    depths.hear_foreign(11, [moved(TaskState.PENDING, TaskState.PENDING, type_=EventType.TASK_CHANGED)])
    assert (depths.stale(), depths.of(QUEUE)) == ([QUEUE], 5)


def test_a_rate_is_shared_by_the_coordinators_and_saved_up_for_a_second() -> None:
    buckets, policy = Buckets(), AdmissionPolicy(state=THROTTLE, submits_per_second=20.0)
    buckets.coordinators = 2
    assert buckets.tokens(QUEUE, policy, now=0) == 10.0
    buckets.take(QUEUE, policy, taken=10, now=0)
    assert buckets.tokens(QUEUE, policy, now=500_000) == 5.0
    assert buckets.tokens(QUEUE, policy, now=60_000_000) == 10.0


def test_a_clock_that_is_put_back_gives_nothing_and_takes_nothing() -> None:
    buckets, policy = Buckets(), AdmissionPolicy(state=THROTTLE, submits_per_second=10.0)
    buckets.take(QUEUE, policy, taken=4, now=1_000_000)
    assert buckets.tokens(QUEUE, policy, now=0) == 6.0


def test_a_rate_below_one_a_second_still_takes_a_task() -> None:
    assert Buckets().tokens(QUEUE, AdmissionPolicy(state=THROTTLE, submits_per_second=0.1), now=0) == 1.0
