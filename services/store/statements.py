"""What the hot path reads and writes, as data: which columns of which table, found by which key.

Each works on many rows at once: a flush of a hundred tasks runs about as many statements as a flush of one. Columns
come from the schema, so nobody names them twice. How a database says it is in `sqlite_dialect.py` and
`postgres_dialect.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from operator import itemgetter
from typing import Any

from sqlalchemy import Table

from services.domain.task import HELD
from services.store import schema

# Set when the task is created; of these only queue and priority may change, by a statement of their own.
TASK_FIXED = frozenset(
    {"namespace", "queue", "kind", "priority", "needs_id", "affinity_key", "create_time", "queue_limit_micros"}
    | {"run_limit_micros", "retry_of", "request_id", "shard", "fairness_key", "dependency_policy", "retry"}
)
# Set when an agent connects; the rest of its row is written with every change of its load.
AGENT_FIXED = frozenset({"profile", "superseded", "incarnation", "connect_time"})


class Kind(Enum):
    """What a write does with a row."""

    INSERT = "it is new"
    INSERT_OR_IGNORE = "it may be there already, and is the same then"
    UPDATE = "it changes what is there"
    APPEND = "it is joined to the end of what is there"
    DELETE = "what has its key goes"


@dataclass(frozen=True, eq=False)
class Write:
    """Rows to write: `columns` in the order in which rows have them, the key first for an update. `only` is a further
    condition of an update, in which `r` is the row to write.
    """

    kind: Kind
    table: Table
    columns: tuple[str, ...]
    key: tuple[str, ...] = ()
    only: str = ""

    @cached_property
    def order(self) -> Callable[[Sequence[Any]], Any]:
        """The key, by which rows are sorted before they are written: two writers then lock them in the same order."""
        places = [self.columns.index(column.name) for column in self.table.primary_key if column.name in self.columns]
        return itemgetter(*places)

    @property
    def changes(self) -> list[str]:
        """The columns that are not the key."""
        return [name for name in self.columns if name not in self.key]


@dataclass(frozen=True, eq=False)
class Check:
    """Rows that must have the version that was read: the key's columns, then the version, 0 for "no such row".

    `version` says it in SQL.
    """

    table: Table
    key: tuple[str, ...]
    version: str


@dataclass(frozen=True, eq=False)
class Read:
    """Rows to read, whole, by the values of their key columns; `only` is a further condition."""

    table: Table
    key: tuple[str, ...]
    only: str = ""


def names(table: Table) -> tuple[str, ...]:
    """The table's columns, in order."""
    return tuple(column.name for column in table.columns)


def insert_into(table: Table, kind: Kind = Kind.INSERT, *, key: Sequence[str] = ()) -> Write:
    """Writes whole rows."""
    return Write(kind, table, names(table), tuple(key))


def update_of(table: Table, *, key: Sequence[str], columns: Sequence[str], only: str = "") -> Write:
    """Changes these columns of rows that are there."""
    return Write(Kind.UPDATE, table, (*key, *columns), tuple(key), only)


def delete_from(table: Table, *, key: Sequence[str]) -> Write:
    """Takes away the rows with these keys."""
    return Write(Kind.DELETE, table, tuple(key), tuple(key))


def changing(table: Table, *, key: Sequence[str], fixed: frozenset[str]) -> list[str]:
    """The columns that may change."""
    return [name for name in names(table) if name not in fixed and name not in key]


READ_TASKS = Read(schema.tasks, ("id",))
READ_HELD = Read(schema.tasks, ("namespace", "agent_id"), f"state IN ({schema.states(HELD)})")
READ_AGENTS = Read(schema.agents, ("namespace", "id"))
READ_QUEUES = Read(schema.queues, ("namespace", "name"))
READ_SCHEDULES = Read(schema.schedules, ("namespace", "name"))
READ_REQUESTS = Read(schema.requests, ("namespace", "request_id"))
READ_ATTEMPTS = Read(schema.attempts, ("task_id", "token"))
READ_NEEDS = Read(schema.needs, ("id",))

