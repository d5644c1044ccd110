"""Progress and checkpoints of leases on their way into the report log: the newest of each, not too often, few at a
time.

At most one progress and one checkpoint of a lease are unacknowledged, and one more checkpoint when its work ends.
That is what bounds the log, however often a handler reports.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from missioncontrol import agent_limits as limits
from missioncontrol.session_leases import HeldLease
from missioncontrol.session_reports import ReportLog
from missioncontrol.v1 import task_pb2


@dataclass(slots=True)
class Notes:
    """The leases that have something to say besides their start and their end."""

    due_time: float = inf
    """When `flush` may have something to send; not later than that."""
    _pending: dict[HeldLease, None] = field(default_factory=dict)  # in the order in which they were noted

    def progress(self, lease: HeldLease, progress: task_pb2.Progress) -> None:
        """Keeps the newest progress."""
        lease.progress = progress
        self._pending[lease] = None
        if not lease.progress_in_flight:
            self.due_time = min(self.due_time, lease.progress_time + limits.PROGRESS_SECONDS)

    def checkpoint(self, lease: HeldLease, checkpoint: task_pb2.Payload) -> None:
        """Keeps the newest checkpoint."""
        lease.checkpoint = checkpoint
        self._pending[lease] = None
        if not lease.checkpoint_in_flight:
            self.due_time = -inf

    def acknowledged(self, lease: HeldLease, event: str, now: float) -> None:
        """A progress or checkpoint was judged: the next one may go."""
        if event == "progress":
            lease.progress_in_flight = False
        else:
            lease.checkpoint_in_flight = False
        if lease in self._pending:
            self.due_time = min(self.due_time, now)

    def flush(self, log: ReportLog, now: float) -> None:
        """Puts into the log what may go now."""
        if now < self.due_time:
            return
        self.due_time = inf
        for lease in tuple(self._pending):
            self._put_checkpoint(lease, log)
            self._put_progress(lease, log, now)
            if lease.progress is None and lease.checkpoint is None:
                self._pending.pop(lease, None)
            elif lease.progress is not None and not lease.progress_in_flight:
                self.due_time = min(self.due_time, lease.progress_time + limits.PROGRESS_SECONDS)

    def finish(self, lease: HeldLease, log: ReportLog, now: float) -> None:
        """The lease's work ends: its last checkpoint goes before its outcome, and its last progress if it is due."""
        if lease not in self._pending:
            return
        if lease.held:
            lease.checkpoint_in_flight = False
            self._put_checkpoint(lease, log)
            self._put_progress(lease, log, now)
        self.forget(lease)

    def forget(self, lease: HeldLease) -> None:
        """The lease has nothing more to say."""
        lease.progress = lease.checkpoint = None
        self._pending.pop(lease, None)

    def _put_checkpoint(self, lease: HeldLease, log: ReportLog) -> None:
        if lease.checkpoint is not None and not lease.checkpoint_in_flight:
            log.add(lease.key, "checkpoint", lease.checkpoint)
            lease.checkpoint, lease.checkpoint_in_flight = None, True

    def _put_progress(self, lease: HeldLease, log: ReportLog, now: float) -> None:
        waited = now >= lease.progress_time + limits.PROGRESS_SECONDS
        if lease.progress is not None and not lease.progress_in_flight and waited:
            log.add(lease.key, "progress", lease.progress)
            lease.progress, lease.progress_in_flight, lease.progress_time = None, True, now
