"""The schema, one for SQLite and PostgreSQL, and where each invariant stands a second time as a constraint.

    tasks          the narrow state row: small, changed often. The current lease is part of it, so there is at most one
    task_details   what does not change, or is large: the submitted document, labels, the last checkpoint and progress
    attempts       leases that have ended, with the outcome as it was reported
    requests       which task a request id belongs to
    needs          each distinct set of requirements, once
    agents, queues
    dependencies   which tasks wait for which
    schedules      what makes tasks by the clock
    stuck_groups   why tasks of a queue with the same needs cannot be placed
    event_chunks   the feed, numbered without gaps; event_tasks finds a task in it
    feed           one row: the counter that numbers it, and the epoch
    coordinators   one row each: its term, which is the fence of every transaction
    shards         which coordinator looks after which part of the tasks
    scheduler      one row: which scheduler is the active one, and its term

Instants are integers: microseconds since 1970 UTC, 0 for "never". Documents (specs, outputs, checkpoints) are bytes
as the wire carries them, opaque here; small structured values are JSON text.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import TEXT

from services.domain.task import HELD, TERMINAL, TaskState

SCHEMA_VERSION = 3
UNSUCCESSFUL = TERMINAL - {TaskState.SUCCEEDED}

metadata = MetaData()

# Keys sort by their bytes on both databases: ids by the time of their making, names as the pages of lists expect.
Key = Text().with_variant(TEXT(collation="C"), "postgresql")


def states(values: frozenset[TaskState]) -> str:
    """A list for SQL's IN, out of the domain's own sets."""
    return ", ".join(str(int(state)) for state in sorted(values))


tasks = Table(
    "tasks",
    metadata,
    Column("id", Key, primary_key=True),
    Column("namespace", Key, nullable=False),
    Column("queue", Key, nullable=False),
    Column("kind", Text, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("needs_id", Key, nullable=False),
    Column("affinity_key", Text, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("create_time", BigInteger, nullable=False),
    Column("queued_time", BigInteger, nullable=False),
    Column("wake_time", BigInteger, nullable=False),
    Column("grant_time", BigInteger, nullable=False),
    Column("start_time", BigInteger, nullable=False),
    Column("end_time", BigInteger, nullable=False),
    Column("cancel_request_time", BigInteger, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("agent_id", Key, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("redeliveries", Integer, nullable=False),
    Column("failure_reason", SmallInteger, nullable=False),
    Column("queue_limit_micros", BigInteger, nullable=False),
    Column("run_limit_micros", BigInteger, nullable=False),
    Column("retry_of", Text, nullable=False),
    Column("request_id", Key, nullable=False),
    Column("shard", SmallInteger, nullable=False, server_default="0"),
    Column("fairness_key", Key, nullable=False, server_default=""),
    # How many of the tasks that it depends on have not ended, and what becomes of it if one does not succeed.
    Column("blockers", Integer, nullable=False, server_default="0"),
    Column("dependency_policy", SmallInteger, nullable=False, server_default="0"),
    # Whether another task ever waited for it: only then its end looks for dependents.
    Column("has_dependents", Boolean(create_constraint=False), nullable=False, server_default=false()),
    Column("retry", Text),
    Column("avoid", Text),
    CheckConstraint(f"state BETWEEN {min(TaskState)} AND {max(TaskState)}", name="tasks_state"),
    # Held means: by an agent, under a token, since a grant; running means started.
    CheckConstraint(
        f"state NOT IN ({states(HELD)}) OR (agent_id <> '' AND token > 0 AND grant_time > 0)", name="tasks_held"
    ),
    CheckConstraint(f"state <> {int(TaskState.RUNNING)} OR start_time > 0", name="tasks_running"),
    CheckConstraint(f"(state IN ({states(TERMINAL)})) = (end_time > 0)", name="tasks_terminal"),
    CheckConstraint(f"state <> {int(TaskState.SCHEDULED)} OR wake_time > 0", name="tasks_scheduled"),
    CheckConstraint(f"state <> {int(TaskState.BLOCKED)} OR blockers > 0", name="tasks_blocked"),
    sqlite_with_rowid=False,
    # Room in each page for the next versions of its rows: a change of state that moves no index stays in its page.
    postgresql_with={"fillfactor": "50"},
)

# What is ready, in the order in which the scheduler's window is refilled.
Index(
    "tasks_ready",
    tasks.c.namespace,
    tasks.c.queue,
    tasks.c.priority,
    tasks.c.needs_id,
    tasks.c.shard,
    tasks.c.fairness_key,
    tasks.c.queued_time,
    tasks.c.id,
    sqlite_where=text(f"state = {int(TaskState.PENDING)}"),
    postgresql_where=text(f"state = {int(TaskState.PENDING)}"),
)
# Timers: only tasks that have one, only while it can matter.
Index(
    "tasks_wake",
    tasks.c.wake_time,
    sqlite_where=text("wake_time > 0"),
    postgresql_where=text("wake_time > 0"),
)
# What an agent holds.
Index(
    "tasks_held_by",
    tasks.c.namespace,
    tasks.c.agent_id,
    sqlite_where=text(f"state IN ({states(HELD)})"),
    postgresql_where=text(f"state IN ({states(HELD)})"),
)
# What waits for an instant, by queue.
Index(
    "tasks_scheduled",
    tasks.c.namespace,
    tasks.c.queue,
    tasks.c.id,
    sqlite_where=text(f"state = {int(TaskState.SCHEDULED)}"),
    postgresql_where=text(f"state = {int(TaskState.SCHEDULED)}"),
)
# What waits for other tasks, by queue.
Index(
    "tasks_blocked",
    tasks.c.namespace,
    tasks.c.queue,
    tasks.c.id,
    sqlite_where=text(f"state = {int(TaskState.BLOCKED)}"),
    postgresql_where=text(f"state = {int(TaskState.BLOCKED)}"),
)
# What ended otherwise than well: rare, and asked for often.
Index(
    "tasks_unsuccessful",
    tasks.c.namespace,
    tasks.c.id,
    tasks.c.failure_reason,
    sqlite_where=text(f"state IN ({states(UNSUCCESSFUL)})"),
    postgresql_where=text(f"state IN ({states(UNSUCCESSFUL)})"),
)

task_details = Table(
    "task_details",
    metadata,
    Column("task_id", Key, primary_key=True),
    Column("document", LargeBinary, nullable=False),
    Column("labels", Text),
    Column("checkpoint", LargeBinary),
    Column("progress", Text),
    # Why it ended, if no attempt of it tells.
    Column("failure", Text),
    sqlite_with_rowid=False,
)

attempts = Table(
    "attempts",
    metadata,
    Column("task_id", Key, primary_key=True),
    Column("token", BigInteger, primary_key=True, autoincrement=False),
    Column("agent_id", Key, nullable=False),
    Column("incarnation", Text, nullable=False),
    Column("grant_time", BigInteger, nullable=False),
    Column("start_time", BigInteger, nullable=False),
    Column("end_time", BigInteger, nullable=False),
    Column("outcome", SmallInteger, nullable=False),
    Column("digest", Text, nullable=False),
    Column("failure", Text),
    Column("output", LargeBinary),
    Column("usage", LargeBinary),
    CheckConstraint("token > 0 AND end_time > 0 AND outcome BETWEEN 1 AND 7", name="attempts_ended"),
    sqlite_with_rowid=False,
)

requests = Table(
    "requests",
    metadata,
    Column("namespace", Key, primary_key=True),
    Column("request_id", Key, primary_key=True),
    Column("task_id", Key, nullable=False),
    Column("digest", Text, nullable=False),
    sqlite_with_rowid=False,
)

needs = Table(
    "needs",
    metadata,
    Column("id", Key, primary_key=True),
    Column("requirements", Text, nullable=False),
)

agents = Table(
    "agents",
    metadata,
    Column("namespace", Key, primary_key=True),
    Column("id", Key, primary_key=True),
    Column("incarnation", Text, nullable=False),
    Column("session", BigInteger, nullable=False),
    Column("coordinator_id", Text, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("cordoned", Boolean(create_constraint=False), nullable=False),
    Column("drain_mode", SmallInteger, nullable=False),
    Column("drain_time", BigInteger, nullable=False),
    Column("connect_time", BigInteger, nullable=False),
    Column("seen_time", BigInteger, nullable=False),
    Column("expire_time", BigInteger, nullable=False),
    Column("leases", Integer, nullable=False),
    Column("started", Integer, nullable=False),
    Column("version", BigInteger, nullable=False, server_default="1"),
    Column("resources_used", Text, nullable=False),
    Column("superseded", Text, nullable=False),
    Column("profile", Text, nullable=False),
    CheckConstraint("started >= 0 AND leases >= started", name="agents_load"),
)

queues = Table(
    "queues",
    metadata,
    Column("namespace", Key, primary_key=True),
    Column("name", Key, primary_key=True),
    Column("policy", Text, nullable=False),
    Column("paused", Boolean(create_constraint=False), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("update_time", BigInteger, nullable=False),
    Column("admission", SmallInteger, nullable=False, server_default="1"),
)

# Which tasks wait for which, found from the one that ends. A row goes when that end was taken into account: a task has
# as many rows as blockers.
dependencies = Table(
    "dependencies",
    metadata,
    Column("depends_on", Key, primary_key=True),
    Column("task_id", Key, primary_key=True),
    sqlite_with_rowid=False,
)
Index("dependencies_of", dependencies.c.task_id)

schedules = Table(
    "schedules",
    metadata,
    Column("namespace", Key, primary_key=True),
    Column("name", Key, primary_key=True),
    Column("cron", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("missed_policy", SmallInteger, nullable=False),
    Column("paused", Boolean(create_constraint=False), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("create_time", BigInteger, nullable=False),
    Column("update_time", BigInteger, nullable=False),
    Column("next_time", BigInteger, nullable=False),
    Column("last_time", BigInteger, nullable=False),
    Column("last_task_id", Text, nullable=False),
    Column("missed", BigInteger, nullable=False),
    # The spec of its tasks, as the wire carries it.
    Column("document", LargeBinary, nullable=False),
)
Index(
    "schedules_due",
    schedules.c.next_time,
    sqlite_where=text("next_time > 0"),
    postgresql_where=text("next_time > 0"),
)

# Why tasks of a queue with the same priority and needs cannot be placed: a row as long as they cannot. `history` has
# the reasons before, as JSON, newest first.
stuck_groups = Table(
    "stuck_groups",
    metadata,
    Column("namespace", Key, primary_key=True),
    Column("queue", Key, primary_key=True),
    Column("priority", SmallInteger, primary_key=True, autoincrement=False),
    Column("needs_id", Key, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("reason", SmallInteger, nullable=False),
    Column("never", Boolean(create_constraint=False), nullable=False),
    Column("message", Text, nullable=False),
    Column("since_time", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("history", Text, nullable=False),
)

# Events are kept as they are written, many in a row: those of a flush, as a JSON array of `domain.event.Event`, with
# the numbers of the first and the last, and who wrote them. The key is the last: what comes after N is found by it.
event_chunks = Table(
    "event_chunks",
    metadata,
    Column("last", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("first", BigInteger, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("events", Text, nullable=False),
    Column("coordinator_id", Text, nullable=False, server_default=""),
    CheckConstraint("first <= last", name="event_chunks_order"),
)
# A task's own history: which chunks tell of it.
event_tasks = Table(
    "event_tasks",
    metadata,
    Column("task_id", Key, primary_key=True),
    Column("last", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

feed = Table(
    "feed",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("epoch", Text, nullable=False),
    Column("head", BigInteger, nullable=False),
    Column("first", BigInteger, nullable=False),
    # Which database the epoch belongs to, PostgreSQL's own words: another one has other positions.
    Column("origin", Text, nullable=False, server_default=""),
    CheckConstraint("id = 1", name="feed_one_row"),
)

coordinators = Table(
    "coordinators",
    metadata,
    Column("id", Key, primary_key=True),
    Column("term", BigInteger, nullable=False),
    Column("flush", BigInteger, nullable=False),
    Column("start_time", BigInteger, nullable=False),
    # The head of the feed before the events of its last flush that had some.
    Column("base", BigInteger, nullable=False, server_default="0"),
    # What its program knows: see `domain/membership.py`.
    Column("program", SmallInteger, nullable=False, server_default="1"),
    Column("state", SmallInteger, nullable=False, server_default="1"),
    Column("address", Text, nullable=False, server_default=""),
)

shards = Table(
    "shards",
    metadata,
    Column("shard", SmallInteger, primary_key=True, autoincrement=False),
    Column("coordinator_id", Key, nullable=False),
)

scheduler = Table(
    "scheduler",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("term", BigInteger, nullable=False),
    Column("address", Text, nullable=False),
    Column("choose_time", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="scheduler_one_row"),
)

schema_info = Table(
    "schema_info",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    # The oldest version of the schema whose programs run on this one as well.
    Column("oldest", Integer, nullable=False),
    CheckConstraint("id = 1", name="schema_info_one_row"),
)
