"""The output of a command: all of it as long as it is short, its head and its tail otherwise, and within the payload
limit.

The newest bytes are those of the live stream; only the head is kept besides.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from missioncontrol import agent_limits as limits
from missioncontrol.command import CommandOutput
from missioncontrol.live_output import LiveStream
from missioncontrol.payload import encode_payload
from missioncontrol.v1 import task_pb2


class OutputKeeper:
    """Takes in one stream of a command, and gives what is kept of it."""

    def __init__(self, live: LiveStream) -> None:
        self._live = live
        self._head = bytearray()

    def append(self, data: bytes) -> None:
        """Takes in what was read."""
        if len(self._head) < limits.HEAD_BYTES_MAX:
            self._head += data[: limits.HEAD_BYTES_MAX - len(self._head)]
        self._live.append(data)

    def kept(self) -> KeptOutput:
        """The head and the tail as they are now. They do not overlap."""
        total = self._live.end
        start, tail = self._live.read(max(len(self._head), total - limits.TAIL_BYTES_MAX), limits.TAIL_BYTES_MAX)
        return KeptOutput(bytes(self._head), tail if start >= len(self._head) else b"", total)


@dataclass(frozen=True)
class KeptOutput:
    """What is there of one stream."""

    head: bytes
    tail: bytes
    total: int

    @property
    def whole(self) -> bool:
        """Whether nothing is missing between head and tail."""
        return len(self.head) + len(self.tail) == self.total

    def shrunk(self, bytes_max: int) -> KeptOutput:
        """At most so many bytes, half of them from the beginning and half from the end, cut between characters."""
        if len(self.head) + len(self.tail) <= bytes_max:
            return self
        everything = self.head + self.tail
        half = bytes_max // 2
        return KeptOutput(_trim_end(everything[:half]), _trim_start(everything[len(everything) - half :]), self.total)

    def text(self) -> tuple[str, int]:
        """The text, and how many bytes are missing from its middle."""
        if self.whole:
            return (self.head + self.tail).decode("utf-8", "replace"), 0
        head, tail = _trim_end(self.head), _trim_start(self.tail)
        omitted = self.total - len(head) - len(tail)
        note = f"\n[… {omitted} bytes left out …]\n"
        return head.decode("utf-8", "replace") + note + tail.decode("utf-8", "replace"), omitted


def encode_output(output: CommandOutput, stdout: KeptOutput, stderr: KeptOutput) -> task_pb2.Payload:
    """The result as a payload that fits, with as much of both streams as there is room for."""
    room = limits.PAYLOAD_BYTES_MAX - limits.RESULT_FRAME_BYTES
    costs = _cost(stdout), _cost(stderr)
    if sum(costs) > room:
        # The smaller one keeps what it has, up to half of the room.
        smaller = min(*costs, room // 2)
        allowed = (smaller, room - smaller) if costs[0] <= costs[1] else (room - smaller, smaller)
        stdout, stderr = _fit(stdout, allowed[0]), _fit(stderr, allowed[1])
    (stdout_text, stdout_omitted), (stderr_text, stderr_omitted) = stdout.text(), stderr.text()
    return encode_payload(
        replace(
            output,
            stdout=stdout_text,
            stderr=stderr_text,
            stdout_bytes=stdout.total,
            stderr_bytes=stderr.total,
            stdout_omitted_bytes=stdout_omitted,
            stderr_omitted_bytes=stderr_omitted,
        )
    )


def _fit(kept: KeptOutput, allowed: int) -> KeptOutput:
    # What JSON makes of a byte differs: six bytes of a control character, three of one that is no UTF-8.
    size = len(kept.head) + len(kept.tail)
    while (cost := _cost(kept)) > allowed:
        size = min(size * 15 // 16, size * allowed // cost)
        kept = kept.shrunk(size)
    return kept


def _cost(kept: KeptOutput) -> int:
    return len(json.dumps(kept.text()[0], ensure_ascii=False).encode("utf-8", "replace"))


def _trim_end(data: bytes) -> bytes:
    """Without a character that is cut off at the end."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 == 0x80:
            continue
        width = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        return data[:-back] if width > back else data
    return data


def _trim_start(data: bytes) -> bytes:
    """Without the rest of a character at the start."""
    skip = 0
    while skip < min(3, len(data)) and data[skip] & 0xC0 == 0x80:
        skip += 1
    return data[skip:]
