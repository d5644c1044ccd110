"""A whole coordinator in the test's own process, on a SQLite file, behind a real server; without a scheduler."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from prometheus_client import CollectorRegistry

from services.config import CoordinatorSettings
from services.coordinator.parts import connect_parts, open_storage
from services.coordinator.services import add_services
from services.store.database import open_database, prepare_schema
from services.transport.server import create_server
from tests.coordinator.rpc.harness import Coordinator
from tests.store.queries.store import Store


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[Coordinator]:
    settings = CoordinatorSettings(database_url=f"sqlite:///{tmp_path / 'test.db'}", coordinator_listen="127.0.0.1:0")
    engine = open_database(settings.database_url)
    prepare_schema(engine)
    registry = CollectorRegistry()
    storage = open_storage(engine, settings)
    await storage.journal.start()
    parts = await connect_parts(storage, settings, registry)
    server = create_server("coordinator", listen=settings.coordinator_listen, registry=registry)
    add_services(server, parts)
    address = await server.start()
    async with grpc.aio.insecure_channel(address) as channel:
        yield Coordinator(parts, Store(storage.journal, storage.readers), channel, address, registry)
    parts.feed.close()
    parts.watchers.close()
    await server.stop(grace_seconds=0)
    await storage.journal.stop()
    storage.readers.close()
    engine.dispose()
