"""Runs migrations on the connection that `migration.py` hands over, inside its transaction."""

from __future__ import annotations

from alembic import context

from services.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite changes a table by making it anew.
    render_as_batch=True,
)
context.run_migrations()
