"""A real journal on a database of the test's own, and readers beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.domain.ledger import Rules
from services.store.database import open_database
from services.store.journal import Journal
from services.store.readers import Readers
from services.store.schema_check import prepare_schema
from tests.store.queries.store import Store


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    engine = open_database(database_url)
    prepare_schema(engine)
    store = Store(Journal(engine, "coordinator-1", Rules()), Readers(engine))
    await store.journal.start()
    yield store
    await store.journal.stop()
    store.readers.close()
    engine.dispose()
