"""The event gateway's process: puts the parts together, runs them, and drains them in order.

Order of a drain, on SIGTERM or SIGINT: health and readiness end and every reader's stream is ended cleanly; the HTTP
server stops; the feed stops; the channels to coordinators close; health and metrics stop last, so that a drain can be
watched, and what drains is known to live.
"""

from __future__ import annotations

import asyncio
import signal
import sys

import structlog
import uvloop
from prometheus_client import CollectorRegistry

from services import config, telemetry
from services.config import EventGatewaySettings
from services.event_gateway import limits
from services.event_gateway.feed import Feed
from services.event_gateway.gateway_metrics import GatewayMetrics
from services.event_gateway.grpc_health import GrpcHealth
from services.event_gateway.history import History
from services.event_gateway.http import Gateway, create_app
from services.event_gateway.http_server import HttpLimits, HttpServer
from services.event_gateway.ring import Ring
from services.event_gateway.upstream import Upstream
from services.logs import configure_logging
from services.transport.server import ListenError
from services.transport.tls import dialling, server_files

SERVICE = "event_gateway"

log = structlog.get_logger()


class EventGateway:
    """The parts of one gateway. `start()` and `stop()` are symmetric."""

    def __init__(self, settings: EventGatewaySettings, registry: CollectorRegistry) -> None:
        metrics = GatewayMetrics(registry)
        source = settings.event_gateway_source
        self._upstream = Upstream(settings.coordinators, dial=dialling(settings))
        self._ring = Ring(events_max=settings.event_gateway_ring_events)
        self._feed = Feed(self._upstream, self._ring, metrics=metrics, source=source, sleep=asyncio.sleep)
        self._gateway = Gateway(
            settings=settings,
            ring=self._ring,
            feed=self._feed,
            history=History(self._upstream, metrics, source=source),
            metrics=metrics,
            registry=registry,
        )
        self._http = HttpServer(
            create_app(self._gateway),
            listen=settings.event_gateway_listen,
            http_limits=HttpLimits(
                request_timeout_seconds=settings.event_gateway_request_timeout_seconds,
                write_timeout_seconds=settings.event_gateway_write_timeout_seconds,
                connections_max=settings.event_gateway_readers_max + limits.CONNECTIONS_RESERVED,
                grace_seconds=settings.stop_grace_seconds,
            ),
            tls=server_files(settings),
        )
        self._following: asyncio.Task[None] | None = None

    @property
    def gateway(self) -> Gateway:
        """What the routes work on."""
        return self._gateway

    @property
    def ready(self) -> bool:
        """Whether a reader gets the feed up to its head."""
        return self._feed.ready and not self._ring.closed

    async def start(self) -> str:
        """Listens, begins to follow, and returns "host:port". Raises OSError if it cannot listen."""
        address = await self._http.start()
        self._following = asyncio.create_task(self._feed.run())
        return address

    async def failed(self) -> None:
        """Returns only by raising what ended the feed's loop, which nothing should."""
        assert self._following is not None
        await asyncio.shield(self._following)

    async def stop(self) -> None:
        """Ends readers cleanly, then everything else."""
        self._ring.close()
        await self._http.stop()
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        await self._upstream.close()


async def serve(settings: EventGatewaySettings) -> None:
    """Runs a gateway until SIGTERM or SIGINT. Raises OSError if it cannot listen."""
    registry = telemetry.new_registry()
    metrics_listener = telemetry.MetricsListener(registry, listen=settings.metrics_listen)
    event_gateway = EventGateway(settings, registry)
    stop = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    metrics_address = await metrics_listener.start()
    health = GrpcHealth(lambda: event_gateway.ready, listen=settings.event_gateway_grpc_listen, registry=registry)
    try:
        address = await event_gateway.start()
        grpc_address = await health.start()
        telemetry.write_address_file(settings.address_file, SERVICE, address=address, metrics_address=metrics_address)
        log.info(
            "listening",
            address=address,
            grpc_address=grpc_address,
            metrics_address=metrics_address,
            coordinators=settings.coordinators,
        )
        await _first(stop, event_gateway)
        log.info("draining")
    finally:
        await health.announce_stop()
        await event_gateway.stop()
        await health.stop()
        await metrics_listener.stop()
    log.info("stopped")


async def _first(stop: asyncio.Event, event_gateway: EventGateway) -> None:
    """Waits for the stop; raises if the gateway fails before."""
    stopping, failed = asyncio.create_task(stop.wait()), asyncio.create_task(event_gateway.failed())
    done, pending = await asyncio.wait((stopping, failed), return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    for task in done:
        task.result()


def main() -> None:
    """Entry point of `python -m services.event_gateway`."""
    settings = config.load(EventGatewaySettings)
    configure_logging(SERVICE, level=settings.log_level, log_format=settings.log_format)
    telemetry.configure_tracing(SERVICE)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(settings))
    except (OSError, ListenError) as error:
        sys.stderr.write(f"missioncontrol: {error}\n")
        raise SystemExit(1) from error
    finally:
        telemetry.shutdown_tracing()


if __name__ == "__main__":
    main()
