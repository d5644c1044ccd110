"""One change of many tasks: each is changed as its own call would change it."""

from __future__ import annotations

from services.domain import revoke
from services.domain.commands import CancelTask
from services.domain.event import EventType
from services.domain.ledger import Ledger, Touches
from services.domain.task import Task, TaskState, amend
from services.domain.task_changes import Cancel, ChangeTasks, Move, is_changed
from services.domain.task_filter import row_matches


def touch_change_tasks(command: ChangeTasks, touches: Touches) -> None:
    """What the change reads. The other queue, too: what comes behind it in the flush is judged by that one's rules."""
    touches.task_ids.update(command.task_ids)
    if isinstance(command.change, Cancel):
        for task_id in command.task_ids:
            revoke.touch_cancel(cancel_of(command, task_id), touches)
    elif isinstance(command.change, Move):
        touches.queues.add((command.filter_.namespace, command.change.queue))


def change_tasks(ledger: Ledger, command: ChangeTasks) -> list[str]:
    """Changes what is still meant, as it is now. Returns the ids of what has changed."""
    found = [ledger.tasks[task_id] for task_id in dict.fromkeys(command.task_ids) if task_id in ledger.tasks]
    wanted = [task for task in found if row_matches(command.filter_, task) and is_changed(task, command.change)]
    for task in wanted:
        change_task(ledger, task, command)
    return [task.id for task in wanted]


def change_task(ledger: Ledger, task: Task, command: ChangeTasks) -> None:
    """Changes one task."""
    change = command.change
    if isinstance(change, Cancel):
        revoke.cancel_task(ledger, cancel_of(command, task.id))
    elif isinstance(change, Move):
        relocate(ledger, task, amend(task, queue=change.queue), command.patch)
    else:
        relocate(ledger, task, amend(task, priority=change.priority), command.patch)


def cancel_of(command: ChangeTasks, task_id: str) -> CancelTask:
    """The call that cancels one of the tasks."""
    assert isinstance(command.change, Cancel)
    return CancelTask(command.filter_.namespace, task_id, command.change.reason)


def relocate(ledger: Ledger, before: Task, after: Task, patch: bytes) -> None:
    """Puts a task into another line. Its place by time is the one that it had."""
    ledger.put_task(before, after, EventType.TASK_CHANGED)
    ledger.relocated[after.id] = ledger.relocated.get(after.id, b"") + patch
    if after.state is TaskState.PENDING:
        ledger.unready.append(before)
        ledger.ready.append(after)
