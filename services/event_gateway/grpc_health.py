"""The gateway's gRPC side: health and reflection, for probes that speak gRPC. The feed itself is served over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from prometheus_client import CollectorRegistry

from services.event_gateway.limits import HEALTH_POLL_SECONDS
from services.transport.server import create_server


class GrpcHealth:
    """Tells by gRPC what `/readyz` tells by HTTP. `start()` and `stop()` are symmetric."""

    def __init__(self, ready: Callable[[], bool], *, listen: str, registry: CollectorRegistry) -> None:
        self._ready = ready
        self._server = create_server("event_gateway", listen=listen, registry=registry)
        self._loop: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Listens and returns "host:port". Raises ListenError."""
        address = await self._server.start()
        await self.step()
        self._loop = asyncio.create_task(self.run())
        return address

    async def run(self) -> None:
        """Follows the readiness until cancelled."""
        while True:
            await asyncio.sleep(HEALTH_POLL_SECONDS)
            await self.step()

    async def step(self) -> None:
        """Tells the readiness as it is now."""
        if self._ready():
            await self._server.mark_ready()
        else:
            await self._server.mark_unready()

    async def announce_stop(self) -> None:
        """Says NOT_SERVING for good, but that it lives: whoever watches must not kill what drains."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
        await self._server.announce_stop()

    async def stop(self) -> None:
        """Stops answering."""
        await self._server.stop(grace_seconds=0)
