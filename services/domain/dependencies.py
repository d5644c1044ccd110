"""Dependencies: what a new task waits for, and what becomes of it when that ends.

Whoever ends a task, its dependents are moved on in the same flush: the store looks for them after each command
(`store/dependents.py`), since a fold cannot know beforehand what will end. What does not fit into a flush is left to a
`SettleDependents`.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

import msgspec

from services.domain.commands import NewTask, SettleDependents
from services.domain.errors import InvalidArgument
from services.domain.event import EventType
from services.domain.failure import Failure, FailureReason
from services.domain.ledger import Ledger, Touches
from services.domain.links import Link
from services.domain.task import Task, TaskState, advance, amend


class DependencyPolicy(IntEnum):
    """What becomes of a task if one that it depends on does not succeed. The numbers are those of the wire."""

    UNSPECIFIED = 0  # FAIL
    FAIL = 1
    CANCEL = 2
    RUN = 3


def refusal(ledger: Ledger, new: NewTask) -> InvalidArgument | None:
    """What is wrong with the tasks that a new one depends on, field by field. The same words for foreign and missing
    ones.
    """
    fields = [
        (f"spec.depends_on[{place}]", f"there is no task {task_id} in namespace {new.namespace}, or not any more")
        for place, task_id in enumerate(new.depends_on)
        if not is_known(ledger, task_id, new.namespace)
    ]
    if not fields:
        return None
    return InvalidArgument("; ".join(f"{field}: {reason}" for field, reason in fields), fields=fields)


def is_known(ledger: Ledger, task_id: str, namespace: str) -> bool:
    """Whether the task is there, in this namespace."""
    task = ledger.tasks.get(task_id)
    return task is not None and task.namespace == namespace


def linked(ledger: Ledger, new: NewTask, task: Task) -> Task:
    """The first state of a task that has to do with others: BLOCKED, unless all that it depends on has ended well.

    Its time in the queue begins when it is not blocked any more; a time before which it must not start goes on.
    """
    replace = msgspec.structs.replace
    task = replace(task, dependency_policy=new.dependency_policy, has_dependents=new.has_dependents)
    blockers = len(waited_for(ledger, new)) + (stumbling_block(ledger, new) is not None)
    if not blockers:
        return task
    return replace(
        task,
        state=TaskState.BLOCKED,
        blockers=blockers,
        queued_time=0,
        wake_time=new.not_before_time if new.not_before_time > ledger.now else 0,
    )


def begin_to_wait(ledger: Ledger, new: NewTask) -> None:
    """Links a task that was just made BLOCKED with what it waits for; or ends it, if waiting cannot help any more."""
    stumbled = stumbling_block(ledger, new)
    if stumbled is not None:
        give_up(ledger, ledger.tasks[new.id], stumbled)
        return
    for dependency in waited_for(ledger, new):
        note_dependent(ledger, dependency)
        ledger.links.make((dependency.id, new.id))


def waited_for(ledger: Ledger, new: NewTask) -> list[Task]:
    """The tasks that have to end first, and have not."""
    dependencies = [ledger.tasks[task_id] for task_id in dict.fromkeys(new.depends_on)]
    return [task for task in dependencies if not task.terminal]


def stumbling_block(ledger: Ledger, new: NewTask) -> Task | None:
    """The first task that should have succeeded and did not."""
    if new.dependency_policy == DependencyPolicy.RUN:
        return None
    ended = (ledger.tasks[task_id] for task_id in new.depends_on)
    return next((task for task in ended if task.terminal and task.state is not TaskState.SUCCEEDED), None)


def note_dependent(ledger: Ledger, task: Task) -> None:
    """Marks a task that another one waits for, once: its end has to look for dependents from now on.

    The mark is a change like any other. A flush of another coordinator that ends the task, and has read it without the
    mark, finds another version and is decided again.
    """
    if not task.has_dependents:
        marked = amend(task, has_dependents=True)
        ledger.put_task(task, marked, EventType.TASK_CHANGED, message="another task waits for it")


def touch_settle(command: SettleDependents, touches: Touches) -> None:
    """What is read to move dependents on: the tasks that have ended. Their dependents follow from them."""
    touches.task_ids.update(command.task_ids)


def settle_dependents(ledger: Ledger, command: SettleDependents) -> None:
    """Has the dependents of these tasks moved on, as far as they have ended."""
    for task_id in command.task_ids:
        task = ledger.tasks.get(task_id)
        if task is not None and task.terminal:
            ledger.ended_dependencies[task_id] = None


def settle(ledger: Ledger, links: Iterable[Link]) -> None:
    """Moves the tasks on that wait for ones that have ended."""
    for link in links:
        ended, task = ledger.tasks[link[0]], ledger.tasks.get(link[1])
        ledger.links.cut(link)
        if task is None or task.state is not TaskState.BLOCKED:
            continue
        if ended.state is TaskState.SUCCEEDED or task.dependency_policy == DependencyPolicy.RUN:
            unblock(ledger, task)
        else:
            give_up(ledger, task, ended)


def unblock(ledger: Ledger, task: Task) -> None:
    """One blocker less. With the last one the task is ready, or waits for its time."""
    now, limit = ledger.now, task.queue_limit_micros
    if task.blockers > 1:
        after = amend(task, blockers=task.blockers - 1)
    elif task.wake_time > now:
        after = advance(task, TaskState.SCHEDULED, blockers=0)
    else:
        wake_time = now + limit if limit else 0
        after = advance(task, TaskState.PENDING, blockers=0, queued_time=now, wake_time=wake_time)
        ledger.ready.append(after)
    ledger.put_task(task, after, EventType.TASK_UNBLOCKED)


def give_up(ledger: Ledger, task: Task, ended: Task) -> None:
    """A task that it depends on did not succeed: it fails, or is cancelled, and waits for no other one."""
    message = f"task {ended.id}, which it depends on, is {ended.state.name}"
    failure = Failure(FailureReason.DEPENDENCY, message)
    if task.dependency_policy == DependencyPolicy.CANCEL:
        after = advance(task, TaskState.CANCELLED, blockers=0, wake_time=0, end_time=ledger.now)
        ledger.put_task(task, after, EventType.TASK_CANCELLED, failure=failure)
    else:
        after = advance(
            task, TaskState.FAILED, blockers=0, wake_time=0, end_time=ledger.now, failure_reason=failure.reason
        )
        ledger.put_task(task, after, EventType.TASK_FAILED, failure=failure)
    ledger.failures[task.id] = failure
    ledger.links.free(task.id)
