"""The promises of safety, each as a function over what a run left behind: its log, and the tables beside it.

They know neither the rules nor the model. Numbers are those of ARCHITECTURE.md.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.domain.agent import AgentState
from services.domain.event import Event, EventType
from services.domain.failure import AttemptOutcome
from services.domain.task import TERMINAL, TRANSITIONS, TaskState

ENDS_LEASE = {
    EventType.TASK_REQUEUED,
    EventType.TASK_RETRYING,
    EventType.TASK_SUCCEEDED,
    EventType.TASK_FAILED,
    EventType.TASK_CANCELLED,
}
GOES_ON = {TaskState.SCHEDULED, TaskState.PENDING, TaskState.LEASED, TaskState.RUNNING}
SPOKEN = {EventType.TASK_STARTED, EventType.TASK_PROGRESSED, EventType.TASK_CHECKPOINTED}


@dataclass
class Past:
    """What a run left behind. `slots` and `gpus` are what each agent has, `needs` the gpus of each task."""

    events: Sequence[Event]
    tasks: Sequence[Any]  # rows
    attempts: Mapping[str, Sequence[Any]]  # by task, those that ended
    slots: Mapping[str, int]
    gpus: Mapping[str, float]
    needs: Mapping[str, float]
    incarnations: Mapping[tuple[str, int], str]  # which process each session of an agent was admitted for
    attempts_max: Mapping[str, int] = field(default_factory=dict)
    redeliveries_max: int = 0
    depends_on: Mapping[str, Sequence[str]] = field(default_factory=dict)
    runs_anyway: Collection[str] = ()  # whatever becomes of what they depend on

    def of_tasks(self) -> dict[str, list[Event]]:
        """The events of each task."""
        found: defaultdict[str, list[Event]] = defaultdict(list)
        for event in self.events:
            if event.task_id:
                found[event.task_id].append(event)
        return dict(found)

    def with_leases(self) -> Iterator[tuple[Event, dict[str, set[str]]]]:
        """Each event, and what every agent holds after it."""
        held: defaultdict[str, set[str]] = defaultdict(set)
        for event in self.events:
            if event.type == EventType.TASK_LEASED:
                held[event.agent_id].add(event.task_id)
            elif event.type in ENDS_LEASE:
                held[event.agent_id].discard(event.task_id)
            yield event, held


def one_task_per_request_id(past: Past) -> None:
    """S2."""
    used = Counter(task.request_id for task in past.tasks if task.request_id)
    assert not [request_id for request_id, tasks in used.items() if tasks > 1]


def one_lease_at_a_time_and_tokens_only_rise(past: Past) -> None:
    """S3: grant n+1 comes only after n was ended."""
    for task_id, events in past.of_tasks().items():
        token, holder = 0, ""
        for event in events:
            if event.type == EventType.TASK_LEASED:
                assert not holder, f"{task_id}: leased to {event.agent_id} while {holder} holds it"
                assert event.data.token == token + 1, f"{task_id}: token {event.data.token} after {token}"
                token, holder = event.data.token, event.agent_id
            elif event.type in ENDS_LEASE:
                holder = ""
            assert event.data.token == token, f"{task_id}: token {event.data.token}, and {token} is the lease's"


def only_the_holder_is_heard(past: Past) -> None:
    """S4: whatever an agent said of a task, it held the lease."""
    for event, held in past.with_leases():
        if event.type in SPOKEN:
            assert event.task_id in held[event.agent_id], f"{event.task_id}: {event.agent_id} spoke without a lease"


def one_outcome_per_attempt(past: Past) -> None:
    """S5: each lease that ended has one attempt, and the log tells the same outcome."""
    events = past.of_tasks()
    for task_id, attempts in past.attempts.items():
        ended = [event for event in events[task_id] if event.type in ENDS_LEASE and event.agent_id]
        told = [(event.data.token, event.agent_id, event.data.outcome) for event in ended]
        assert told == [(attempt.token, attempt.agent_id, attempt.outcome) for attempt in attempts]


def terminal_is_final(past: Past) -> None:
    """S6."""
    for task_id, events in past.of_tasks().items():
        for event in events[:-1]:
            assert event.data.to_state not in TERMINAL, f"{task_id}: more happened after {event}"


def attempts_are_bounded(past: Past) -> None:
    """S7: only failures burn retries, only losses of running work count as redeliveries, and both have a bound."""
    for task_id, events in past.of_tasks().items():
        failures = redeliveries = 0
        for event in events:
            outcome, ran = event.data.outcome, event.data.from_state == TaskState.RUNNING
            failures += outcome == AttemptOutcome.FAILED
            wanted = event.data.to_state != TaskState.CANCELLED
            redeliveries += outcome == AttemptOutcome.LOST and ran and wanted
            assert (event.data.failures, event.data.redeliveries) == (failures, redeliveries), f"{task_id}: {event}"
        assert failures <= past.attempts_max[task_id]
        assert redeliveries <= past.redeliveries_max + 1


def only_edges_of_the_table(past: Past) -> None:
    """S8: and the states follow on each other, as the versions do."""
    for task_id, events in past.of_tasks().items():
        state = 0
        for version, event in enumerate(events, 1):
            before, after = event.data.from_state, event.data.to_state
            assert (before, event.data.version) == (state, version), f"{task_id}: {event} after state {state}"
            if before and before != after:
                assert (TaskState(before), TaskState(after)) in TRANSITIONS, f"{task_id}: {event}"
            state = after


def never_oversubscribed(past: Past) -> None:
    """S13."""
    for event, held in past.with_leases():
        if event.type == EventType.TASK_LEASED:
            tasks = held[event.agent_id]
            assert len(tasks) <= past.slots[event.agent_id], f"{event.agent_id} holds {tasks}"
            assert sum(past.needs[task] for task in tasks) <= past.gpus[event.agent_id], f"{event.agent_id}: {tasks}"


def no_lease_after_a_drain(past: Past) -> None:
    """S14: nor after a cordon, nor without a stream."""
    states: dict[str, int] = {}
    cordoned: set[str] = set()
    for event in past.events:
        if event.type == EventType.TASK_LEASED:
            assert states.get(event.agent_id) == AgentState.READY, f"{event.task_id} to {event.agent_id}, not ready"
            assert event.agent_id not in cordoned, f"{event.task_id} to {event.agent_id}, cordoned"
        elif event.type == EventType.AGENT_CORDONED:
            cordoned.add(event.agent_id)
        elif event.type == EventType.AGENT_UNCORDONED:
            cordoned.discard(event.agent_id)
        if event.data.agent_state:
            states[event.agent_id] = event.data.agent_state


def a_drain_is_done_when_nothing_is_held(past: Past) -> None:
    """S9, S14: an ordered drain takes nothing new, whatever process the agent is, and its end is told once."""
    draining: dict[str, bool] = {}  # and whether it is done
    for event, held in past.with_leases():
        agent_id = event.agent_id
        if event.type == EventType.TASK_LEASED:
            assert agent_id not in draining, f"{event.task_id} to {agent_id}, ordered to drain"
        elif event.type == EventType.AGENT_DRAINING and event.data.message.startswith("what has started"):
            draining[agent_id] = False
        elif event.type == EventType.AGENT_DRAINED:
            assert draining.get(agent_id) is False, f"{agent_id} is drained, and was not draining"
            assert not held[agent_id], f"{agent_id} is drained, and holds {held[agent_id]}"
            draining[agent_id] = True
        elif event.type == EventType.AGENT_RESUMED:
            del draining[agent_id]
    for agent_id, done in draining.items():
        assert done or held[agent_id], f"{agent_id} holds nothing, and its drain is not done"


def a_new_process_supersedes_the_old_one_for_good(past: Past) -> None:
    """S17: it begins with nothing of the old one's, and that never comes back."""
    current: dict[str, str] = {}
    gone: set[tuple[str, str]] = set()
    for event, held in past.with_leases():
        if event.type != EventType.AGENT_CONNECTED:
            continue
        agent_id, before = event.agent_id, current.get(event.agent_id, "")
        incarnation = past.incarnations[(agent_id, event.data.version)]
        assert (agent_id, incarnation) not in gone, f"{agent_id}: {incarnation} is back"
        if before not in ("", incarnation):
            gone.add((agent_id, before))
            assert not held[agent_id], f"{agent_id}: a new process holds {held[agent_id]}"
        current[agent_id] = incarnation


