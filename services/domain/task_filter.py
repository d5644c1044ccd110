"""Which tasks somebody asks for, by what the row says and by their labels."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from services.domain.task import Task, TaskState

# The row of a task that waits still names the agent that it had last.
WAITING = frozenset({TaskState.BLOCKED, TaskState.SCHEDULED, TaskState.PENDING})


class TaskFilter(msgspec.Struct, frozen=True, kw_only=True):
    """All that are set must hold; what is empty asks for nothing."""

    namespace: str
    queue: str = ""
    states: frozenset[int] = frozenset()
    kind: str = ""
    agent_id: str = ""
    labels: Mapping[str, str] = {}
    failure_reason: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether every task of the namespace is meant."""
        conditions = (self.queue, self.states, self.kind, self.agent_id, self.labels, self.failure_reason)
        return not any(conditions)


def row_matches(filter_: TaskFilter, task: Task) -> bool:
    """Whether the row meets the filter. Labels lie apart and never change: they are asked where tasks are found."""
    return (
        task.namespace == filter_.namespace
        and filter_.queue in ("", task.queue)
        and (not filter_.states or task.state in filter_.states)
        and filter_.kind in ("", task.kind)
        and (not filter_.agent_id or (task.agent_id == filter_.agent_id and task.state not in WAITING))
        and (not filter_.failure_reason or is_failed_with(task, filter_.failure_reason))
    )


def is_failed_with(task: Task, reason: int) -> bool:
    """Whether the task failed for this reason."""
    return task.state is TaskState.FAILED and task.failure_reason == reason
