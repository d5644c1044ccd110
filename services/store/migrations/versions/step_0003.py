"""Routing policies, dependencies, schedules, and why tasks cannot be placed.

Programs of version 2 run on this schema: what is new has a default. They know nothing of blocked tasks, so tasks with
dependencies are refused as long as one of them is there.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

KEY = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")
STATES_BEFORE = "state BETWEEN 1 AND 8"
STATES = "state BETWEEN 1 AND 9"
BLOCKED = "state <> 9 OR blockers > 0"


def upgrade() -> None:
    """Adds columns and tables, lets tasks be blocked, and puts the fairness key into the index of what is ready."""
    op.add_column("tasks", sa.Column("fairness_key", KEY, nullable=False, server_default=""))
    op.add_column("tasks", sa.Column("blockers", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("tasks", sa.Column("dependency_policy", sa.SmallInteger(), nullable=False, server_default="0"))
    op.add_column("tasks", sa.Column("has_dependents", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("task_details", sa.Column("failure", sa.Text()))
    op.add_column("queues", sa.Column("admission", sa.SmallInteger(), nullable=False, server_default="1"))
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE tasks DROP CONSTRAINT tasks_state")
        op.execute(f"ALTER TABLE tasks ADD CONSTRAINT tasks_state CHECK ({STATES})")
        op.execute(f"ALTER TABLE tasks ADD CONSTRAINT tasks_blocked CHECK ({BLOCKED})")
    else:
        make_anew()
    op.drop_index("tasks_ready", "tasks")
    op.create_index(
        "tasks_ready",
        "tasks",
        ["namespace", "queue", "priority", "needs_id", "shard", "fairness_key", "queued_time", "id"],
        unique=False,
        **where("state = 2"),
    )
    op.create_index("tasks_blocked", "tasks", ["namespace", "queue", "id"], unique=False, **where("state = 9"))
    make_dependencies()
    make_schedules()
    make_stuck_groups()
    op.execute("UPDATE schema_info SET version = 3")


def make_anew() -> None:
    """SQLite cannot change a constraint: the table is made once more, with another one, and copied."""
    connection = op.get_bind()
    written = "SELECT sql FROM sqlite_master WHERE tbl_name = 'tasks' AND type = '{}' AND sql IS NOT NULL"
    indexes = list(connection.exec_driver_sql(written.format("index")).scalars())
    table: str = connection.exec_driver_sql(written.format("table")).scalar_one()
    assert table.count(STATES_BEFORE) == 1, table
    table = table.replace(STATES_BEFORE, STATES)
    head, columns = table.split("(", 1)
    columns = columns.replace("CONSTRAINT", f"CONSTRAINT tasks_blocked CHECK ({BLOCKED}), CONSTRAINT", 1)
    op.execute(f"{head.replace('tasks', 'tasks_3')}({columns}")
    op.execute("INSERT INTO tasks_3 SELECT * FROM tasks")
    op.execute("DROP TABLE tasks")
    op.execute("ALTER TABLE tasks_3 RENAME TO tasks")
    for index in indexes:
        op.execute(index)


def make_dependencies() -> None:
    op.create_table(
        "dependencies",
        sa.Column("depends_on", KEY, nullable=False),
        sa.Column("task_id", KEY, nullable=False),
        sa.PrimaryKeyConstraint("depends_on", "task_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("dependencies_of", "dependencies", ["task_id"], unique=False)


def make_schedules() -> None:
    op.create_table(
        "schedules",
        sa.Column("namespace", KEY, nullable=False),
        sa.Column("name", KEY, nullable=False),
        sa.Column("cron", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("missed_policy", sa.SmallInteger(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("update_time", sa.BigInteger(), nullable=False),
        sa.Column("next_time", sa.BigInteger(), nullable=False),
        sa.Column("last_time", sa.BigInteger(), nullable=False),
        sa.Column("last_task_id", sa.Text(), nullable=False),
        sa.Column("missed", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("namespace", "name"),
    )
    op.create_index("schedules_due", "schedules", ["next_time"], unique=False, **where("next_time > 0"))


def make_stuck_groups() -> None:
    op.create_table(
        "stuck_groups",
        sa.Column("namespace", KEY, nullable=False),
        sa.Column("queue", KEY, nullable=False),
        sa.Column("priority", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("needs_id", KEY, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.SmallInteger(), nullable=False),
        sa.Column("never", sa.Boolean(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("since_time", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("history", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("namespace", "queue", "priority", "needs_id"),
    )


def where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}
