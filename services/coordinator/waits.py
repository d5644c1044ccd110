"""Why a task waits, for those who read tasks: what is noted of it, or that there is no scheduler."""

from __future__ import annotations

from collections.abc import Callable

from missioncontrol.v1 import task_pb2

from services.coordinator.routing_talk import RoutingTalk
from services.domain.requirements import WaitReason
from services.domain.task import TaskState
from services.domain.wait_message import wait_message
from services.store.tasks import StoredTask
from services.transport import convert_explanation


class Waits:
    """See the module. `shards` are those of this coordinator, which knows whether their tasks have a scheduler."""

    def __init__(self, talk: RoutingTalk, shards: Callable[[], frozenset[int]]) -> None:
        self._talk = talk
        self._shards = shards

    def without_scheduler_since(self, shard: int) -> int:
        """Since when tasks of this shard have had no scheduler, microseconds since 1970 UTC; 0 if they have one."""
        return self._talk.absent_since if shard in self._shards() else 0

    def put_into(self, message: task_pb2.Task, stored: StoredTask) -> task_pb2.Task:
        """The task with why it waits."""
        row = stored.row
        if row.state is not TaskState.PENDING:
            return message
        absent_since = self.without_scheduler_since(row.shard)
        if absent_since:
            message.waiting.CopyFrom(no_scheduler(max(absent_since, row.queued_time)))
        elif stored.stuck is not None:
            message.waiting.CopyFrom(convert_explanation.waiting(stored.stuck))
        return message


def no_scheduler(since_time: int) -> task_pb2.Waiting:
    """That no scheduler is there."""
    reason = WaitReason.NO_SCHEDULER
    message = wait_message(reason, (), queue="")
    return convert_explanation.waiting_message(reason, never=False, message=message, since_time=since_time)
