"""One response that goes on for as long as its reader stays: from a reader's items to bytes on its connection.

A write that cannot be made within the time limit ends the connection at once; what the reader has seen until then it
knows by its last id. An end from our side (a drain, a reader that fell behind) is a clean end of the response.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import structlog

from services import failpoints
from services.event_gateway.formats import Format
from services.event_gateway.gateway_metrics import GatewayMetrics
from services.event_gateway.history import HistoryUnavailableError, Reset
from services.event_gateway.reader import FellBehindError, Idle, Item

Scope = Mapping[str, Any]
Receive = Callable[[], Any]
Send = Callable[[dict[str, Any]], Any]

log = structlog.get_logger()

# Proxies must neither store nor collect what is to arrive now.
_HEADERS = ((b"cache-control", b"no-store"), (b"x-accel-buffering", b"no"), (b"connection", b"close"))


@dataclass(frozen=True)
class FeedStream:
    """An ASGI application for one request. `on_end` is called once, whatever ends it."""

    items: AsyncGenerator[Item]
    format: Format
    opening: bytes
    metrics: GatewayMetrics
    write_timeout_seconds: float
    on_end: Callable[[], None]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves until the reader leaves, the items end, or the reader cannot keep up."""
        pump = asyncio.create_task(self._pump(scope, send))
        gone = asyncio.create_task(_disconnect(receive))
        try:
            await asyncio.wait((pump, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            pump.cancel()
            gone.cancel()
            await asyncio.gather(pump, gone, return_exceptions=True)
            self.on_end()

    async def _pump(self, scope: Scope, send: Send) -> None:
        abort = scope["state"]["abort"]
        try:
            await self._write_head(send)
            await self._write_items(send)
            await self._write(send, b"", more=False)
        except TimeoutError:
            self.metrics.dropped.labels("write_timeout").inc()
            log.info("reader dropped", reason="it did not read", client=scope.get("client"))
            abort()
        except HistoryUnavailableError as error:
            self.metrics.dropped.labels("history").inc()
            log.warning("reader ended", reason="no coordinator answers", error=str(error))
            abort()  # Not a clean end: the reader must not take it for the head.
        except Exception:
            log.exception("reader failed")
            abort()

    async def _write_head(self, send: Send) -> None:
        headers = [(b"content-type", self.format.media_type.encode()), *_HEADERS]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._write(send, self.opening)

    async def _write_items(self, send: Send) -> None:
        async with aclosing(self.items) as items:
            try:
                async for item in items:
                    for chunk in self.format.chunks(item):
                        await self._write(send, chunk)
                    self._count(item)
            except FellBehindError:
                self.metrics.dropped.labels("slow").inc()

    async def _write(self, send: Send, body: bytes, *, more: bool = True) -> None:
        async with asyncio.timeout(self.write_timeout_seconds):
            failpoints.reach("gateway.before_send", TimeoutError)
            await send({"type": "http.response.body", "body": body, "more_body": more})
            failpoints.reach("gateway.after_send", TimeoutError)

    def _count(self, item: Item) -> None:
        if isinstance(item, Reset):
            self.metrics.resets.labels("reader", item.reason).inc()
        elif not isinstance(item, Idle):
            self.metrics.sent.inc(len(item))


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
