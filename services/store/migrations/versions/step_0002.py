"""Several coordinators on one PostgreSQL.

Tasks get a shard, agents a version, coordinators what the others need to know of them. Programs of version 1 run on
this schema: what is new has a default.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

KEY = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")
SHARDS = 64


def upgrade() -> None:
    """Adds columns and tables, and puts the shard into the index of what is ready."""
    op.add_column("tasks", sa.Column("shard", sa.SmallInteger(), nullable=False, server_default="0"))
    op.add_column("agents", sa.Column("version", sa.BigInteger(), nullable=False, server_default="1"))
    op.add_column("coordinators", sa.Column("base", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("coordinators", sa.Column("program", sa.SmallInteger(), nullable=False, server_default="1"))
    op.add_column("coordinators", sa.Column("state", sa.SmallInteger(), nullable=False, server_default="1"))
    op.add_column("coordinators", sa.Column("address", sa.Text(), nullable=False, server_default=""))
    op.add_column("event_chunks", sa.Column("coordinator_id", sa.Text(), nullable=False, server_default=""))
    op.add_column("feed", sa.Column("origin", sa.Text(), nullable=False, server_default=""))
    make_shards()
    make_scheduler()
    op.drop_index("tasks_ready", "tasks")
    op.create_index(
        "tasks_ready",
        "tasks",
        ["namespace", "queue", "priority", "needs_id", "shard", "queued_time", "id"],
        unique=False,
        **where("state = 2"),
    )
    op.execute("UPDATE schema_info SET version = 2")


def make_shards() -> None:
    table = op.create_table(
        "shards",
        sa.Column("shard", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("coordinator_id", KEY, nullable=False),
        sa.PrimaryKeyConstraint("shard"),
    )
    op.bulk_insert(table, [{"shard": number, "coordinator_id": ""} for number in range(SHARDS)])


def make_scheduler() -> None:
    table = op.create_table(
        "scheduler",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("term", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("choose_time", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name="scheduler_one_row"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.bulk_insert(table, [{"id": 1, "term": 0, "address": "", "choose_time": 0}])


def where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}
