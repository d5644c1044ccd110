"""Each promise, as it is checked in a log, is broken by a log that breaks it, and kept by one that is as it must be."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from services.domain.agent import AgentState
from services.domain.event import Event, EventData, EventType
from services.domain.failure import AttemptOutcome
from services.domain.task import TaskState
from tests.store import log_promises
from tests.store.log_promises import PROMISES, Past

NONE, PENDING, LEASED, RUNNING = 0, TaskState.PENDING, TaskState.LEASED, TaskState.RUNNING


def of_task(type_: EventType, before: int, after: int, token: int, version: int, **fields: Any) -> Event:
    task_id, agent_id = fields.pop("task_id", "t"), fields.pop("agent_id", "a" if token else "")
    data = EventData(version, before, after, token, **fields)
    return Event(type_, 1, "n", "q", task_id, agent_id, data)


def of_agent(type_: EventType, session: int, state: AgentState = AgentState.READY, message: str = "") -> Event:
    return Event(type_, 1, "n", "", "", "a", EventData(version=session, agent_state=state, message=message))


HELLO = of_agent(EventType.AGENT_CONNECTED, 1)
ORDERED = of_agent(EventType.AGENT_DRAINING, 1, AgentState.DRAINING, "what has started finishes")
DRAINED = of_agent(EventType.AGENT_DRAINED, 1, AgentState.DRAINING)
CREATED = of_task(EventType.TASK_CREATED, NONE, PENDING, 0, 1)
GRANTED = of_task(EventType.TASK_LEASED, PENDING, LEASED, 1, 2)
STARTED = of_task(EventType.TASK_STARTED, LEASED, RUNNING, 1, 3)
WON = of_task(EventType.TASK_SUCCEEDED, RUNNING, TaskState.SUCCEEDED, 1, 4, outcome=AttemptOutcome.SUCCEEDED)
LOST = of_task(EventType.TASK_REQUEUED, RUNNING, PENDING, 1, 4, redeliveries=1, outcome=AttemptOutcome.LOST)
AGAIN = of_task(EventType.TASK_LEASED, PENDING, LEASED, 2, 5, redeliveries=1)
WELL = (HELLO, CREATED, GRANTED, STARTED, LOST, AGAIN)


def past(*events: Event, **fields: Any) -> Past:
    values: dict[str, Any] = {
        "events": events,
        "tasks": [SimpleNamespace(request_id="r")],
        "attempts": {},
        "slots": {"a": 1},
        "gpus": {"a": 1.0},
        "needs": {"t": 1.0, "u": 1.0},
        "incarnations": {("a", 1): "first", ("a", 2): "second", ("a", 3): "first"},
        "attempts_max": {"t": 3, "u": 3},
        "redeliveries_max": 1,
        **fields,
    }
    return Past(**values)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_a_log_that_is_as_it_must_be_keeps_them_all(promise: Callable[[Past], None]) -> None:
    promise(past(*WELL))
    promise(past(HELLO, CREATED, GRANTED, STARTED, WON))
    promise(past(CREATED, DEPENDENT, ENDED, UNBLOCKED, **WAITS, runs_anyway={"u"}))


SECOND_TASK = of_task(EventType.TASK_LEASED, PENDING, LEASED, 1, 2, task_id="u")
GRANTED_TWICE = of_task(EventType.TASK_LEASED, PENDING, LEASED, 2, 3)
FROM_NOBODY = of_task(EventType.TASK_STARTED, LEASED, RUNNING, 1, 3, agent_id="b")
UNCOUNTED = of_task(EventType.TASK_REQUEUED, RUNNING, PENDING, 1, 4, outcome=AttemptOutcome.LOST)
SHORT_CUT = of_task(EventType.TASK_SUCCEEDED, LEASED, TaskState.SUCCEEDED, 1, 3, outcome=AttemptOutcome.SUCCEEDED)
REVIVED = of_task(EventType.TASK_REQUEUED, TaskState.SUCCEEDED, PENDING, 1, 5)
DEPENDENT = of_task(EventType.TASK_CREATED, NONE, TaskState.BLOCKED, 0, 1, task_id="u", blockers=1)
UNBLOCKED = of_task(EventType.TASK_UNBLOCKED, TaskState.BLOCKED, PENDING, 0, 2, task_id="u")
ENDED = of_task(EventType.TASK_CANCELLED, PENDING, TaskState.CANCELLED, 0, 2)
SECOND_OPEN = of_task(EventType.TASK_CREATED, NONE, PENDING, 0, 1, task_id="v")
WAITS: dict[str, Any] = {"depends_on": {"u": ["t"]}}
BROKEN = (
    (log_promises.one_task_per_request_id, past(tasks=[SimpleNamespace(request_id="r")] * 2)),
    (log_promises.one_lease_at_a_time_and_tokens_only_rise, past(HELLO, CREATED, GRANTED, GRANTED_TWICE)),
    (log_promises.only_the_holder_is_heard, past(HELLO, CREATED, GRANTED, FROM_NOBODY)),
    (log_promises.one_outcome_per_attempt, past(HELLO, CREATED, GRANTED, STARTED, WON, attempts={"t": []})),
    (log_promises.terminal_is_final, past(HELLO, CREATED, GRANTED, STARTED, WON, REVIVED)),
    (log_promises.attempts_are_bounded, past(HELLO, CREATED, GRANTED, STARTED, UNCOUNTED)),
    (log_promises.only_edges_of_the_table, past(HELLO, CREATED, GRANTED, SHORT_CUT)),
    (log_promises.never_oversubscribed, past(HELLO, CREATED, GRANTED, SECOND_TASK)),
    (log_promises.never_oversubscribed, past(HELLO, CREATED, GRANTED, SECOND_TASK, slots={"a": 2})),
    (log_promises.no_lease_after_a_drain, past(HELLO, of_agent(EventType.AGENT_CORDONED, 1), CREATED, GRANTED)),
    (
        log_promises.no_lease_after_a_drain,
        past(HELLO, of_agent(EventType.AGENT_DRAINING, 1, AgentState.DRAINING), CREATED, GRANTED),
    ),
    (log_promises.a_drain_is_done_when_nothing_is_held, past(HELLO, ORDERED)),
    (log_promises.a_drain_is_done_when_nothing_is_held, past(HELLO, CREATED, GRANTED, ORDERED, DRAINED)),
    (log_promises.a_drain_is_done_when_nothing_is_held, past(HELLO, ORDERED, DRAINED, CREATED, GRANTED)),
    (
        log_promises.a_new_process_supersedes_the_old_one_for_good,
        past(HELLO, CREATED, GRANTED, of_agent(EventType.AGENT_CONNECTED, 2)),
    ),
    (
        log_promises.a_new_process_supersedes_the_old_one_for_good,
        past(HELLO, of_agent(EventType.AGENT_CONNECTED, 2), of_agent(EventType.AGENT_CONNECTED, 3)),
    ),
    (log_promises.nothing_goes_before_what_it_depends_on, past(CREATED, DEPENDENT, UNBLOCKED, **WAITS)),
    (log_promises.nothing_goes_before_what_it_depends_on, past(CREATED, DEPENDENT, ENDED, UNBLOCKED, **WAITS)),
    (log_promises.nothing_waits_for_what_has_ended, past(CREATED, DEPENDENT, ENDED, **WAITS)),
    (
        log_promises.nothing_waits_for_what_has_ended,
        past(CREATED, SECOND_OPEN, DEPENDENT, depends_on={"u": ["t", "v"]}),
    ),
)


@pytest.mark.parametrize(("promise", "broken"), BROKEN, ids=lambda value: getattr(value, "__name__", ""))
def test_a_log_that_breaks_it_is_noticed(promise: Callable[[Past], None], broken: Past) -> None:
    with pytest.raises(AssertionError):
        promise(broken)


def test_every_promise_has_a_log_that_breaks_it() -> None:
    assert {promise for promise, _ in BROKEN} == set(PROMISES)
