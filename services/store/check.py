"""Checks a database against what it promises.

It is whole, its log is dense, the log's fold equals the tables, and counters equal counts.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, text

from services.domain.event import EventType
from services.domain.task import HELD, TRANSITIONS
from services.store import schema

LAST_TASK_EVENT = """
WITH last AS (SELECT task_id, max(sequence) AS sequence FROM events WHERE task_id <> '' GROUP BY task_id)
SELECT t.id, t.version, t.state, t.token, t.failures, t.redeliveries,
       json_extract(e.data, '$[0]') AS event_version, json_extract(e.data, '$[2]') AS event_state,
       json_extract(e.data, '$[3]') AS event_token, json_extract(e.data, '$[4]') AS event_failures,
       json_extract(e.data, '$[5]') AS event_redeliveries
FROM tasks AS t LEFT JOIN last ON last.task_id = t.id LEFT JOIN events AS e ON e.sequence = last.sequence
WHERE e.sequence IS NULL OR t.version <> event_version OR t.state <> event_state OR t.token <> event_token
   OR t.failures <> event_failures OR t.redeliveries <> event_redeliveries
LIMIT 20
"""

EDGES = """
SELECT json_extract(data, '$[1]') AS before, json_extract(data, '$[2]') AS after, min(sequence) AS sequence
FROM events WHERE task_id <> '' GROUP BY before, after
"""

SKIPPED_VERSIONS = """
SELECT task_id, count(*) AS events, max(json_extract(data, '$[0]')) AS version
FROM events WHERE task_id <> '' GROUP BY task_id HAVING events <> version LIMIT 20
"""

COUNTERS = f"""
SELECT a.namespace, a.id, a.leases, a.started,
       count(t.id) AS held, coalesce(sum(t.state = 4), 0) AS running
FROM agents AS a LEFT JOIN tasks AS t
  ON t.namespace = a.namespace AND t.agent_id = a.id AND t.state IN ({schema.states(HELD)})
GROUP BY a.namespace, a.id HAVING a.leases <> held OR a.started <> running LIMIT 20
"""

TERMINAL_EVENTS = f"""
SELECT task_id, count(*) AS endings FROM events
WHERE type IN ({int(EventType.TASK_SUCCEEDED)}, {int(EventType.TASK_FAILED)}, {int(EventType.TASK_CANCELLED)},
               {int(EventType.TASK_EXPIRED)})
GROUP BY task_id HAVING endings > 1 LIMIT 20
"""


class Finding(msgspec.Struct, frozen=True):
    """Something that is not as it must be: the name of the check, and what was found."""

    check: str
    message: str


def check(connection: Connection) -> list[Finding]:
    """Runs every check; an empty list means that the database keeps its promises.

    Reads everything: minutes for a large one.
    """
    return [
        *integrity(connection),
        *dense(connection),
        *folded(connection),
        *edges(connection),
        *counters(connection),
        *endings(connection),
    ]


def integrity(connection: Connection) -> list[Finding]:
    """The file itself."""
    rows = connection.execute(text("PRAGMA integrity_check(20)")).scalars()
    return [Finding("integrity", row) for row in rows if row != "ok"]


def dense(connection: Connection) -> list[Finding]:
    """The log has every number from the first that is kept to the head."""
    head, first = connection.execute(text("SELECT head, first FROM feed")).one()
    low, high, count = connection.execute(text("SELECT min(sequence), max(sequence), count(*) FROM events")).one()
    if count == 0:
        return [] if head == first - 1 else [Finding("sequence", f"the head is {head}, and there are no events")]
    if (low, high, count) != (first, head, head - first + 1):
        return [Finding("sequence", f"events {low} to {high}, {count} of them; expected {first} to {head}")]
    return []


def folded(connection: Connection) -> list[Finding]:
    """The last event of each task says what its row says, and no version is without an event."""
    found = [
        Finding("fold", f"task {row.id}: version {row.version} in the table, {row.event_version} in the log")
        for row in connection.execute(text(LAST_TASK_EVENT))
    ]
    trimmed = connection.execute(text("SELECT first FROM feed")).scalar_one() > 1
    if not trimmed:
        found += [
            Finding("fold", f"task {row.task_id}: {row.events} events, but version {row.version}")
            for row in connection.execute(text(SKIPPED_VERSIONS))
        ]
    return found


def edges(connection: Connection) -> list[Finding]:
    """Every change of state in the log is in the transition table."""
    allowed = {(int(before), int(after)) for before, after in TRANSITIONS} | {(0, 1), (0, 2)}
    return [
        Finding("transition", f"{row.before} -> {row.after}, first at sequence {row.sequence}")
        for row in connection.execute(text(EDGES))
        if row.before != row.after and (row.before, row.after) not in allowed
    ]


def counters(connection: Connection) -> list[Finding]:
    """Each agent's counters equal a count over the tasks."""
    return [
        Finding("counters", f"agent {row.id}: {row.leases}/{row.started} counted, {row.held}/{row.running} held")
        for row in connection.execute(text(COUNTERS))
    ]


def endings(connection: Connection) -> list[Finding]:
    """No task ended twice."""
    return [
        Finding("terminal", f"task {row.task_id} ended {row.endings} times")
        for row in connection.execute(text(TERMINAL_EVENTS))
    ]