CREATE_TASKS = insert_into(schema.tasks)
CHANGE_TASKS = update_of(schema.tasks, key=["id"], columns=changing(schema.tasks, key=["id"], fixed=TASK_FIXED))
# Seldom: what is fixed otherwise.
RELOCATE_TASKS = update_of(schema.tasks, key=["id"], columns=["queue", "priority"])
PATCH_SPECS = Write(Kind.APPEND, schema.task_details, ("task_id", "document"), ("task_id",))
CREATE_DETAILS = insert_into(schema.task_details)
KEEP_CHECKPOINTS = update_of(schema.task_details, key=["task_id"], columns=["checkpoint"])
KEEP_PROGRESS = update_of(schema.task_details, key=["task_id"], columns=["progress"])
KEEP_FAILURES = update_of(schema.task_details, key=["task_id"], columns=["failure"])
MAKE_LINKS = insert_into(schema.dependencies)
CUT_LINKS = delete_from(schema.dependencies, key=["depends_on", "task_id"])
FREE_TASKS = delete_from(schema.dependencies, key=["task_id"])
CREATE_ATTEMPTS = insert_into(schema.attempts)
CREATE_REQUESTS = insert_into(schema.requests)
CREATE_NEEDS = insert_into(schema.needs, Kind.INSERT_OR_IGNORE, key=["id"])
AGENT_KEY = ["namespace", "id"]
CREATE_AGENTS = insert_into(schema.agents)
ADMIT_AGENTS = update_of(
    schema.agents, key=AGENT_KEY, columns=changing(schema.agents, key=AGENT_KEY, fixed=frozenset())
)
CHANGE_AGENTS = update_of(
    schema.agents, key=AGENT_KEY, columns=changing(schema.agents, key=AGENT_KEY, fixed=AGENT_FIXED)
)
QUEUE_KEY = ["namespace", "name"]
CREATE_QUEUES = insert_into(schema.queues)
CHANGE_QUEUES = update_of(
    schema.queues, key=QUEUE_KEY, columns=changing(schema.queues, key=QUEUE_KEY, fixed=frozenset())
)
SCHEDULE_KEY = ["namespace", "name"]
CREATE_SCHEDULES = insert_into(schema.schedules)
CHANGE_SCHEDULES = update_of(
    schema.schedules, key=SCHEDULE_KEY, columns=changing(schema.schedules, key=SCHEDULE_KEY, fixed=frozenset())
)
# What a firing changes. Versions begin again with each schedule of a name: the time of its making tells them apart.
FIRE_SCHEDULES = update_of(
    schema.schedules,
    key=SCHEDULE_KEY,
    columns=["paused", "version", "create_time", "update_time", "next_time", "last_time", "last_task_id", "missed"],
    only="schedules.create_time = r.create_time",
)
DELETE_SCHEDULES = delete_from(schema.schedules, key=SCHEDULE_KEY)
# These two are numbered by the writer.
APPEND_EVENTS = insert_into(schema.event_chunks)
NOTE_TASKS = insert_into(schema.event_tasks)
FORGET_REQUESTS = delete_from(schema.requests, key=["namespace", "request_id"])
FORGET_TASKS = delete_from(schema.tasks, key=["id"])
FORGET_DETAILS = delete_from(schema.task_details, key=["task_id"])
FORGET_ATTEMPTS = delete_from(schema.attempts, key=["task_id"])
TRIM_EVENTS = delete_from(schema.event_chunks, key=["last"])
TRIM_HISTORY = delete_from(schema.event_tasks, key=["task_id", "last"])
MOVE_FEED = update_of(schema.feed, key=["id"], columns=["first"], only="feed.first < r.first")

# Every write, in the one order in which tables are written; the events come after all of them.
WRITES: tuple[Write, ...] = (
    CREATE_REQUESTS,
    CREATE_NEEDS,
    CREATE_TASKS,
    CREATE_DETAILS,
    CHANGE_TASKS,
    RELOCATE_TASKS,
    PATCH_SPECS,
    CREATE_ATTEMPTS,
    KEEP_CHECKPOINTS,
    KEEP_PROGRESS,
    KEEP_FAILURES,
    MAKE_LINKS,
    CUT_LINKS,
    FREE_TASKS,
    CREATE_AGENTS,
    ADMIT_AGENTS,
    CHANGE_AGENTS,
    CREATE_QUEUES,
    CHANGE_QUEUES,
    CREATE_SCHEDULES,
    CHANGE_SCHEDULES,
    FIRE_SCHEDULES,
    DELETE_SCHEDULES,
    FORGET_REQUESTS,
    FORGET_TASKS,
    FORGET_DETAILS,
    FORGET_ATTEMPTS,
    TRIM_EVENTS,
    TRIM_HISTORY,
    MOVE_FEED,
)

# What a flush was decided on, and does not change.
CHECK_TASKS = Check(schema.tasks, ("id",), "coalesce(tasks.version, 0)")
CHECK_AGENTS = Check(schema.agents, ("namespace", "id"), "coalesce(agents.version, 0)")
CHECK_QUEUES = Check(schema.queues, ("namespace", "name"), "coalesce(queues.version, 0)")
# Links have no version: there is none, or there is.
CHECK_LINKS = Check(schema.dependencies, ("depends_on",), "(dependencies.task_id IS NOT NULL)::integer")
CHECK_SCHEDULES = Check(schema.schedules, ("namespace", "name"), "coalesce(schedules.version, 0)")
CHECKS: tuple[Check, ...] = (CHECK_TASKS, CHECK_AGENTS, CHECK_QUEUES, CHECK_LINKS, CHECK_SCHEDULES)
