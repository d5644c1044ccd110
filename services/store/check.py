"""Checks a database against what it promises.

It is whole, its log is dense, the log's fold equals the tables, and counters equal counts.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import msgspec
from sqlalchemy import Connection, text

from services.domain.event import DRAIN_OVER, EventType, Stuck
from services.domain.policy import AdmissionState
from services.domain.requirements import WaitReason
from services.domain.task import HELD, TERMINAL, TRANSITIONS, TaskState
from services.store import schema
from services.store.backlog import decode_requirements
from services.store.check_schedules import schedule_faults

# Each event of the log as a row of its own, for the time of the check.
EVENT_ROWS = {
    "sqlite": """
CREATE TEMP TABLE event_rows AS
SELECT c.first + e.key AS sequence, c.last AS chunk,
       json_extract(e.value, '$[0]') AS type, json_extract(e.value, '$[2]') AS namespace,
       json_extract(e.value, '$[3]') AS queue, json_extract(e.value, '$[4]') AS task_id,
       json_extract(e.value, '$[5]') AS agent_id,
       json_extract(e.value, '$[6][0]') AS version, json_extract(e.value, '$[6][1]') AS before,
       json_extract(e.value, '$[6][2]') AS after, json_extract(e.value, '$[6][3]') AS token,
       json_extract(e.value, '$[6][4]') AS failures, json_extract(e.value, '$[6][5]') AS redeliveries,
       json_extract(e.value, '$[6][8]') AS agent_state, json_extract(e.value, '$[6][15]') AS blockers,
       json_extract(e.value, '$[6][7]') AS schedule_time,
       coalesce(json_extract(e.value, '$[6][16]'), '') AS schedule,
       json_extract(e.value, '$[6][9]') AS priority, json_extract(e.value, '$[6][12]') AS message,
       json_extract(e.value, '$[6][17]') AS stuck
FROM event_chunks AS c, json_each(c.events) AS e
""",
    "postgresql": """
CREATE TEMP TABLE event_rows AS
SELECT c.first + e.place - 1 AS sequence, c.last AS chunk,
       (e.value ->> 0)::int AS type, e.value ->> 2 AS namespace, e.value ->> 3 AS queue, e.value ->> 4 AS task_id,
       e.value ->> 5 AS agent_id,
       (e.value -> 6 ->> 0)::bigint AS version, (e.value -> 6 ->> 1)::int AS before,
       (e.value -> 6 ->> 2)::int AS after, (e.value -> 6 ->> 3)::bigint AS token,
       (e.value -> 6 ->> 4)::int AS failures, (e.value -> 6 ->> 5)::int AS redeliveries,
       (e.value -> 6 ->> 8)::int AS agent_state, (e.value -> 6 ->> 15)::int AS blockers,
       (e.value -> 6 ->> 7)::bigint AS schedule_time,
       coalesce(e.value -> 6 ->> 16, '') AS schedule, (e.value -> 6 ->> 9)::int AS priority,
       e.value -> 6 ->> 12 AS message, e.value -> 6 ->> 17 AS stuck
FROM event_chunks AS c, json_array_elements(c.events::json) WITH ORDINALITY AS e (value, place)
""",
}
EVENT_ROWS_INDEX = {
    "sqlite": "CREATE INDEX temp.event_rows_task ON event_rows (task_id, sequence)",
    "postgresql": "CREATE INDEX ON event_rows (task_id, sequence)",
}
NO_EVENT_ROWS = "DROP TABLE IF EXISTS event_rows"

LAST_TASK_EVENT = """
WITH last AS (SELECT task_id, max(sequence) AS sequence FROM event_rows
              WHERE task_id <> '' AND schedule = '' GROUP BY task_id)
SELECT t.id, t.version, e.version AS event_version
FROM tasks AS t LEFT JOIN last ON last.task_id = t.id
     LEFT JOIN event_rows AS e ON e.task_id = t.id AND e.sequence = last.sequence
WHERE (e.sequence IS NULL AND :whole = 1) OR t.version <> e.version OR t.state <> e.after OR t.token <> e.token
   OR t.failures <> e.failures OR t.redeliveries <> e.redeliveries OR t.blockers <> coalesce(e.blockers, 0)
   OR t.queue <> e.queue
LIMIT 20
"""

PRIORITIES = f"""
WITH last AS (SELECT task_id, max(sequence) AS sequence FROM event_rows
              WHERE type IN ({int(EventType.TASK_CREATED)}, {int(EventType.TASK_CHANGED)}) GROUP BY task_id)
