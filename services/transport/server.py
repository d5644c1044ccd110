"""A gRPC server as all our processes run it: validation, statuses, metrics, health and reflection included.

    server = create_server("coordinator", listen="127.0.0.1:0", registry=registry)
    server.add(task_service_pb2_grpc.add_TaskServiceServicer_to_server, servicer)
    address = await server.start()          # "127.0.0.1:43211"
    …
    await server.announce_stop()            # health says NOT_SERVING; calls go on
    …                                       # the process says goodbye on its streams
    await server.stop(grace_seconds=5)

Whoever creates one must keep it: a started grpc.aio server that nobody refers to stops silently.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import structlog
from prometheus_client import CollectorRegistry

from services.config import split_address
from services.transport import interceptors, limits
from services.transport.health import Health
from services.transport.options import ServerOptions
from services.transport.reflection import add_reflection
from services.transport.rpc_metrics import RpcMetrics
from services.transport.tls import ServerFiles, server_credentials

log = structlog.get_logger()

_HEALTH_SERVICE = "grpc.health.v1.Health"


class ListenError(Exception):
    """The address cannot be listened on. The message says which and why."""


def create_server(
    name: str,
    *,
    listen: str,
    registry: CollectorRegistry,
    options: ServerOptions | None = None,
    health: Health | None = None,
    tls: ServerFiles | None = None,
) -> RpcServer:
    """A server that does not listen yet. `listen` is "host:port", where port 0 takes a free one; `tls`: TLS only."""
    metrics = RpcMetrics(registry)
    return RpcServer(
        name, listen=listen, metrics=metrics, options=options or ServerOptions(), health=health or Health(), tls=tls
    )


class RpcServer:
    """See the module. `start()` and `stop()` are symmetric and called once each."""

    def __init__(
        self,
        name: str,
        *,
        listen: str,
        metrics: RpcMetrics,
        options: ServerOptions,
        health: Health,
        tls: ServerFiles | None,
    ) -> None:
        self._name = name
        self._listen = listen
        self._metrics = metrics
        self._services: list[str] = []
        self._health = health
        self._tls = tls
        self._server = grpc.aio.server(
            options=options.channel_arguments(), maximum_concurrent_rpcs=limits.CONCURRENT_RPCS_MAX
        )
        self.address = ""

    def add(self, add_servicer: Callable[[Any, Any], None], servicer: object) -> None:
        """Registers a servicer by its generated `add_…Servicer_to_server`, each of its handlers in our wrapper."""
        add_servicer(servicer, _Registrar(self._server, self._metrics, self._services))

    def bind(self) -> str:
        """Takes the address and returns it; for those who need it before `start()`. Raises ListenError."""
        if not self.address:
            self.address = self._bind()
        return self.address

    async def start(self) -> str:
        """Listens, says SERVING under every health name and returns "host:port". Raises ListenError."""
        self._health.add_to(self._server)
        add_reflection(self._server, [*self._services, _HEALTH_SERVICE])
        self.bind()
        await self._health.started(self._services)
        await self._server.start()
        log.info("listening", address=self.address, services=self._services)
        return self.address

    async def mark_ready(self) -> None:
        """Says SERVING: new work may come. `start()` does it."""
        await self._health.ready()

    async def mark_unready(self) -> None:
        """Says NOT_SERVING under all but "liveness" and "startup", for who lives but cannot do its work now."""
        await self._health.unready()

    async def announce_stop(self) -> None:
        """Says NOT_SERVING where new work is meant, for good; calls and streams go on. The first step of a drain."""
        await self._health.stopping()

    async def stop(self, *, grace_seconds: float) -> None:
        """Takes no new calls, lets the open ones end for `grace_seconds`, cancels the rest.

        Streams get no warning by this.
        """
        await self.announce_stop()
        await self._server.stop(grace_seconds)

    async def wait(self) -> None:
        """Returns when the server has stopped."""
        await self._server.wait_for_termination()

    def _bind(self) -> str:
        host, _ = split_address(self._listen)
        try:
            port = self._add_port()
        except RuntimeError as error:
            raise ListenError(
                f"{self._name} cannot listen on {self._listen}: the address is in use or not ours"
            ) from error
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def _add_port(self) -> int:
        if self._tls is None:
            return self._server.add_insecure_port(self._listen)
        return self._server.add_secure_port(self._listen, server_credentials(self._tls))


class _Registrar:
    """What generated code believes to be a server: wraps the handlers on their way to the real one."""

    def __init__(self, server: grpc.aio.Server, metrics: RpcMetrics, services: list[str]) -> None:
        self._server = server
        self._metrics = metrics
        self._services = services

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Ignored: the same handlers come, by name, to `add_registered_method_handlers`."""

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Any]) -> None:
        """Wraps the service's handlers and registers them."""
        wrapped = interceptors.wrap(service, handlers, self._metrics)
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, wrapped),))
        self._server.add_registered_method_handlers(service, wrapped)
        self._services.append(service)
