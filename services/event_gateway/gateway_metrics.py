"""The gateway's figures."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

_PREFIX = "missioncontrol_event_gateway_"


class GatewayMetrics:
    """One a process, in its registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(_PREFIX + name, text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(_PREFIX + name, text, labels, registry=registry)

        self.received = counter("events_received", "Events that came from the coordinator.")
        self.sent = counter("events_sent", "Events that went to readers.")
        self.sequence = gauge("sequence", "Sequence of the newest event in the ring.")
        self.delay = gauge("feed_delay_seconds", "From the commit of the newest event to its arrival, by both clocks.")
        self.connected = gauge("connected", "1 while the gateway follows a coordinator.")
        self.caught_up = gauge("caught_up", "1 while the gateway has all that the coordinator has.")
        self.reconnects = counter("reconnects", "Streams to coordinators that ended.")
        self.resets = counter("resets", "Positions that could not be continued.", "side", "reason")
        self.ring_events = gauge("ring_events", "Events in the ring.")
        self.ring_bytes = gauge("ring_bytes", "Bytes in the ring.")
        self.readers = gauge("readers", "Readers that are connected now.", "format")
        self.lag = gauge("reader_lag_events_max", "How many events the slowest reader that follows the ring is behind.")
        self.dropped = counter("readers_dropped", "Readers that were ended by the gateway.", "reason")
        self.refused = counter("readers_refused", "Readers that were refused because there are too many.")
        self.history_pages = counter("history_pages", "Pages of history that were read from the coordinator.")
