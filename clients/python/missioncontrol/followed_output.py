"""Which leases' live output is asked for, and what of it to send next. Belongs to the session's thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from missioncontrol import agent_limits as limits
from missioncontrol.live_output import STREAMS, LiveOutput
from missioncontrol.session_effects import LeaseKey
from missioncontrol.v1 import agent_service_pb2 as pb
from missioncontrol.v1 import task_service_pb2


@dataclass(slots=True, eq=False)
class _Followed:
    key: LeaseKey
    output: LiveOutput
    offsets: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class FollowedOutput:
    """Batches of output, by turns among the leases, at most one in `LIVE_SECONDS`; the rest of ended leases at once."""

    due_time: float = inf
    _followed: dict[LeaseKey, _Followed] = field(default_factory=dict)
    _dirty: dict[LeaseKey, _Followed] = field(default_factory=dict)
    _final: dict[LeaseKey, _Followed] = field(default_factory=dict)
    _wanted: set[LeaseKey] = field(default_factory=set)
    _sent_time: float = -inf

    def follow(self, key: LeaseKey, output: LiveOutput | None) -> None:
        """Sends this lease's output from the oldest byte kept; again from there if it was followed before.

        None: its work has not begun; `claimed` will tell.
        """
        if output is None:
            self._wanted.add(key)
            return
        output.followed = True
        self._followed[key] = _Followed(key, output)
        self.written(key)

    def claimed(self, key: LeaseKey, output: LiveOutput | None) -> None:
        """The work of this lease has begun: its output is sent if somebody asked for it before."""
        if key in self._wanted:
            self._wanted.discard(key)
            self.follow(key, output)

    def wait_only_for(self, has_work: Callable[[LeaseKey], bool]) -> None:
        """Forgets what was asked of leases whose work has ended, or will never begin."""
        if self._wanted:
            self._wanted = set(filter(has_work, self._wanted))

    def unfollow(self, key: LeaseKey) -> None:
        """Sends no more of it."""
        self._wanted.discard(key)
        followed = self._followed.pop(key, None)
        if followed is not None:
            followed.output.followed = False
            self._dirty.pop(key, None)

    def written(self, key: LeaseKey) -> None:
        """There is more output of this lease."""
        if key in self._followed:
            self._dirty[key] = self._followed[key]
            self.due_time = self._sent_time + limits.LIVE_SECONDS

    def finish(self, key: LeaseKey) -> None:
        """The lease's work has ended: what is left of its output goes before its outcome."""
        self._wanted.discard(key)
        followed = self._followed.get(key)
        if followed is not None:
            self.unfollow(key)
            self._final[key] = followed

    def final_batch(self) -> pb.OutputBatch | None:
        """Output of ended leases, to be sent before their outcomes."""
        return _batch(self._final)

    def next_batch(self, now: float) -> pb.OutputBatch | None:
        """Output of leases that run."""
        if now < self.due_time:
            return None
        batch = _batch(self._dirty)
        self._sent_time = now
        self.due_time = now + limits.LIVE_SECONDS if self._dirty else inf
        return batch


def _batch(sources: dict[LeaseKey, _Followed]) -> pb.OutputBatch | None:
    chunks: list[pb.LeaseOutput] = []
    room = limits.BATCH_BYTES_MAX
    while sources and room > 0 and len(chunks) < limits.BATCH_ITEMS_MAX:
        key, followed = next(iter(sources.items()))
        del sources[key]
        chunk = _next_chunk(followed, min(room, limits.CHUNK_BYTES_MAX))
        if chunk is not None:
            chunks.append(chunk)
            room -= len(chunk.chunk.data)
            sources[key] = followed  # At the end of the line: the others come first.
    return pb.OutputBatch(chunks=chunks) if chunks else None


def _next_chunk(followed: _Followed, bytes_max: int) -> pb.LeaseOutput | None:
    for number in STREAMS:
        stream = followed.output.existing(number)
        offset = followed.offsets.get(number, 0)
        if stream is None or stream.end <= offset:
            continue
        first, data = stream.read(offset, bytes_max)
        followed.offsets[number] = first + len(data)
        token = followed.key[1]
        chunk = task_service_pb2.OutputChunk(token=token, stream=number, offset=first, data=data)
        return pb.LeaseOutput(task_id=followed.key[0], chunk=chunk)
    return None