SELECT t.id, t.priority, e.priority AS told FROM last
JOIN event_rows AS e ON e.task_id = last.task_id AND e.sequence = last.sequence
JOIN tasks AS t ON t.id = last.task_id WHERE t.priority <> e.priority LIMIT 20
"""

EDGES = """
SELECT before, after, min(sequence) AS sequence
FROM event_rows WHERE task_id <> '' AND schedule = ''
GROUP BY before, after
"""

SKIPPED_VERSIONS = """
SELECT task_id, count(*) AS events, max(version) AS version
FROM event_rows WHERE task_id <> '' AND schedule = '' GROUP BY task_id HAVING count(*) <> max(version) LIMIT 20
"""

# Chunks that do not begin where the one before ended, or hold another number of events than they say.
GAPS = """
WITH counted AS (SELECT chunk, count(*) AS events FROM event_rows GROUP BY chunk),
     chunks AS (SELECT first, last, lag(last) OVER (ORDER BY last) AS before FROM event_chunks)
SELECT first, last, before, coalesce(events, 0) AS events FROM chunks LEFT JOIN counted ON chunk = last
WHERE (before IS NOT NULL AND first <> before + 1) OR coalesce(events, 0) <> last - first + 1
LIMIT 20
"""

# Tasks with an event that their own history does not lead to.
LOST_TASKS = """
SELECT DISTINCT e.task_id AS task_id FROM event_rows AS e
WHERE e.task_id <> '' AND NOT EXISTS (SELECT 1 FROM event_tasks AS t WHERE t.task_id = e.task_id AND t.last = e.chunk)
LIMIT 20
"""

COUNTERS = f"""
SELECT * FROM (
  SELECT a.namespace, a.id, a.leases, a.started,
         count(t.id) AS held, coalesce(sum(CASE WHEN t.state = 4 THEN 1 ELSE 0 END), 0) AS running
  FROM agents AS a LEFT JOIN tasks AS t
    ON t.namespace = a.namespace AND t.agent_id = a.id AND t.state IN ({schema.states(HELD)})
  GROUP BY a.namespace, a.id, a.leases, a.started
) AS counted WHERE leases <> held OR started <> running LIMIT 20
"""

# A blocked task waits for as many tasks as it says, and no other one waits for any.
BLOCKERS = f"""
SELECT * FROM (
  SELECT t.id, t.state, t.blockers, count(d.depends_on) AS links
  FROM tasks AS t LEFT JOIN dependencies AS d ON d.task_id = t.id
  WHERE t.state = {int(TaskState.BLOCKED)} OR t.blockers > 0 OR d.depends_on IS NOT NULL
  GROUP BY t.id, t.state, t.blockers
) AS counted WHERE blockers <> links OR state <> {int(TaskState.BLOCKED)} LIMIT 20
"""

# What is waited for is there, has not ended, and has the mark by which its end looks for those that wait.
WAITED_FOR = f"""
SELECT d.depends_on, d.task_id, t.state, t.has_dependents
FROM dependencies AS d LEFT JOIN tasks AS t ON t.id = d.depends_on
WHERE t.id IS NULL OR t.state IN ({schema.states(TERMINAL)}) OR NOT t.has_dependents LIMIT 20
"""

# What the tasks that each agent holds need, by distinct needs.
HELD_NEEDS = f"""
SELECT t.namespace, t.agent_id, n.requirements, count(*) AS tasks
FROM tasks AS t JOIN needs AS n ON n.id = t.needs_id WHERE t.state IN ({schema.states(HELD)})
GROUP BY t.namespace, t.agent_id, n.requirements
"""
IN_USE = "SELECT namespace, id, resources_used FROM agents"

# What the log says of agents and queues, apart from their tasks.
FLEET_EVENTS = """
SELECT type, namespace, queue, agent_id, version, agent_state, message FROM event_rows
WHERE task_id = '' AND schedule = '' AND stuck IS NULL ORDER BY sequence
"""
STUCK_EVENTS = """
SELECT namespace, queue, stuck FROM event_rows WHERE stuck IS NOT NULL ORDER BY sequence
"""
STUCK_GROUPS = """
SELECT namespace, queue, kind, priority, needs_id, reason, never, message FROM stuck_groups
"""
AGENTS = "SELECT namespace, id, session, state, cordoned, drain_mode, leases FROM agents"
QUEUES = "SELECT namespace, name, version, paused, admission FROM queues"

TERMINAL_EVENTS = f"""
SELECT task_id, count(*) AS endings FROM event_rows
WHERE type IN ({int(EventType.TASK_SUCCEEDED)}, {int(EventType.TASK_FAILED)}, {int(EventType.TASK_CANCELLED)},
               {int(EventType.TASK_EXPIRED)})
