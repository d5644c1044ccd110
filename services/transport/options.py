"""The channel options of our servers. gRPC ignores unknown ones without a word, so each of these has a test."""

from __future__ import annotations

from dataclasses import dataclass

from services.transport import limits


@dataclass(frozen=True)
class ServerOptions:
    """What a server allows its peers. The defaults are those of production; tests shorten times to see them work."""

    receive_bytes_max: int = limits.RECEIVE_BYTES_MAX
    # A peer may ping this often without being told ENHANCE_YOUR_CALM. Heartbeats of agents are messages, not pings.
    ping_interval_min_ms: int = 10_000
    # We ping an idle connection this often, so that a host that vanished without a FIN is noticed …
    keepalive_ms: int = 20_000
    # … when it does not answer for so long.
    keepalive_timeout_ms: int = 10_000
    # Who connects and then says nothing is cut off after this time.
    handshake_timeout_ms: int = 10_000
    # One connection's share; an agent has one stream, a client some dozens of calls in flight.
    concurrent_streams_max: int = 1_024

    def channel_arguments(self) -> tuple[tuple[str, int], ...]:
        """As `grpc.aio.server(options=…)` takes them."""
        return (
            # On by default in gRPC: two servers would share a port without an error.
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", self.receive_bytes_max),
            # We batch what we send; a list of large tasks may still be larger than what we accept.
            ("grpc.max_send_message_length", -1),
            # The commonly used `grpc.http2.min_recv_ping_interval_without_data_ms` is ignored by gRPC.
            ("grpc.http2.min_ping_interval_without_data_ms", self.ping_interval_min_ms),
            ("grpc.keepalive_time_ms", self.keepalive_ms),
            # `grpc.keepalive_timeout_ms` alone drops nobody (grpcio 1.85): the ping's own limit of 60 s counts.
            ("grpc.http2.ping_timeout_ms", self.keepalive_timeout_ms),
            ("grpc.keepalive_timeout_ms", self.keepalive_timeout_ms),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.server_handshake_timeout_ms", self.handshake_timeout_ms),
            ("grpc.max_concurrent_streams", self.concurrent_streams_max),
        )
