"""Reads what goes with a lease: the submitted document, and the last checkpoint."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, select

from services.store.schema import task_details


class StoredDocument(msgspec.Struct, frozen=True):
    """A task's document and its last checkpoint, empty if there is none; both as the wire carries them."""

    document: bytes
    checkpoint: bytes


def read_documents(connection: Connection, task_ids: Sequence[str]) -> dict[str, StoredDocument]:
    """The documents of these tasks, by task id."""
    details = task_details.c
    query = select(details.task_id, details.document, details.checkpoint).where(details.task_id.in_(task_ids))
    return {row.task_id: StoredDocument(row.document, row.checkpoint or b"") for row in connection.execute(query)}
