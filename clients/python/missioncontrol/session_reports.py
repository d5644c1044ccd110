"""The reports that no coordinator has acknowledged yet: numbered, kept, sent in bounded batches, and sent again.

Nothing here knows what a report means; the session does.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from missioncontrol import agent_limits as limits
from missioncontrol.session_effects import LeaseKey
from missioncontrol.v1 import agent_service_pb2 as pb


@dataclass(slots=True, eq=False)
class ReportEntry:
    """One report, with the field of its oneof that is set."""

    report: pb.Report
    event: str
    key: LeaseKey
    size: int


@dataclass(slots=True)
class ReportLog:
    """Reports in the order of their numbers: first those sent on this stream, then those still to be sent."""

    last_number: int = 0
    unacknowledged_bytes: int = 0
    _sent: deque[ReportEntry] = field(default_factory=deque)
    _unsent: deque[ReportEntry] = field(default_factory=deque)

    def __len__(self) -> int:
        return len(self._sent) + len(self._unsent)

    @property
    def unsent(self) -> int:
        """How many reports wait for being sent on this stream."""
        return len(self._unsent)

    def add(self, key: LeaseKey, event: str, content: Any) -> None:
        """Appends a report with the next number."""
        self.last_number += 1
        report = pb.Report(number=self.last_number, task_id=key[0], token=key[1], **{event: content})
        size = report.ByteSize()
        self.unacknowledged_bytes += size
        self._unsent.append(ReportEntry(report, event, key, size))

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
                done.append(entry)
        return done
