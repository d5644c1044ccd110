"""What a process tells of itself beside its log: metrics and traces.

Metrics are Prometheus's and live in one registry for the process. Traces go out by OTLP if the standard variable
OTEL_EXPORTER_OTLP_ENDPOINT is set and the exporter is installed; otherwise a span is a no-op and `tracer()` is None, so
that hot paths need not even ask. The HTTP listener is in `metrics_listener.py`.
"""

from __future__ import annotations

import os
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
    "configure_tracing",
    "new_registry",
    "shutdown_tracing",
    "tracer",
    "write_address_file",
]

_OTLP_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

log = structlog.get_logger()


class _Tracing:
    """The tracer of this process, once it is configured."""

    tracer: trace.Tracer | None = None
    provider: TracerProvider | None = None


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
