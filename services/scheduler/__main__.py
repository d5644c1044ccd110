"""The scheduler's process: `python -m services.scheduler`.

Order of draining, on SIGTERM or SIGINT: health says NOT_SERVING, the streams end with UNAVAILABLE, the server stops,
then the metrics. There is nothing to save: being killed at any time costs the fleet a pause.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sys

import structlog
import uvloop
from missioncontrol.v1 import scheduler_service_pb2_grpc as pb_grpc

from services import telemetry
from services.config import SchedulerSettings, load
from services.logs import configure_logging
from services.scheduler import limits
from services.scheduler.metrics import SchedulerMetrics, SizeCollector
from services.scheduler.service import ScheduleService
from services.transport.health import Health, HealthListener
from services.transport.server import ListenError, create_server
from services.transport.tls import server_files

log = structlog.get_logger()


def main() -> None:
    """Run the scheduler until it is told to stop."""
    settings = load(SchedulerSettings)
    configure_logging("scheduler", level=settings.log_level, log_format=settings.log_format)
    telemetry.configure_tracing("scheduler")
    try:
        uvloop.run(serve(settings))
    except (ListenError, OSError) as error:
        sys.stderr.write(f"missioncontrol: {error}\n")
        raise SystemExit(1) from error
    finally:
        telemetry.shutdown_tracing()


async def serve(settings: SchedulerSettings) -> None:
    """Serve until SIGTERM or SIGINT, then drain."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    registry = telemetry.new_registry()
    service = ScheduleService(SchedulerMetrics(registry))
    registry.register(SizeCollector(service.planner))
    health = Health()
    tls = server_files(settings)
    server = create_server("scheduler", listen=settings.scheduler_listen, registry=registry, health=health, tls=tls)
    server.add(pb_grpc.add_SchedulerServiceServicer_to_server, service)
    listener = telemetry.MetricsListener(registry, listen=settings.metrics_listen)
    async with contextlib.AsyncExitStack() as open_things:
        metrics_address = await listener.start()
        open_things.push_async_callback(listener.stop)
        probes = HealthListener(health, listen=settings.scheduler_health_listen)
        await probes.start()
        open_things.push_async_callback(probes.stop)
        address = await server.start()
        open_things.push_async_callback(server.stop, grace_seconds=limits.STOP_GRACE_SECONDS)
        telemetry.write_address_file(
            settings.address_file, "scheduler", address=address, metrics_address=metrics_address
        )
        # What was imported stays: the collector need not walk it while tasks stream through.
        gc.freeze()
        async with asyncio.TaskGroup() as group:
            planning = group.create_task(service.run())
            await stop.wait()
            log.info("stopping")
            await server.announce_stop()
            service.end_streams()
            planning.cancel()
    log.info("stopped")


if __name__ == "__main__":
    main()
