"""One coordinator's stream: whose it is, whose turn it is, and the snapshot until it is complete.

Requests go in, and what the view is to be told comes out. The view itself, which all streams have in common, is in
`planner.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from missioncontrol.v1 import scheduler_service_pb2 as pb

from services.domain.errors import InvalidArgument, ResourceExhausted
from services.domain.schedule import ScheduleChanges
from services.scheduler import limits
from services.transport.schedule_convert import ScheduleDecoder


class ScheduleSession:
    """See the module. `source` is the stream's number, by which the view knows what it told."""

    def __init__(self, source: int) -> None:
        self.source = source
        self.coordinator_id = ""
        self.snapshot_complete = False
        self._decoder = ScheduleDecoder(source)
        self._gathered: list[ScheduleChanges] = []
        self._gathered_items = 0

    def read(self, request: pb.ScheduleRequest) -> Sequence[ScheduleChanges]:
        """Return what a request tells: nothing while the snapshot goes on, and all of it with its last message.

        Raises InvalidArgument if the request may not come now, ResourceExhausted beyond the limits.
        """
        self._check_turn(request)
        changes = self._decoder.changes(request)
        if not request.snapshot:
            return (changes,)
        self._gather(changes)
        self.snapshot_complete = request.snapshot_complete
        if not self.snapshot_complete:
            return ()
        gathered, self._gathered = self._gathered, []
        return gathered

    def _gather(self, changes: ScheduleChanges) -> None:
        items = (changes.queues, changes.groups, changes.ready, changes.agents)
        self._gathered_items += 1 + sum(len(item) for item in items)
        if self._gathered_items > limits.SNAPSHOT_ITEMS_MAX:
            raise ResourceExhausted(f"more than {limits.SNAPSHOT_ITEMS_MAX} things in one snapshot")
        self._gathered.append(changes)

    def _check_turn(self, request: pb.ScheduleRequest) -> None:
        if not self.coordinator_id:
            if not request.coordinator_id:
                raise _invalid("coordinator_id", "must be set on the first message")
            self.coordinator_id = request.coordinator_id
        elif request.coordinator_id not in ("", self.coordinator_id):
            raise _invalid("coordinator_id", "must not change within a stream")
        if request.snapshot and self.snapshot_complete:
            raise _invalid("snapshot", "the snapshot of this stream is complete: begin a new stream for another")
        if not request.snapshot and not self.snapshot_complete:
            raise _invalid("snapshot", "must be true until the snapshot is complete")
        if request.snapshot_complete and not request.snapshot:
            raise _invalid("snapshot_complete", "belongs to a message of the snapshot")


def _invalid(field: str, reason: str) -> InvalidArgument:
    return InvalidArgument(f"{field}: {reason}", fields=[(field, reason)])
