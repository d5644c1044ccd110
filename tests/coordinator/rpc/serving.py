"""A whole coordinator in the test's own process, behind a real server; without a scheduler, and without its loops."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from prometheus_client import CollectorRegistry

from services.config import CoordinatorSettings
from services.coordinator.parts import connect_parts, open_storage
from services.coordinator.services import add_services
from services.store.database import open_database
from services.store.schema_check import prepare_schema
from services.transport.server import create_server
from tests.coordinator.rpc.harness import Coordinator
from tests.store.queries.store import Store


@asynccontextmanager
async def serving(database_url: str) -> AsyncIterator[Coordinator]:
    """The coordinator of this database, and a channel to it."""
    settings = CoordinatorSettings(database_url=database_url, coordinator_listen="127.0.0.1:0")
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
    await parts.exchanges.close()
    await storage.journal.stop()
    storage.readers.close()
    engine.dispose()
