"""What a process says of its health by gRPC, under names for the different questions of who watches it.

    startup     has the process once been able to work? Then for good.
    liveness    is it worth keeping? As long as its event loop turns. Says nothing of the database or of other services.
    readiness   should new work be sent to it? So do "" and the full names of the services.

A restart helps against a loop that hangs, and against nothing that lies outside of the process: so what liveness says
depends on nothing but the process, also while it waits for a database at its start, and while it drains.
"""

from __future__ import annotations

from collections.abc import Iterable

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from services.config import split_address
from services.transport import limits

STARTUP = "startup"
LIVENESS = "liveness"
READINESS = "readiness"
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Health:
    """The answers of one process, whatever ports it gives them on. Begins alive, and neither started nor ready."""

    def __init__(self) -> None:
        self._servicer = health.aio.HealthServicer()
        self._services: tuple[str, ...] = ()
        self._stopping = False

    async def begin(self) -> None:
        """Says what is so before anything works. Everything else was said before the first question."""
        await self._say(_SERVING, LIVENESS)
        await self._say(_NOT_SERVING, "", STARTUP, READINESS)

    async def started(self, services: Iterable[str]) -> None:
        """Says that the process can work now, and under which names of services."""
        self._services = tuple(services)
        await self._say(_SERVING, LIVENESS, STARTUP)
        await self.ready()

    async def ready(self) -> None:
        """Says SERVING: new work may come. Not once a stop was announced."""
        if not self._stopping:
            await self._say(_SERVING, "", READINESS, *self._services)

    async def unready(self) -> None:
        """Says NOT_SERVING where new work is meant, for a process that lives but cannot do its work now."""
        await self._say(_NOT_SERVING, "", READINESS, *self._services)

    async def stopping(self) -> None:
        """Says NOT_SERVING where new work is meant, for good. Who drains is alive, and must not be killed for it."""
        self._stopping = True
        await self.unready()

    def add_to(self, server: grpc.aio.Server) -> None:
        """Has a server answer, before it starts."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def _say(self, status: int, *names: str) -> None:
        for name in names:
            await self._servicer.set(name, status)


class HealthListener:
    """A port with nothing but health, in plain text: Kubernetes' probes speak no TLS. `start()`, `stop()` symmetric.

    Without an address there is none. It listens before the process can work, and longer than that.
    """

    def __init__(self, health: Health, *, listen: str) -> None:
        self._health = health
        self._listen = listen
        self._server: grpc.aio.Server | None = None

    async def start(self) -> str:
        """Listens and returns "host:port", empty without an address. Raises OSError."""
        if not self._listen:
            return ""
        await self._health.begin()
        self._server = grpc.aio.server(
            options=(("grpc.so_reuseport", 0),), maximum_concurrent_rpcs=limits.HEALTH_RPCS_MAX
        )
        self._health.add_to(self._server)
        try:
            port = self._server.add_insecure_port(self._listen)
        except RuntimeError as error:
            raise OSError(f"cannot listen for probes on {self._listen}: the address is in use or not ours") from error
        await self._server.start()
        host, _ = split_address(self._listen)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def stop(self) -> None:
        """Stops listening."""
        if self._server is not None:
            await self._server.stop(0)
            self._server = None
