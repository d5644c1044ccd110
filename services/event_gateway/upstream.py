"""The coordinators that the gateway may ask, one after another: which one is current, and a stub for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from missioncontrol.v1 import event_service_pb2_grpc

from services.event_gateway import limits
from services.transport.tls import Dialling

if TYPE_CHECKING:
    import grpc

_OPTIONS = (
    ("grpc.max_receive_message_length", limits.MESSAGE_BYTES_MAX),
    # A coordinator whose host vanished is noticed by pings, since an idle feed sends nothing: within 20 s.
    ("grpc.keepalive_time_ms", 15_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # Waiting between attempts is the feed's business.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)


class Upstream:
    """One channel for each address, made when it is first needed and kept, as long as its files of TLS are the same."""

    def __init__(self, addresses: Sequence[str], *, dial: Dialling = Dialling()) -> None:  # noqa: B008 -- frozen
        assert addresses
        self._dial = dial
        self._addresses = tuple(addresses)
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._current = 0
        self._stamp: tuple[int, ...] = ()

    @property
    def address(self) -> str:
        """The address in use."""
        return self._addresses[self._current]

    async def renew(self) -> None:
        """Leaves the channels whose files were replaced, once their pages are there. Raises OSError if one is missing.

        They would show for ever what they were opened with, and after its end be refused for ever.
        """
        stamp = self._dial.stamp()
        if stamp != self._stamp:
            left, self._channels, self._stamp = self._channels, {}, stamp
            for channel in left.values():
                await channel.close(limits.HISTORY_CALL_SECONDS_MAX)

    def stub(self) -> event_service_pb2_grpc.EventServiceAsyncStub:
        """A stub for the coordinator in use. Raises OSError if a file of TLS cannot be read."""
        if self.address not in self._channels:
            self._channels[self.address] = self._dial.open(self.address, _OPTIONS)
        return event_service_pb2_grpc.EventServiceStub(self._channels[self.address])

    def move_on(self, failed: str) -> None:
        """Takes the next address, unless somebody else has left `failed` already."""
        if failed == self.address:
            self._current = (self._current + 1) % len(self._addresses)

    async def close(self) -> None:
        """Closes every channel; what is in flight fails."""
        for channel in self._channels.values():
            await channel.close()
        self._channels.clear()
