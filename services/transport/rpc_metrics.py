"""The figures of every RPC, named as OpenTelemetry's semantic conventions 1.45 name them."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Gauge, Histogram

# OpenTelemetry's advice for RPC durations, with finer steps below 5 ms, where a healthy coordinator answers.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

now = time.perf_counter


class RpcMetrics:
    """Count and duration by method and code, and how many streams are open. One a process, in its registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._duration = Histogram(
            "rpc_server_call_duration_seconds",
            "Duration of inbound RPCs; of a stream, its whole life.",
            ("rpc_system_name", "rpc_method", "rpc_response_status_code"),
            buckets=_BUCKETS,
            registry=registry,
        )
        self._streams = Gauge(
            "missioncontrol_rpc_streams", "Streams that are open now.", ("rpc_method",), registry=registry
        )
        self._children: dict[tuple[str, str], Histogram] = {}

    def finished(self, method: str, code: str, started: float) -> None:
        """Counts one call that began at `started`, by `now()`."""
        child = self._children.get((method, code))
        if child is None:
            child = self._children[method, code] = self._duration.labels("grpc", method, code)
        child.observe(now() - started)

    def streams(self, method: str) -> Gauge:
        """The gauge of one method's open streams."""
        return self._streams.labels(method)
