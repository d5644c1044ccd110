"""The reports that no coordinator has acknowledged yet: numbered, kept, sent in bounded batches, and sent again.

Nothing here knows what a report means, but for one thing: a start that was not sent before the work has succeeded or
failed need not be said, since the outcome says it, too. Short work then takes one report instead of two.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from missioncontrol import agent_limits as limits
from missioncontrol.session_effects import LeaseKey
from missioncontrol.v1 import agent_service_pb2 as pb

_OUTCOMES = frozenset({"succeeded", "failed", "cancelled", "returned", "rejected"})
_TELLS_THE_START = frozenset({"succeeded", "failed"})


@dataclass(slots=True, eq=False)
class ReportEntry:
    """One report, with the field of its oneof that is set."""

    report: pb.Report
    event: str
    key: LeaseKey
    size: int

    @property
    def is_outcome(self) -> bool:
        """Whether it is the last word on its lease."""
        return self.event in _OUTCOMES


@dataclass(slots=True)
class ReportLog:
    """Reports in the order of their numbers: first those sent on this stream, then those still to be sent."""

    last_number: int = 0
    unacknowledged_bytes: int = 0
    _sent: deque[ReportEntry] = field(default_factory=deque)
    _unsent: deque[ReportEntry] = field(default_factory=deque)
    _starts: dict[LeaseKey, ReportEntry] = field(default_factory=dict)  # unsent, and the last word on their lease

    def __len__(self) -> int:
        return len(self._sent) + len(self._unsent)

    @property
    def unsent(self) -> int:
        """How many reports wait for being sent on this stream."""
        return len(self._unsent)

    def add(self, key: LeaseKey, event: str, content: Any) -> None:
        """Appends a report with the next number; an outcome takes the place of its lease's start, if that is unsent."""
        start = self._starts.pop(key, None) if self._starts else None
        if start is not None and event in _TELLS_THE_START:
            self._fill(start, event, content)
            return
        self.last_number += 1
        entry = ReportEntry(pb.Report(number=self.last_number, task_id=key[0], token=key[1]), event, key, 0)
        self._fill(entry, event, content)
        self._unsent.append(entry)
        if event == "started":
            self._starts[key] = entry

    def _fill(self, entry: ReportEntry, event: str, content: Any) -> None:
        getattr(entry.report, event).CopyFrom(content)
        size = entry.report.ByteSize()
        self.unacknowledged_bytes += size - entry.size
        entry.event, entry.size = event, size

    def rewind(self) -> None:
        """A new stream: everything that is not acknowledged is to be sent again, in order, with the same numbers."""
        self._unsent.extendleft(reversed(self._sent))
        self._sent.clear()

    def next_batch(self) -> pb.AgentMessage | None:
        """The next reports to send, within the bounds of a message; a report that is larger than that goes alone."""
        if not self._unsent:
            return None
        reports: list[pb.Report] = []
        size = 0
        while self._unsent and len(reports) < limits.BATCH_ITEMS_MAX:
            entry = self._unsent[0]
            size += entry.size
            if reports and size > limits.BATCH_BYTES_MAX:
                break
            self._starts.pop(entry.key, None)
            self._sent.append(self._unsent.popleft())
            reports.append(entry.report)
        message = pb.AgentMessage()
        message.reports.reports.extend(reports)
        return message

    def acknowledged(self, number: int) -> list[ReportEntry]:
        """Takes off, and returns, every report up to this number. One that was not sent on this stream counts too: an
        earlier
        stream's acknowledgement may have been lost, and the coordinator tells how far it is."""
        done: list[ReportEntry] = []
        for queue in (self._sent, self._unsent):
            while queue and queue[0].report.number <= number:
                entry = queue.popleft()
                self.unacknowledged_bytes -= entry.size
                if self._starts.get(entry.key) is entry:  # it is gone, so no outcome can take its place
                    del self._starts[entry.key]
                done.append(entry)
        return done
