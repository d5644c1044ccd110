"""`python -m services.coordinator`: connects the parts, and takes them apart in order.

Start: addresses, liveness · database · journal (claims the term) · a share of the shards · what was there · agents
       get their grace · server · loops.
Stop:  NOT_SERVING · streams end, agents connect again elsewhere or later · server · loops · journal · the shards are
       let go · database.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import structlog
import uvloop

from services.address_file import write_address_file
from services.config import CoordinatorSettings, load
from services.coordinator.parts import Parts, connect_parts, open_storage
from services.coordinator.services import add_services
from services.domain.errors import MissionControlError
from services.logs import configure_logging
from services.metrics_listener import MetricsListener
from services.store.away import wait_for_database
from services.store.database import open_database
from services.store.origin import keep_origin
from services.store.schema_check import prepare_schema
from services.telemetry import configure_tracing, new_registry, shutdown_tracing
from services.transport.health import Health, HealthListener
from services.transport.server import ListenError, RpcServer, create_server
from services.transport.tls import server_files

log = structlog.get_logger(__name__)

# The interpreter lock changes hands at least this often: readers' threads must not wait 5 ms for the event loop.
SWITCH_SECONDS = 0.0005


def main() -> None:
    """Runs the coordinator until SIGTERM or SIGINT; exits 1 with one line if it cannot start or loses its term."""
    settings = load(CoordinatorSettings)
    configure_logging("coordinator", level=settings.log_level, log_format=settings.log_format)
    configure_tracing("coordinator")
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        clean = uvloop.run(serve(settings))
    except (MissionControlError, ListenError, OSError) as error:
        sys.stderr.write(f"missioncontrol: {error}\n")
        sys.exit(1)
    finally:
        shutdown_tracing()
    sys.exit(0 if clean else 1)


async def serve(settings: CoordinatorSettings) -> bool:
    """The life of the process. False if another coordinator took over."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    registry = new_registry()
    async with AsyncExitStack() as stack:
        # The addresses first: a process that cannot listen must not take the database from one that does.
        health = Health()
        tls = server_files(settings)
        server = create_server(
            "coordinator", listen=settings.coordinator_listen, registry=registry, health=health, tls=tls
        )
        server.bind()
        # Before the database: a process that waits for it is alive.
        probes = HealthListener(health, listen=settings.coordinator_health_listen)
        await probes.start()
        stack.push_async_callback(probes.stop)
        listener = MetricsListener(registry, listen=settings.metrics_listen)
        await listener.start()
        stack.push_async_callback(listener.stop)
        engine = open_database(settings.database_url)
        stack.callback(engine.dispose)
        await wait_for_database(engine)
        prepare_schema(engine)
        keep_origin(engine)
        storage = open_storage(engine, settings, address=server.address)
        stack.callback(storage.readers.close)
        await storage.journal.start()
        stack.push_async_callback(storage.membership.leave)
        stack.push_async_callback(storage.journal.stop)
        parts = await connect_parts(storage, settings, registry)
        add_services(server, parts)
        await server.start()
        loops = [asyncio.ensure_future(loop) for loop in parts.loops()]
        write_address_file(
            settings.address_file, "coordinator", address=server.address, metrics_address=listener.address
        )
        try:
            lost = await until_stopped(stopping, parts, loops)
        finally:
            await drain(server, parts, loops, grace_seconds=settings.stop_grace_seconds)
    return not lost


async def until_stopped(stopping: asyncio.Event, parts: Parts, loops: Sequence[asyncio.Future[None]]) -> bool:
    """Waits for a signal, the loss of the term, or a loop that ended by an error of ours. Whether the term was lost."""
    lost = parts.storage.journal.lost
    waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(event.wait()) for event in (stopping, lost)]
    done, _ = await asyncio.wait([*waits, *loops], return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    for loop in loops:
        if loop in done:
            loop.result()
    return lost.is_set()


async def drain(
    server: RpcServer, parts: Parts, loops: Sequence[asyncio.Future[None]], *, grace_seconds: float
) -> None:
    """Stops taking work, ends the streams, lets open calls end, then stops the loops."""
    log.info("stopping")
    await server.announce_stop()
    await parts.connections.close()
    parts.feed.close()
    parts.watchers.close()
    await server.stop(grace_seconds=grace_seconds)
    await parts.exchanges.close()
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)


if __name__ == "__main__":
    main()
