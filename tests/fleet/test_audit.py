"""The checkers find each kind of fault, and nothing in a run that is right."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.domain.event import EventType
from services.domain.task import TaskState
from services.fleet.audit import (
    ACCEPTED_TWICE,
    DIFFERENT,
    DUPLICATED,
    GAP,
    ILLEGAL_EDGE,
    LOST,
    STUCK,
    UNEXPECTED,
    Acknowledged,
    SeenEvent,
    SeenTask,
    audit,
    unaccounted,
)

LEDGER = [Acknowledged("request", "task")]
TASK = SeenTask("task", "request", TaskState.SUCCEEDED, version=6, token=2, agent_id="b")


def event(
    sequence: int, kind: EventType, edge: tuple[TaskState | None, TaskState], *, agent_id: str = "", token: int = 0
) -> SeenEvent:
    """An event of the one task, whose version is the event's sequence."""
    return SeenEvent(sequence, kind, "task", agent_id, token, edge[0], edge[1], version=sequence)


P, L, R, S = TaskState.PENDING, TaskState.LEASED, TaskState.RUNNING, TaskState.SUCCEEDED
# Leased by a, which returned it, then by b, which did it.
EVENTS = [
    event(1, EventType.TASK_CREATED, (None, P)),
    event(2, EventType.TASK_LEASED, (P, L), agent_id="a", token=1),
    event(3, EventType.TASK_REQUEUED, (L, P), agent_id="a", token=1),
    event(4, EventType.TASK_LEASED, (P, L), agent_id="b", token=2),
    event(5, EventType.TASK_STARTED, (L, R), agent_id="b", token=2),
    event(6, EventType.TASK_SUCCEEDED, (R, S), agent_id="b", token=2),
]


def kinds(
    ledger: list[Acknowledged] = LEDGER, tasks: list[SeenTask] | None = None, events: list[SeenEvent] | None = None
) -> set[str]:
    return {finding.kind for finding in audit(ledger, tasks or [TASK], events or EVENTS)}


def test_a_run_that_is_right_has_no_findings() -> None:
    assert audit(LEDGER, [TASK], EVENTS) == []


def test_an_acknowledged_task_that_is_not_there_is_lost() -> None:
    assert LOST in kinds(ledger=[*LEDGER, Acknowledged("other", "gone")])


def test_two_tasks_of_one_request_are_duplicated() -> None:
    assert DUPLICATED in kinds(tasks=[TASK, replace(TASK, id="second")])


def test_a_task_that_did_not_end_is_stuck() -> None:
    assert STUCK in kinds(tasks=[replace(TASK, state=R)])


@pytest.mark.parametrize("arrived", [EVENTS[1:], EVENTS[:2] + EVENTS[3:], [*EVENTS[:2], EVENTS[1], *EVENTS[2:]]])
def test_a_missing_or_repeated_sequence_is_a_gap(arrived: list[SeenEvent]) -> None:
    assert GAP in kinds(events=arrived)


def test_two_terminal_events_are_an_outcome_accepted_twice() -> None:
    again = event(7, EventType.TASK_SUCCEEDED, (S, S), agent_id="a", token=1)

    assert ACCEPTED_TWICE in kinds(events=[*EVENTS, again])


def test_a_fold_that_is_not_what_the_api_shows_is_a_difference() -> None:
    assert DIFFERENT in kinds(tasks=[replace(TASK, agent_id="a")])


def test_a_task_in_the_feed_that_the_api_does_not_have_is_unexpected() -> None:
    stranger = replace(event(7, EventType.TASK_CREATED, (None, P)), task_id="stranger", version=1)

    assert UNEXPECTED in kinds(events=[*EVENTS, stranger])


def test_a_task_that_nobody_submitted_is_unexpected() -> None:
    stranger = replace(TASK, id="stranger", request_id="unknown")

    assert [finding.kind for finding in unaccounted(LEDGER, [TASK, stranger], ())] == [UNEXPECTED]


@pytest.mark.parametrize(
    "changed",
    [
        {5: replace(EVENTS[5], token=1)},
        {3: replace(EVENTS[3], token=1)},
        {4: replace(EVENTS[4], version=6)},
        {2: replace(EVENTS[2], from_state=R)},
        {4: replace(EVENTS[4], to_state=TaskState.EXPIRED), 5: replace(EVENTS[5], from_state=TaskState.EXPIRED)},
    ],
    ids=[
        "a stale token",
        "a token granted twice",
        "a version skipped",
        "from another state",
        "out of a terminal state",
    ],
)
def test_an_event_that_cannot_follow_the_one_before_is_an_illegal_edge(changed: dict[int, SeenEvent]) -> None:
    assert ILLEGAL_EDGE in kinds(events=[changed.get(index, each) for index, each in enumerate(EVENTS)])
