"""Changes of many tasks, between the wire and the domain."""

from __future__ import annotations

from typing import assert_never

from missioncontrol.v1 import task_pb2, task_service_pb2

from services.domain.task_changes import Cancel, Move, Reprioritize, TaskChange

# "The priority is 0" in a serialized TaskSpec. What has its default value is left out there otherwise, and would not
# take the place of what was said before.
PRIORITY_ZERO = b"\x30\x00"


def change(request: task_service_pb2.BulkChangeTasksRequest) -> TaskChange | None:
    """What a valid request wants of each task; None for another try, which is a new task and no change."""
    match request.WhichOneof("change"):
        case "cancel":
            return Cancel(request.cancel.reason)
        case "reprioritize":
            return Reprioritize(request.reprioritize.priority)
        case "move":
            return Move(request.move.queue)
        case _:
            return None


def patch(value: TaskChange) -> bytes:
    """What a change makes of a task's spec, to be appended to it: of a field that is said twice, the last counts."""
    match value:
        case Cancel():
            return b""
        case Reprioritize(priority=priority):
            return task_pb2.TaskSpec(priority=priority).SerializeToString() or PRIORITY_ZERO
        case Move(queue=queue):
            return task_pb2.TaskSpec(queue=queue).SerializeToString()
        case _:
            assert_never(value)
