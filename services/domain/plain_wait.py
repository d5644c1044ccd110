"""What a task waits for as far as its own row and its queue say: without asking the scheduler."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from services.domain.explain import Explanation
from services.domain.queue import Queue
from services.domain.requirements import WaitReason
from services.domain.task import Task, TaskState
from services.domain.wait_message import listed, wait_message


def plain_wait(task: Task, queue: Queue, blocked_by: Sequence[str]) -> Explanation | None:
    """Why the task waits, or that it does not; None if only the scheduler can say."""
    match task.state:
        case TaskState.BLOCKED:
            message = f"it waits for {task.blockers} of the tasks that it depends on: {listed(blocked_by)}"
            return Explanation(reason=WaitReason.DEPENDENCIES, message=message)
        case TaskState.SCHEDULED:
            time = datetime.fromtimestamp(task.wake_time / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            why = "its backoff after a failed attempt ends" if task.failures else "its time has come"
            return Explanation(reason=WaitReason.TIME, message=f"it waits until {time}, when {why}")
        case TaskState.PENDING if queue.paused:
            reason = WaitReason.QUEUE_PAUSED
            return Explanation(reason=reason, message=wait_message(reason, (), queue=queue.name))
        case TaskState.PENDING:
            return None
    where = f" on agent {task.agent_id}" if task.held else ""
    return Explanation(message=f"it does not wait: it is {task.state.name}{where}")


def plain_since(task: Task, queue: Queue) -> int:
    """Since when a task has waited for what `plain_wait` says, microseconds since 1970 UTC, as far as that is known."""
    if task.state is TaskState.PENDING:
        return max(task.queued_time, queue.update_time)
    return task.create_time if task.state in (TaskState.BLOCKED, TaskState.SCHEDULED) and not task.failures else 0