GROUP BY task_id HAVING count(*) > 1 LIMIT 20
"""


# Sums of doubles.
RESOURCE_TOLERANCE = 1e-6

decode_stuck = msgspec.json.Decoder(Stuck).decode
decode_resources = msgspec.json.Decoder(dict[str, float]).decode


class Finding(msgspec.Struct, frozen=True):
    """Something that is not as it must be: the name of the check, and what was found."""

    check: str
    message: str


class ToldAgent(msgspec.Struct):
    """An agent as the log tells of it."""

    session: int = 0
    state: int = 0
    cordoned: bool | None = False  # None: in logs of earlier versions an ordered drain also cordoned
    drained: bool = False

    def hear(self, type_: int, session: int, state: int, message: str) -> None:
        """Its next event."""
        self.session, self.state = session, state
        if type_ == EventType.AGENT_CORDONED:
            self.cordoned = True
        elif type_ == EventType.AGENT_UNCORDONED:
            self.cordoned = False
        elif type_ == EventType.AGENT_DRAINING and not self.cordoned:
            self.cordoned = None
        elif type_ in (EventType.AGENT_DRAINED, EventType.AGENT_RESUMED):
            self.drained = type_ == EventType.AGENT_DRAINED
        if message == DRAIN_OVER:
            self.drained = False

    def agrees(self, row: Any) -> bool:
        """Whether its row says the same."""
        if self.drained and (not row.drain_mode or row.leases):
            return False
        return (row.session, row.state) == (self.session, self.state) and self.cordoned in (None, bool(row.cordoned))


class ToldQueue(msgspec.Struct):
    """A queue as the log tells of it."""

    version: int = 0
    paused: bool = False
    admission: int = AdmissionState.NORMAL

    def hear(self, type_: int, version: int, message: str) -> None:
        """Its next event. How new tasks are treated is the first word of its message."""
        self.version = version
        if type_ == EventType.QUEUE_ADMISSION:
            self.admission = AdmissionState[message.partition(":")[0].upper()]
        if type_ in (EventType.QUEUE_PAUSED, EventType.QUEUE_RESUMED):
            self.paused = type_ == EventType.QUEUE_PAUSED


def check(connection: Connection) -> list[Finding]:
    """Runs every check; an empty list means that the database keeps its promises.

    Reads everything: minutes for a large one.
    """
    dialect = connection.dialect.name
    for statement in (NO_EVENT_ROWS, EVENT_ROWS[dialect], EVENT_ROWS_INDEX[dialect]):
        connection.execute(text(statement))
    findings = [
        *integrity(connection),
        *dense(connection),
        *folded(connection),
        *edges(connection),
        *folded_fleet(connection),
        *(Finding("fold", message) for message in schedule_faults(connection)),
        *folded_stuck(connection),
        *counters(connection),
        *resources(connection),
        *blockers(connection),
        *endings(connection),
    ]
    connection.execute(text(NO_EVENT_ROWS))
    return findings


def integrity(connection: Connection) -> list[Finding]:
    """The file itself. PostgreSQL looks after its own."""
    if connection.dialect.name != "sqlite":
        return []
    rows = connection.execute(text("PRAGMA integrity_check(20)")).scalars()
    return [Finding("integrity", row) for row in rows if row != "ok"]


def dense(connection: Connection) -> list[Finding]:
    """The log has every number from the first that is kept to the head, and each task finds its own."""
    head, first = connection.execute(text("SELECT head, first FROM feed")).one()
    low, high = connection.execute(text("SELECT min(first), max(last) FROM event_chunks")).one()
    if low is None:
        return [] if head == first - 1 else [Finding("sequence", f"the head is {head}, and there are no events")]
    found = [
        Finding("sequence", f"{row.events} events in {row.first} to {row.last}, after {row.before}")
        for row in connection.execute(text(GAPS))
    ]
    if low > first or high != head:
        found.append(Finding("sequence", f"events {low} to {high}; expected {first} to {head}"))
    return found + [
        Finding("history", f"task {row.task_id}: an event of it is not in its history")
        for row in connection.execute(text(LOST_TASKS))
    ]


def folded(connection: Connection) -> list[Finding]:
    """The last event of each task says what its row says, and no version is without an event.

    Of a log that was trimmed, what is left must agree with the rows.
    """
    whole = connection.execute(text("SELECT first FROM feed")).scalar_one() == 1
    found = [
        Finding("fold", f"task {row.id}: version {row.version} in the table, {row.event_version} in the log")
        for row in connection.execute(text(LAST_TASK_EVENT), {"whole": int(whole)})
    ]
    found += [
        Finding("fold", f"task {row.id}: priority {row.priority} in the table, {row.told} in the log")
        for row in connection.execute(text(PRIORITIES))
    ]
    if whole:
        found += [
            Finding("fold", f"task {row.task_id}: {row.events} events, but version {row.version}")
            for row in connection.execute(text(SKIPPED_VERSIONS))
        ]
    return found


def folded_fleet(connection: Connection) -> list[Finding]:
    """Agents and queues are as their events left them. Of a log that was trimmed, nothing can be said."""
    if connection.execute(text("SELECT first FROM feed")).scalar_one() != 1:
        return []
    agents: defaultdict[tuple[str, str], ToldAgent] = defaultdict(ToldAgent)
    queues: defaultdict[tuple[str, str], ToldQueue] = defaultdict(ToldQueue)
    for row in connection.execute(text(FLEET_EVENTS)):
        if row.agent_id:
            agents[(row.namespace, row.agent_id)].hear(row.type, row.version, row.agent_state, row.message)
        else:
            queues[(row.namespace, row.queue)].hear(row.type, row.version, row.message)
    kept_agents = {(row.namespace, row.id): row for row in connection.execute(text(AGENTS))}
    kept_queues = {(row.namespace, row.name): row for row in connection.execute(text(QUEUES))}
    return [
        *(
            Finding("fold", f"agent {key[1]}: {kept and tuple(kept[2:])} in the table, {agents[key]} in the log")
            for key in sorted({*kept_agents, *agents})
            if (kept := kept_agents.get(key)) is None or not agents[key].agrees(kept)
        ),
        *(
            Finding("fold", f"queue {key[1]}: {kept and tuple(kept[2:])} in the table, {queues[key]} in the log")
            for key in sorted({*kept_queues, *queues})
            if (kept := kept_queues.get(key)) is None
            or queues[key] != ToldQueue(kept.version, bool(kept.paused), kept.admission)
        ),
    ]


def folded_stuck(connection: Connection) -> list[Finding]:
    """What cannot be placed is as the last events tell it. Of a log that was trimmed, nothing can be said."""
    if connection.execute(text("SELECT first FROM feed")).scalar_one() != 1:
        return []
    told: dict[tuple[str, str, int, str], Stuck] = {}
    for row in connection.execute(text(STUCK_EVENTS)):
        stuck = decode_stuck(row.stuck)
        told[(row.namespace, row.queue, stuck.priority, stuck.needs_id)] = stuck
    left = {key: stuck for key, stuck in told.items() if stuck.reason}
    kept = {
        (row.namespace, row.queue, row.priority, row.needs_id): Stuck(
            row.kind, row.priority, row.needs_id, WaitReason(row.reason), bool(row.never), row.message
        )
        for row in connection.execute(text(STUCK_GROUPS))
    }
    return [
        Finding("fold", f"tasks of {key}: {kept.get(key)} in the table, {left.get(key)} in the log")
        for key in sorted({*kept, *left})
        if kept.get(key) != left.get(key)
    ]


def edges(connection: Connection) -> list[Finding]:
    """Every change of state in the log is in the transition table."""
    allowed = {(int(before), int(after)) for before, after in TRANSITIONS} | {(0, 1), (0, 2), (0, 9)}
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


def resources(connection: Connection) -> list[Finding]:
    """What each agent has in use is what the tasks that it holds need."""
    needed: dict[tuple[str, str], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for row in connection.execute(text(HELD_NEEDS)):
        for name, amount in decode_requirements(row.requirements).resources.items():
            needed[(row.namespace, row.agent_id)][name] += amount * row.tasks
    found = []
    for agent in connection.execute(text(IN_USE)):
        used: dict[str, float] = decode_resources(agent.resources_used)
        wanted = needed[(agent.namespace, agent.id)]
        if any(abs(used.get(name, 0.0) - wanted[name]) > RESOURCE_TOLERANCE for name in {*used, *wanted}):
            found.append(Finding("resources", f"agent {agent.id}: {used} in use, {dict(wanted)} needed"))
    return found


def blockers(connection: Connection) -> list[Finding]:
    """What blocked tasks wait for: as many as they say, and none that has ended.

    While a coordinator works one may have ended a moment ago: its dependents are moved on in further flushes.
    """
    counts = [
        Finding("blockers", f"task {row.id}: {row.blockers} blockers in state {row.state}, {row.links} dependencies")
        for row in connection.execute(text(BLOCKERS))
    ]
    return counts + [
        Finding("blockers", f"task {row.task_id} waits for {row.depends_on}, in state {row.state or 'unknown'}")
        for row in connection.execute(text(WAITED_FOR))
    ]


def endings(connection: Connection) -> list[Finding]:
    """No task ended twice."""
    return [
        Finding("terminal", f"task {row.task_id} ended {row.endings} times")
        for row in connection.execute(text(TERMINAL_EVENTS))
    ]
