"""The gateway's HTTP interface: `/v1/events`, `/healthz`, `/readyz`, `/metrics`.

What a request may ask for is in `query.py`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import orjson
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from services.config import EventGatewaySettings
from services.domain.errors import InvalidArgument
from services.domain.event import Position, parse_position
from services.event_gateway import limits
from services.event_gateway.feed import Feed
from services.event_gateway.feed_stream import FeedStream
from services.event_gateway.formats import NDJSON, SSE, opening_of_sse, reset_content
from services.event_gateway.gateway_metrics import GatewayMetrics
from services.event_gateway.history import History, HistoryUnavailableError, Reset
from services.event_gateway.query import Query, QueryError, parse_query
from services.event_gateway.reader import Item, Reader
from services.event_gateway.ring import Ring

HEAD = "head"


@dataclass
class Gateway:
    """What the routes need, and the readers that are connected."""

    settings: EventGatewaySettings
    ring: Ring
    feed: Feed
    history: History
    metrics: GatewayMetrics
    registry: CollectorRegistry
    readers: set[Reader] = field(default_factory=set)


def create_app(gateway: Gateway) -> Starlette:
    """The ASGI application."""
    origins = list(gateway.settings.event_gateway_cors_origins)
    cors = Middleware(CORSMiddleware, allow_origins=origins, allow_methods=["GET"], allow_headers=["Last-Event-ID"])
    gateway.metrics.lag.set_function(lambda: max((reader.lag for reader in gateway.readers), default=0))
    app = Starlette(
        routes=[
            Route("/v1/events", _events),
            Route("/healthz", _healthz),
            Route("/readyz", _readyz),
            Route("/metrics", _metrics),
        ],
        middleware=[cors] if origins else [],
        exception_handlers={HTTPException: _http_exception, HistoryUnavailableError: _unavailable, 500: _failed},
    )
    app.state.gateway = gateway
    return app


async def _events(request: Request) -> Any:
    gateway: Gateway = request.app.state.gateway
    try:
        query = parse_query(request.query_params, request.headers)
    except QueryError as error:
        return _problem(400, str(error), parameter=error.parameter, reason=error.reason)
    if request.method == "HEAD":
        return Response(headers={"Cache-Control": "no-store"})
    if query.format == "json":
        return await _page(gateway, query)
    if gateway.ring.closed or len(gateway.readers) >= gateway.settings.event_gateway_readers_max:
        return _refused(gateway, "the gateway is stopping" if gateway.ring.closed else "too many readers")
    return await _stream(gateway, query)


def _refused(gateway: Gateway, reason: str) -> Response:
    gateway.metrics.refused.inc()
    return _problem(503, reason, retry_after_seconds=limits.RETRY_AFTER_SECONDS)


async def _stream(gateway: Gateway, query: Query) -> FeedStream | Response:
    settings, metrics = gateway.settings, gateway.metrics
    after, reset = await _start(gateway, query)
    reader = Reader(
        gateway.ring,
        gateway.history,
        query.wanted,
        after=after,
        keepalive_seconds=settings.event_gateway_keepalive_seconds,
    )
    # Where "head" was is for the reader to know: cut before its first event, it has to come back to that place.
    begun = str(after) if query.after == HEAD else ""
    format_ = SSE if query.format == "sse" else NDJSON
    gauge = metrics.readers.labels(format_.name)
    items = reader.follow() if query.follow else await _primed(reader.until_head())

    def forget() -> None:
        gateway.readers.discard(reader)
        gauge.dec()

    if len(gateway.readers) >= settings.event_gateway_readers_max:  # others came while the coordinator was asked
        await items.aclose()
        return _refused(gateway, "too many readers")
    gateway.readers.add(reader)
    gauge.inc()
    return FeedStream(
        items=_after(reset, items) if reset else items,
        format=format_,
        opening=opening_of_sse(settings.event_gateway_retry_seconds, begun) if format_ is SSE else b"",
        metrics=metrics,
        write_timeout_seconds=settings.event_gateway_write_timeout_seconds,
        on_end=forget,
    )


async def _start(gateway: Gateway, query: Query) -> tuple[Position | None, Reset | None]:
    """Where the reader begins, and a reset if what it asked for is no position at all."""
    if not query.after:
        return None, None
    if query.after == HEAD:
        # A stream may begin a moment early, at the ring's head; a page is asked for to learn where the head is.
        known = gateway.ring.position if gateway.feed.ready and query.format != "json" else None
        return known or await gateway.history.head(), None
    try:
        return parse_position(query.after), None
    except InvalidArgument:
        beginning = await gateway.history.beginning()
        return beginning, Reset("malformed", query.after[: limits.REQUESTED_CHARACTERS_MAX], beginning)


async def _after(first: Item | None, items: AsyncGenerator[Item]) -> AsyncGenerator[Item]:
    async with aclosing(items):
        if first is not None:
            yield first
        async for item in items:
            yield item


async def _primed(items: AsyncGenerator[Item]) -> AsyncGenerator[Item]:
    """The same items, the first already fetched: a coordinator that does not answer is then an error with a status."""
    return _after(await anext(items, None), items)


async def _page(gateway: Gateway, query: Query) -> Response:
    after, reset = await _start(gateway, query)
    page = await gateway.history.page(after, query.wanted, count_max=query.limit)
    reset = reset or page.reset
    fragments = [b'{"events":[', b",".join(entry.json for entry in page.entries), b'],"next":']
    fragments += [orjson.dumps(str(page.next_position)), b',"head":', orjson.dumps(str(page.head))]
    if reset:
        gateway.metrics.resets.labels("reader", reset.reason).inc()
        fragments += [b',"reset":', orjson.dumps(reset_content(reset))]
    return _json(200, b"".join([*fragments, b"}"]))


async def _healthz(_request: Request) -> Response:
    return PlainTextResponse("ok\n", headers={"Cache-Control": "no-store"})


async def _readyz(request: Request) -> Response:
    gateway: Gateway = request.app.state.gateway
    content = {
        "ready": gateway.feed.ready and not gateway.ring.closed,
        "connected": gateway.feed.connected,
        "caught_up": gateway.feed.caught_up,
        "position": str(gateway.ring.position or ""),
    }
    return _json(200 if content["ready"] else 503, orjson.dumps(content))


async def _metrics(request: Request) -> Response:
    gateway: Gateway = request.app.state.gateway
    return Response(generate_latest(gateway.registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)


async def _http_exception(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    response = _problem(error.status_code, error.detail)
    response.headers.update(error.headers or {})  # such as Allow
    return response


async def _unavailable(_request: Request, error: Exception) -> Response:
    return _problem(503, f"no coordinator answers ({error})", retry_after_seconds=round(limits.HISTORY_RETRY_SECONDS))


async def _failed(_request: Request, _error: Exception) -> Response:
    """Our own mistake: uvicorn logs it whole, it is shown as nothing."""
    return _problem(500, "internal error; the gateway's log has the details")


def _problem(status: int, detail: str, *, retry_after_seconds: int | None = None, **members: str) -> Response:
    """An error as RFC 9457 has it."""
    response = _json(status, orjson.dumps({"type": "about:blank", "status": status, "detail": detail, **members}))
    response.headers["Content-Type"] = "application/problem+json"
    if retry_after_seconds is not None:
        response.headers["Retry-After"] = str(retry_after_seconds)
    return response


def _json(status: int, body: bytes) -> Response:
    return Response(body, status, {"Cache-Control": "no-store"}, media_type="application/json")
