"""What happens to every RPC of ours around its handler: one thin wrapper, put on when the handler is registered.

A wrapper validates each inbound message, turns errors into statuses, counts and times the call, and continues the
caller's trace. It is put around the handlers themselves because grpc.aio's interceptor chain costs a lookup and
several coroutines with each call. How a failure becomes a status is in `failures.py`.

Batches: the methods in `ITEMWISE` carry items that fail alone. Of those requests the wrapper checks the number of
items and nothing else; their handlers call `validation.validate_items(request, field)`.

Handlers get requests that are valid. Those with an inbound stream must read it by iterating over `request_iterator`
(`context.read()` gives messages that nobody has looked at); a bad message raises InvalidArgument there, and a handler
that lets it pass ends the stream with it.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, NamedTuple

import grpc
from google.protobuf.message import Message
from opentelemetry import trace
from opentelemetry.propagate import extract

from services import telemetry
from services.domain.errors import InvalidArgument
from services.transport import decoding
from services.transport.failures import answer
from services.transport.rpc_metrics import RpcMetrics, now
from services.transport.validation import invalid, validate_rules

Context = Any
Request = Message | decoding.Sure | InvalidArgument
Admit = Callable[[Request], Message]
Unary = Callable[[Any, Context], Awaitable[Any]]


class Items(NamedTuple):
    """Which field of a batch holds its items, and how many there may be, as the .proto says."""

    field: str
    items_max: int


ITEMWISE: Mapping[str, Items] = {"/missioncontrol.v1.TaskService/BatchCreateTasks": Items("requests", 1000)}


def wrap(service: str, handlers: Mapping[str, Any], metrics: RpcMetrics) -> dict[str, Any]:
    """The handlers of one service, each in its wrapper."""
    return {name: _wrap_handler(f"/{service}/{name}", handler, metrics) for name, handler in handlers.items()}


def _wrap_handler(method: str, handler: Any, metrics: RpcMetrics) -> Any:
    items = ITEMWISE.get(method)
    tolerate = decoding.tolerant_of_items if items else decoding.tolerant
    codec = {
        "request_deserializer": tolerate(handler.request_deserializer),
        "response_serializer": handler.response_serializer,
    }
    admit = _admit_batch(items) if items else _admit
    if handler.unary_unary:
        return grpc.unary_unary_rpc_method_handler(_unary(method, handler.unary_unary, admit, metrics), **codec)
    if handler.unary_stream:
        serve = _server_stream(handler.unary_stream, admit)
        return grpc.unary_stream_rpc_method_handler(_stream(method, serve, metrics), **codec)
    if handler.stream_stream:
        serve = _both_streams(handler.stream_stream, admit)
        return grpc.stream_stream_rpc_method_handler(_stream(method, serve, metrics), **codec)
    raise AssertionError(f"{method}: the contract has no client streams without a server stream")


def _admit(request: Request) -> Message:
    """The request as a handler may see it. Raises InvalidArgument if it may not."""
    if isinstance(request, decoding.Sure):
        return request.message
    if isinstance(request, InvalidArgument):
        raise request
    violations = validate_rules(request)
    if violations:
        raise invalid(violations)
    return request


def _admit_batch(items: Items) -> Admit:
    def admit(request: Request) -> Message:
        if isinstance(request, decoding.Sure):
            return request.message
        if isinstance(request, InvalidArgument):
            raise request
        if not 1 <= len(getattr(request, items.field)) <= items.items_max:
            raise invalid([(items.field, f"must have 1 to {items.items_max} items")])
        return request

    return admit


def _unary(method: str, behavior: Unary, admit: Admit, metrics: RpcMetrics) -> Unary:
    assert inspect.iscoroutinefunction(behavior), f"{method} must be an async function"
    name = method.removeprefix("/")

    async def call(request: Request, context: Context) -> Any:
        started = now()
        try:
            admitted = admit(request)
            if telemetry.tracer() is None:
                response = await behavior(admitted, context)
            else:
                response = await _traced(name, behavior, admitted, context)
        except BaseException as error:
            code, end = answer(error, context, method=name)
            metrics.finished(name, code, started)  # before the caller hears of it
            await end()
            raise
        metrics.finished(name, "OK", started)
        return response

    return call


async def _traced(name: str, behavior: Unary, request: Message, context: Context) -> Any:
    tracer = telemetry.tracer()
    assert tracer is not None
    parent = extract({key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)})
    with tracer.start_as_current_span(
        name, parent, kind=trace.SpanKind.SERVER, attributes={"rpc.system.name": "grpc", "rpc.method": name}
    ):
        return await behavior(request, context)


def _stream(method: str, serve: Unary, metrics: RpcMetrics) -> Unary:
    """The frame of both kinds of streams. A stream has no span of its own: its messages belong to different traces."""
    name = method.removeprefix("/")
    streams = metrics.streams(name)

    async def call(request: Any, context: Context) -> None:
        started, code = now(), "OK"
        end: Callable[[], Awaitable[None]] | None = None
        streams.inc()
        try:
            await serve(request, context)
        except BaseException as error:
            code, end = answer(error, context, method=name)
            raise
        finally:
            streams.dec()
            metrics.finished(name, code, started)  # before the caller hears of it
            if end is not None:
                await end()

    return call


def _server_stream(behavior: Any, admit: Admit) -> Unary:
    run = _runner(behavior)

    async def serve(request: Request, context: Context) -> None:
        await run(admit(request), context)

    return serve


def _both_streams(behavior: Any, admit: Admit) -> Unary:
    run = _runner(behavior)

    async def serve(requests: AsyncIterable[Request], context: Context) -> None:
        await run(Admitted(requests, admit), context)

    return serve


class Admitted:
    """The requests of a stream, each looked at before the handler gets it. Cheaper than an async generator."""

    __slots__ = ("_admit", "_next", "_requests")

    def __init__(self, requests: AsyncIterable[Request], admit: Admit) -> None:
        self._requests = requests
        self._admit = admit
        self._next: Callable[[], Awaitable[Request]] | None = None

    def __aiter__(self) -> Admitted:
        return self

    async def __anext__(self) -> Message:
        if self._next is None:  # not before it is asked for: gRPC's iterator complains if it is never used
            self._next = aiter(self._requests).__anext__
        return self._admit(await self._next())


def _runner(behavior: Any) -> Unary:
    """Runs a handler that yields its responses or writes them to the context."""
    if not inspect.isasyncgenfunction(behavior):
        assert inspect.iscoroutinefunction(behavior), f"{behavior} must be async"
        written: Unary = behavior
        return written

    async def run(request: Any, context: Context) -> None:
        async with aclosing(behavior(request, context)) as responses:
            async for response in responses:
                await context.write(response)

    return run
