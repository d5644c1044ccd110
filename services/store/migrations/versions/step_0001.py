"""The first schema."""

from __future__ import annotations

import secrets
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

KEY = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Makes all tables, and an empty feed."""
    make_agents()
    make_attempts()
    make_coordinators()
    make_event_chunks()
    make_event_tasks()
    make_feed()
    make_needs()
    make_queues()
    make_requests()
    make_schema_info()
    make_task_details()
    make_tasks()
    make_indexes()
    op.execute("INSERT INTO schema_info (id, version, oldest) VALUES (1, 1, 1)")
    op.execute(f"INSERT INTO feed (id, epoch, head, first) VALUES (1, '{secrets.token_hex(4)}', 0, 1)")


def make_agents() -> None:
    op.create_table(
        "agents",
        sa.Column("namespace", KEY, nullable=False),
        sa.Column("id", KEY, nullable=False),
        sa.Column("incarnation", sa.Text(), nullable=False),
        sa.Column("session", sa.BigInteger(), nullable=False),
        sa.Column("coordinator_id", sa.Text(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("cordoned", sa.Boolean(), nullable=False),
        sa.Column("drain_mode", sa.SmallInteger(), nullable=False),
        sa.Column("drain_time", sa.BigInteger(), nullable=False),
        sa.Column("connect_time", sa.BigInteger(), nullable=False),
        sa.Column("seen_time", sa.BigInteger(), nullable=False),
        sa.Column("expire_time", sa.BigInteger(), nullable=False),
        sa.Column("leases", sa.Integer(), nullable=False),
        sa.Column("started", sa.Integer(), nullable=False),
        sa.Column("resources_used", sa.Text(), nullable=False),
        sa.Column("superseded", sa.Text(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.CheckConstraint("started >= 0 AND leases >= started", name="agents_load"),
        sa.PrimaryKeyConstraint("namespace", "id"),
    )


def make_attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("task_id", KEY, nullable=False),
        sa.Column("token", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("agent_id", KEY, nullable=False),
        sa.Column("incarnation", sa.Text(), nullable=False),
        sa.Column("grant_time", sa.BigInteger(), nullable=False),
        sa.Column("start_time", sa.BigInteger(), nullable=False),
        sa.Column("end_time", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.SmallInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("output", sa.LargeBinary(), nullable=True),
        sa.Column("usage", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("token > 0 AND end_time > 0 AND outcome BETWEEN 1 AND 7", name="attempts_ended"),
        sa.PrimaryKeyConstraint("task_id", "token"),
        sqlite_with_rowid=False,
    )


def make_coordinators() -> None:
    op.create_table(
        "coordinators",
        sa.Column("id", KEY, nullable=False),
        sa.Column("term", sa.BigInteger(), nullable=False),
        sa.Column("flush", sa.BigInteger(), nullable=False),
        sa.Column("start_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def make_event_chunks() -> None:
    op.create_table(
        "event_chunks",
        sa.Column("last", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.Text(), nullable=False),
        sa.CheckConstraint("first <= last", name="event_chunks_order"),
        sa.PrimaryKeyConstraint("last"),
    )


def make_event_tasks() -> None:
    op.create_table(
        "event_tasks",
        sa.Column("task_id", KEY, nullable=False),
        sa.Column("last", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("task_id", "last"),
        sqlite_with_rowid=False,
    )


def make_feed() -> None:
    op.create_table(
        "feed",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.Column("head", sa.BigInteger(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name="feed_one_row"),
        sa.PrimaryKeyConstraint("id"),
    )


def make_needs() -> None:
    op.create_table(
        "needs",
        sa.Column("id", KEY, nullable=False),
        sa.Column("requirements", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def make_queues() -> None:
    op.create_table(
        "queues",
        sa.Column("namespace", KEY, nullable=False),
        sa.Column("name", KEY, nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("update_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("namespace", "name"),
    )


def make_requests() -> None:
    op.create_table(
        "requests",
        sa.Column("namespace", KEY, nullable=False),
        sa.Column("request_id", KEY, nullable=False),
        sa.Column("task_id", KEY, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("namespace", "request_id"),
        sqlite_with_rowid=False,
    )


def make_schema_info() -> None:
    op.create_table(
        "schema_info",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("oldest", sa.Integer(), nullable=False),
        sa.CheckConstraint("id = 1", name="schema_info_one_row"),
        sa.PrimaryKeyConstraint("id"),
    )


def make_task_details() -> None:
    op.create_table(
        "task_details",
        sa.Column("task_id", KEY, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=True),
        sa.Column("checkpoint", sa.LargeBinary(), nullable=True),
        sa.Column("progress", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("task_id"),
        sqlite_with_rowid=False,
    )


def make_tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("id", KEY, nullable=False),
        sa.Column("namespace", KEY, nullable=False),
        sa.Column("queue", KEY, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("needs_id", KEY, nullable=False),
        sa.Column("affinity_key", sa.Text(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("queued_time", sa.BigInteger(), nullable=False),
        sa.Column("wake_time", sa.BigInteger(), nullable=False),
        sa.Column("grant_time", sa.BigInteger(), nullable=False),
        sa.Column("start_time", sa.BigInteger(), nullable=False),
        sa.Column("end_time", sa.BigInteger(), nullable=False),
        sa.Column("cancel_request_time", sa.BigInteger(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("agent_id", KEY, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("redeliveries", sa.Integer(), nullable=False),
        sa.Column("failure_reason", sa.SmallInteger(), nullable=False),
        sa.Column("queue_limit_micros", sa.BigInteger(), nullable=False),
        sa.Column("run_limit_micros", sa.BigInteger(), nullable=False),
        sa.Column("retry_of", sa.Text(), nullable=False),
        sa.Column("request_id", KEY, nullable=False),
        sa.Column("retry", sa.Text(), nullable=True),
        sa.Column("avoid", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state NOT IN (3, 4) OR (agent_id <> '' AND token > 0 AND grant_time > 0)", name="tasks_held"
        ),
        sa.CheckConstraint("(state IN (5, 6, 7, 8)) = (end_time > 0)", name="tasks_terminal"),
        sa.CheckConstraint("state <> 1 OR wake_time > 0", name="tasks_scheduled"),
        sa.CheckConstraint("state <> 4 OR start_time > 0", name="tasks_running"),
        sa.CheckConstraint("state BETWEEN 1 AND 8", name="tasks_state"),
        sa.PrimaryKeyConstraint("id"),
        postgresql_with={"fillfactor": "50"},
        sqlite_with_rowid=False,
    )


def make_indexes() -> None:
    op.create_index(
        "tasks_held_by",
        "tasks",
        ["namespace", "agent_id"],
        unique=False,
        **where("state IN (3, 4)"),
    )
    op.create_index(
        "tasks_ready",
        "tasks",
        ["namespace", "queue", "priority", "needs_id", "queued_time", "id"],
        unique=False,
        **where("state = 2"),
    )
    op.create_index(
        "tasks_scheduled",
        "tasks",
        ["namespace", "queue", "id"],
        unique=False,
        **where("state = 1"),
    )
    op.create_index(
        "tasks_unsuccessful",
        "tasks",
        ["namespace", "id", "failure_reason"],
        unique=False,
        **where("state IN (6, 7, 8)"),
    )
    op.create_index(
        "tasks_wake",
        "tasks",
        ["wake_time"],
        unique=False,
        **where("wake_time > 0"),
    )


def where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}
