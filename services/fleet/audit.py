"""Judges a run from the outside: what was acknowledged, what the API shows and what the feed told must agree.

Pure functions over plain values, after the manner of Jepsen's checkers; where the values come from (SSE, gRPC, a file)
is the caller's business. The demo, the end-to-end tests and the fault runs all judge with these. The numbers (S1, L1)
are those of the invariants in ARCHITECTURE.md.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from services.domain.event import EventType
from services.domain.task import HELD, TERMINAL, TRANSITIONS, TaskState
from services.domain.task_filter import WAITING

# Kinds of findings.
LOST, DUPLICATED, UNEXPECTED, STUCK = "lost", "duplicated", "unexpected", "stuck"
ACCEPTED_TWICE, GAP, ILLEGAL_EDGE, DIFFERENT = "accepted twice", "gap in the feed", "illegal edge", "feed differs"


@dataclass(frozen=True)
class Acknowledged:
    """One submit that was answered with OK: an entry of the submitter's ledger."""

    request_id: str
    task_id: str


@dataclass(frozen=True)
class SeenEvent:
    """One entry of the feed, as a follower got it."""

    sequence: int
    type: EventType
    task_id: str = ""
    agent_id: str = ""
    token: int = 0
    from_state: TaskState | None = None
    to_state: TaskState | None = None
    version: int = 0
    outcome: int = 0
    time_micros: int = 0


@dataclass(frozen=True)
class SeenTask:
    """One task, as the API showed it when all was quiet."""

    id: str
    request_id: str
    state: TaskState
    version: int
    token: int
    agent_id: str


