"""What a process tells of itself: logs, metrics, traces.

Logs are one JSON object a line on stdout. Metrics are Prometheus's and live in one registry for the process. Traces
go out by OTLP if the standard variable OTEL_EXPORTER_OTLP_ENDPOINT is set and the exporter is installed; otherwise a
span is a no-op and `tracer()` is None, so that hot paths need not even ask. The HTTP listener is in
`metrics_listener.py`.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

import structlog
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from services.address_file import write_address_file
from services.metrics_listener import MetricsListener

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

__all__ = [
    "MetricsListener",
    "configure_logging",
    "configure_tracing",
    "new_registry",
    "shutdown_tracing",
    "tracer",
    "write_address_file",
]

_OTLP_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

# Without local variables: they hold payloads, which belong to the users.
_JSON_TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)

log = structlog.get_logger()


class _Tracing:
    """The tracer of this process, once it is configured."""

    tracer: trace.Tracer | None = None
    provider: TracerProvider | None = None


def configure_logging(service: str, *, level: str = "info", log_format: str = "json") -> None:
    """Sends every log line, structlog's and the standard library's, to stdout in one format with `service` in it."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    renderer: list[structlog.types.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback)]
        if log_format == "console"
        else [_JSON_TRACEBACKS, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(service=service)
    _redirect_standard_library(shared, renderer, level)


def _redirect_standard_library(
    shared: list[structlog.types.Processor], renderer: list[structlog.types.Processor], level: str
) -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries at "debug" drown our own lines; theirs start at "info" whatever is asked for.
    root.setLevel(max(logging.INFO, logging.getLevelNamesMapping()[level.upper()]))


def new_registry() -> CollectorRegistry:
    """A registry with the process's own figures (CPU, memory, file descriptors, garbage collection) in it."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def configure_tracing(service: str) -> None:
    """Starts exporting spans if OTLP is configured and installed; says so if it is configured and cannot be done."""
    if not any(os.environ.get(name) for name in _OTLP_VARIABLES):
        return
    exporter = _otlp_exporter()
    if exporter is None:
        log.warning("traces are configured but not exported: install opentelemetry-exporter-otlp-proto-http")
        return
    provider = TracerProvider(resource=Resource.create({"service.name": f"missioncontrol-{service}"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    _Tracing.provider = provider
    _Tracing.tracer = provider.get_tracer("missioncontrol")


def _otlp_exporter() -> SpanExporter | None:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - optional
    except ImportError:
        return None
    exporter: SpanExporter = OTLPSpanExporter()
    return exporter


def tracer() -> trace.Tracer | None:
    """The process's tracer, or None if spans go nowhere."""
    return _Tracing.tracer


def shutdown_tracing() -> None:
    """Sends what is still buffered. Called last in a drain; may block for some seconds."""
    if _Tracing.provider is not None:
        _Tracing.provider.shutdown()
        _Tracing.provider = _Tracing.tracer = None