def nothing_goes_before_what_it_depends_on(past: Past) -> None:
    """A task is blocked until all of them have ended, and goes on only if they have succeeded, or need not."""
    states: dict[str, int] = {}
    for event in past.events:
        if not event.task_id:
            continue
        states[event.task_id] = event.data.to_state
        if event.data.to_state not in GOES_ON:
            continue
        for other in past.depends_on.get(event.task_id, ()):
            enough = TERMINAL if event.task_id in past.runs_anyway else {TaskState.SUCCEEDED}
            assert states[other] in enough, f"{event.task_id} goes on, and {other} is {states[other]}"


def nothing_waits_for_what_has_ended(past: Past) -> None:
    """A task that is blocked still has something to wait for, and as much of it as it says."""
    last = {task_id: events[-1].data for task_id, events in past.of_tasks().items()}
    for task_id, data in last.items():
        if data.to_state == TaskState.BLOCKED:
            open_ones = [other for other in past.depends_on[task_id] if last[other].to_state not in TERMINAL]
            assert open_ones, f"{task_id} waits for nothing"
            assert data.blockers == len(open_ones), f"{task_id}: {data.blockers} blockers, {open_ones} have not ended"


PROMISES = (
    one_task_per_request_id,
    one_lease_at_a_time_and_tokens_only_rise,
    only_the_holder_is_heard,
    one_outcome_per_attempt,
    terminal_is_final,
    attempts_are_bounded,
    only_edges_of_the_table,
    never_oversubscribed,
    no_lease_after_a_drain,
    a_drain_is_done_when_nothing_is_held,
    a_new_process_supersedes_the_old_one_for_good,
    nothing_goes_before_what_it_depends_on,
    nothing_waits_for_what_has_ended,
)
