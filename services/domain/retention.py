"""What is too old goes: tasks that ended long ago with all that belongs to them, and the oldest events."""

from __future__ import annotations

from services.domain.commands import Forget
from services.domain.ledger import Ledger, Touches


def touch_forget(command: Forget, touches: Touches) -> None:
    """What forgetting reads: the tasks, as the transaction finds them."""
    touches.task_ids.update(command.tasks)


def forget(ledger: Ledger, command: Forget) -> None:
    """Forgets those of the tasks that ended before the instant, and trims the log. Neither is an event."""
    for task_id in command.tasks:
        task = ledger.tasks.get(task_id)
        if task is not None and task.terminal and task.end_time < command.ended_before:
            ledger.forgotten.append(task)
    ledger.trimmed += command.chunks
