"""How a stream of events is written: as server-sent events (WHATWG HTML, section 9.2) or as NDJSON.

SSE: `id` stands on every event, and on the opening where "head" was asked for, so that a client's `Last-Event-ID` is
always a position. NDJSON: one CloudEvent a line; an empty line is a sign of life; a line
{"reset": …} says that the position could not be continued.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

import orjson

from services.event_gateway import limits
from services.event_gateway.entry import Entry
from services.event_gateway.history import Reset
from services.event_gateway.reader import Idle, Item


@dataclass(frozen=True)
class Format:
    """One way to write a stream."""

    name: str
    media_type: str
    keep_alive: bytes
    piece: Callable[[Entry], bytes]
    reset: Callable[[Reset], bytes]

    def chunks(self, item: Item) -> Iterator[bytes]:
        """What to write for one item of a reader, in pieces of a bounded size."""
        if isinstance(item, Idle):
            yield self.keep_alive
        elif isinstance(item, Reset):
            yield self.reset(item)
        else:
            yield from _joined(list(map(self.piece, item)))


def reset_content(reset: Reset) -> dict[str, str]:
    """What a reset says: why, what was asked for, and the position after which it goes on."""
    return {"reason": reset.reason, "requested": reset.requested, "position": str(reset.position)}


def _joined(pieces: Sequence[bytes]) -> Iterator[bytes]:
    start, size = 0, 0
    for index, piece in enumerate(pieces):
        size += len(piece)
        if size >= limits.CHUNK_BYTES_MAX:
            yield b"".join(pieces[start : index + 1])
            start, size = index + 1, 0
    if start < len(pieces):
        yield b"".join(pieces[start:])


def opening_of_sse(retry_seconds: float, position: str = "") -> bytes:
    """The first bytes of an SSE stream: when to come back after a break, and where to, if it has to be said."""
    begun = f"id: {position}\n".encode() if position else b""
    return b"retry: %d\n%b\n" % (round(retry_seconds * 1000), begun)


SSE = Format(
    name="sse",
    media_type="text/event-stream",
    keep_alive=b": keep-alive\n\n",
    piece=attrgetter("frame"),
    reset=lambda reset: b"event: reset\ndata: %b\n\n" % orjson.dumps(reset_content(reset)),
)
NDJSON = Format(
    name="ndjson",
    media_type="application/x-ndjson",
    keep_alive=b"\n",
    piece=attrgetter("line"),
    reset=lambda reset: orjson.dumps({"reset": reset_content(reset)}) + b"\n",
)
