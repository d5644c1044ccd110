"""A small HTTP listener for `/metrics` and `/healthz` in processes that speak gRPC otherwise.

It answers one GET per connection and knows nothing else of HTTP: scrapers and probes need no more, and the
coordinator need not load a web framework.
"""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from services.config import split_address

# A scraper sends its request at once; whoever does not is cut off, so that nobody can hold sockets open.
REQUEST_SECONDS_MAX = 5.0
# A GET with the headers of a scraper or a proxy is far smaller.
REQUEST_BYTES_MAX = 16_384
# More scrapers at once than anybody has.
CONNECTIONS_MAX = 64


class MetricsListener:
    """Serves one registry. `start()` and `stop()` are symmetric; `address` is valid in between."""

    def __init__(self, registry: CollectorRegistry, *, listen: str) -> None:
        self._registry = registry
        self._listen = listen
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.address = ""

    async def start(self) -> str:
        """Listens and returns "host:port" with the real port. Raises OSError with a clear message."""
        host, port = split_address(self._listen)
        try:
            self._server = await asyncio.start_server(self._accept, host, port, limit=REQUEST_BYTES_MAX)
        except OSError as error:
            raise OSError(f"cannot listen for metrics on {self._listen}: {error.strerror or error}") from error
        bound = self._server.sockets[0].getsockname()[1]
        self.address = f"[{host}]:{bound}" if ":" in host else f"{host}:{bound}"
        return self.address

    async def stop(self) -> None:
        """Stops listening and cuts what is open."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._connections) >= CONNECTIONS_MAX:
            writer.close()
            return
        self._connections.add(task)
        try:
            async with asyncio.timeout(REQUEST_SECONDS_MAX):
                request = await reader.readuntil(b"\r\n\r\n")
                answer = self._answer(request.split(b"\r\n", 1)[0])
                writer.write(answer[: answer.index(b"\r\n\r\n") + 4] if request.startswith(b"HEAD ") else answer)
                await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass  # Not a scraper, or one that went away: there is nobody to tell.
        finally:
            self._connections.discard(task)
            writer.close()

    def _answer(self, request_line: bytes) -> bytes:
        method, _, rest = request_line.partition(b" ")
        path = rest.split(b" ", 1)[0].split(b"?", 1)[0]
        if method not in (b"GET", b"HEAD"):
            return _response("405 Method Not Allowed", "text/plain", b"only GET\n")
        if path == b"/metrics":
            return _response("200 OK", CONTENT_TYPE_PLAIN_0_0_4, generate_latest(self._registry))
        if path == b"/healthz":
            return _response("200 OK", "text/plain", b"ok\n")
        return _response("404 Not Found", "text/plain", b"try /metrics or /healthz\n")


def _response(status: str, content_type: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + body