@dataclass(frozen=True)
class FoldedTask:
    """What the feed alone says of a task."""

    state: TaskState
    version: int
    token: int
    agent_id: str


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: its kind, what it is about, and a sentence."""

    kind: str
    subject: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.subject}: {self.sentence}"


def audit(ledger: Iterable[Acknowledged], tasks: Sequence[SeenTask], events: Sequence[SeenEvent]) -> list[Finding]:
    """Everything that is wrong with a run that has come to rest; empty if nothing is.

    `events` is the whole feed from its beginning, in the order in which it arrived.
    """
    ledger = list(ledger)
    return [
        *lost(ledger, tasks),
        *duplicated(ledger, tasks),
        *stuck(tasks),
        *gaps(events),
        *illegal_edges(events),
        *accepted_twice(tasks, events),
        *differences(tasks, events),
    ]


def lost(ledger: Iterable[Acknowledged], tasks: Iterable[SeenTask]) -> list[Finding]:
    """S1: submits that were acknowledged and are not there."""
    present = {task.id for task in tasks}
    return [
        Finding(LOST, entry.task_id, f"request {entry.request_id} was acknowledged, the API has no such task")
        for entry in ledger
        if entry.task_id not in present
    ]


def duplicated(ledger: Iterable[Acknowledged], tasks: Iterable[SeenTask]) -> list[Finding]:
    """S2: request ids with more than one task, in the answers or in the tables."""
    ids: dict[str, set[str]] = defaultdict(set)
    for entry in ledger:
        ids[entry.request_id].add(entry.task_id)
    for task in tasks:
        if task.request_id:
            ids[task.request_id].add(task.id)
    return [
        Finding(DUPLICATED, request_id, f"has the tasks {', '.join(sorted(found))}")
        for request_id, found in ids.items()
        if len(found) > 1
    ]


def stuck(tasks: Iterable[SeenTask]) -> list[Finding]:
    """L1, L4: tasks that did not end."""
    return [
        Finding(STUCK, task.id, f"is still {task.state.name}, held by {task.agent_id or 'nobody'}")
        for task in tasks
        if task.state not in TERMINAL
    ]


def gaps(events: Iterable[SeenEvent], first: int = 1) -> list[Finding]:
    """S10, S11: the sequence is dense from `first` on, in the order of arrival."""
    found = []
    expected = first
    for event in events:
        if event.sequence != expected:
            found.append(Finding(GAP, f"sequence {event.sequence}", f"arrived where {expected} was due"))
        expected = event.sequence + 1
    return found


def illegal_edges(events: Iterable[SeenEvent]) -> list[Finding]:
    """S3, S8, S9: each task's events are a path through the transition table, and its version counts them.

    Its token only rises, by one with each grant, and what a holder does carries the token of its grant.
    """
    found = []
    now: dict[str, FoldedTask] = {}
    for event in events:
        if not event.task_id or event.to_state is None:
            continue
        wrong = _wrong_step(now.get(event.task_id), event)
        if wrong:
            found.append(Finding(ILLEGAL_EDGE, event.task_id, f"{wrong} at sequence {event.sequence}"))
        now[event.task_id] = _after(now.get(event.task_id), event)
    return found


def accepted_twice(tasks: Iterable[SeenTask], events: Iterable[SeenEvent]) -> list[Finding]:
    """S5, S6: exactly one terminal event for each task that ended, and none for the others."""
    ends = Counter(event.task_id for event in events if event.to_state in TERMINAL)
    return [
        Finding(ACCEPTED_TWICE, task.id, f"is {task.state.name} and has {ends[task.id]} terminal events")
        for task in tasks
        if ends[task.id] != (task.state in TERMINAL)
    ]


def differences(tasks: Iterable[SeenTask], events: Iterable[SeenEvent]) -> list[Finding]:
    """S9: the events, folded, are what the API shows, and speak of no other task."""
    folded = fold(events)
    found = []
    for task in tasks:
        shown = FoldedTask(task.state, task.version, task.token, task.agent_id)
        told = folded.pop(task.id, None)
        if told != shown:
            found.append(Finding(DIFFERENT, task.id, f"the API shows {shown}, the feed folds to {told}"))
    found += [Finding(UNEXPECTED, task_id, "is in the feed and not in the API") for task_id in folded]
    return found


def fold(events: Iterable[SeenEvent]) -> dict[str, FoldedTask]:
    """Every task as the feed tells it."""
    now: dict[str, FoldedTask] = {}
    for event in events:
        if event.task_id and event.to_state is not None:
            now[event.task_id] = _after(now.get(event.task_id), event)
    return now


def redelivered(events: Iterable[SeenEvent]) -> set[str]:
    """The tasks that were given to an agent and came back to be given to another."""
    return {event.task_id for event in events if event.type is EventType.TASK_REQUEUED}


def unaccounted(ledger: Iterable[Acknowledged], tasks: Iterable[SeenTask], doubtful: Collection[str]) -> list[Finding]:
    """Tasks that nobody submitted. `doubtful` are request ids whose submit was not answered: either is right."""
    known = {entry.request_id for entry in ledger} | set(doubtful)
    return [
        Finding(UNEXPECTED, task.id, f"nobody submitted the request {task.request_id!r}")
        for task in tasks
        if task.request_id not in known
    ]


def _after(before: FoldedTask | None, event: SeenEvent) -> FoldedTask:
    assert event.to_state is not None
    token = max(event.token, before.token if before else 0)
    if event.to_state in HELD:
        agent_id = event.agent_id
    elif event.to_state in TERMINAL and before is not None:
        agent_id = before.agent_id
    else:
        agent_id = ""
    return FoldedTask(event.to_state, event.version, token, agent_id)


def _wrong_step(before: FoldedTask | None, event: SeenEvent) -> str:
    """What is wrong with this event after what came before; empty if nothing is."""
    assert event.to_state is not None
    if before is None:
        created = event.type is EventType.TASK_CREATED and event.version == 1
        return "" if created else f"the first event is {event.type.name} with version {event.version}"
    return _wrong_edge(before, event, event.to_state) or _wrong_token(before, event, event.to_state)


def _wrong_edge(before: FoldedTask, event: SeenEvent, to: TaskState) -> str:
    if event.version != before.version + 1:
        return f"version {event.version} after {before.version}"
    if event.from_state != before.state:
        return f"from {event.from_state and event.from_state.name} though it was {before.state.name}"
    if before.state != to and (before.state, to) not in TRANSITIONS:
        return f"{before.state.name} to {to.name}"
    if event.type is EventType.TASK_CHANGED and to not in WAITING:
        return f"another queue or priority while it was {to.name}"
    return ""


def _wrong_token(before: FoldedTask, event: SeenEvent, to: TaskState) -> str:
    if (before.state, to) == (TaskState.PENDING, TaskState.LEASED):
        return "" if event.token == before.token + 1 else f"token {event.token} granted after {before.token}"
    if before.state in HELD and event.token != before.token:
        return f"{event.type.name} with token {event.token}, the current one is {before.token}"
    return ""
