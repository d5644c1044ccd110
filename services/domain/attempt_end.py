"""How an attempt ends, and what becomes of its task then.

Whoever ends one, for whatever reason, does it through here.
"""

from __future__ import annotations

import msgspec

from services.domain.agent import DrainState, release
from services.domain.event import EventType
from services.domain.failure import Attempt, AttemptOutcome, Failure, FailureReason
from services.domain.ledger import Ledger
from services.domain.limits import AVOID_FAILED_MICROS, AVOID_MICROS, AVOIDED_AGENTS_MAX
from services.domain.retry import DEFAULT_RETRY, allows_retry, backoff_micros
from services.domain.task import Avoided, Task, TaskState, advance


class Ending(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The end of an attempt, as it was reported or decided."""

    outcome: AttemptOutcome
    digest: str = ""
    failure: Failure | None = None
    output: bytes = b""
    usage: bytes = b""
    message: str = ""


def end_attempt(ledger: Ledger, task: Task, ending: Ending) -> None:
    """Ends the current attempt of a held task: frees the agent, keeps the attempt, moves the task on."""
    assert task.held, f"{task.id} has no current attempt"
    agent = ledger.agents[(task.namespace, task.agent_id)]
    released = release(agent, ledger.demand(task), started=task.state is TaskState.RUNNING)
    ledger.put_agent(released)
    attempt = Attempt(
        task_id=task.id,
        token=task.token,
        agent_id=task.agent_id,
        incarnation=agent.incarnation,
        grant_time=task.grant_time,
        start_time=task.start_time,
        end_time=ledger.now,
        outcome=ending.outcome,
        digest=ending.digest,
        failure=ending.failure,
        output=ending.output,
        usage=ending.usage,
    )
    move_on(ledger, task, attempt, ending)
    if released.drain_state is DrainState.DRAINED:
        ledger.put_agent(released, EventType.AGENT_DRAINED)


def move_on(ledger: Ledger, task: Task, attempt: Attempt, ending: Ending) -> None:
    """The task's next state. A committed success wins over a cancel; nothing else does."""
    if ending.outcome is AttemptOutcome.SUCCEEDED:
        finish(ledger, task, TaskState.SUCCEEDED, EventType.TASK_SUCCEEDED, attempt, ending)
    elif task.cancel_request_time or ending.outcome is AttemptOutcome.CANCELLED:
        finish(ledger, task, TaskState.CANCELLED, EventType.TASK_CANCELLED, attempt, ending)
    elif ending.outcome is AttemptOutcome.FAILED:
        after_failure(ledger, task, attempt, ending)
    elif ending.outcome is AttemptOutcome.LOST and task.state is TaskState.RUNNING:
        after_loss(ledger, task, attempt, ending)
    else:
        requeue(ledger, task, attempt, ending)


def finish(ledger: Ledger, task: Task, state: TaskState, type_: EventType, attempt: Attempt, ending: Ending) -> None:
    """Makes the task terminal."""
    reason = ending.failure.reason if ending.failure is not None and state is TaskState.FAILED else 0
    after = advance(
        task, state, wake_time=0, end_time=ledger.now, failure_reason=reason, failures=failures_after(task, ending)
    )
    ledger.end_attempt(attempt)
    ledger.put_task(task, after, type_, outcome=ending.outcome, failure=ending.failure, message=ending.message)


def failures_after(task: Task, ending: Ending) -> int:
    """Failed attempts, with this one."""
    return task.failures + int(ending.outcome is AttemptOutcome.FAILED)


def after_failure(ledger: Ledger, task: Task, attempt: Attempt, ending: Ending) -> None:
    """Retries with backoff as long as the policy allows, and elsewhere if there is another agent for it."""
    failure = ending.failure or Failure(FailureReason.ERROR)
    policy = task.retry or DEFAULT_RETRY
    failures = failures_after(task, ending)
    if not allows_retry(policy, failure, failures=failures):
        finish(ledger, task, TaskState.FAILED, EventType.TASK_FAILED, attempt, ending)
        return
    wake_time = ledger.now + backoff_micros(policy, task.id, failures=failures)
    avoid = avoiding(ledger, task, until_time=wake_time + AVOID_FAILED_MICROS, if_others=True)
    after = advance(task, TaskState.SCHEDULED, failures=failures, wake_time=wake_time, avoid=avoid)
    ledger.end_attempt(attempt)
    ledger.put_task(
        task, after, EventType.TASK_RETRYING, outcome=ending.outcome, failure=failure, message=ending.message
    )


def after_loss(ledger: Ledger, task: Task, attempt: Attempt, ending: Ending) -> None:
    """The agent was lost while it ran the task: counts as a redelivery, and is bounded."""
    policy = task.retry or DEFAULT_RETRY
    redeliveries = task.redeliveries + 1
    if redeliveries <= policy.redeliveries_max:
        requeue(ledger, task, attempt, ending, redeliveries=redeliveries)
        return
    message = f"its agent was lost {redeliveries} times while it ran; the last was {task.agent_id}"
    failure = Failure(FailureReason.DEAD_LETTER, message)
    after = advance(
        task,
        TaskState.FAILED,
        wake_time=0,
        end_time=ledger.now,
        failure_reason=failure.reason,
        redeliveries=redeliveries,
    )
    ledger.end_attempt(msgspec.structs.replace(attempt, failure=failure))
    ledger.put_task(task, after, EventType.TASK_FAILED, outcome=ending.outcome, failure=failure)


def requeue(ledger: Ledger, task: Task, attempt: Attempt, ending: Ending, *, redeliveries: int | None = None) -> None:
    """Back to PENDING, with its first queued time; an agent that lost or rejected it is avoided for a while."""
    avoid = task.avoid
    if ending.outcome in (AttemptOutcome.LOST, AttemptOutcome.REJECTED):
        avoid = avoiding(ledger, task, until_time=ledger.now + AVOID_MICROS, if_others=False)
    after = advance(
        task,
        TaskState.PENDING,
        wake_time=queue_deadline(ledger, task),
        redeliveries=task.redeliveries if redeliveries is None else redeliveries,
        avoid=avoid,
    )
    ledger.end_attempt(attempt)
    ledger.put_task(
        task, after, EventType.TASK_REQUEUED, outcome=ending.outcome, failure=ending.failure, message=ending.message
    )
    ledger.ready.append(after)


def avoiding(ledger: Ledger, task: Task, *, until_time: int, if_others: bool) -> tuple[Avoided, ...]:
    """Whom the task avoids from now on: its agent first, then those before that still count, the newest of them.

    An agent may stand there twice: having lost the task does not undo that it failed it.
    """
    new = Avoided(task.agent_id, until_time, if_others)
    others = [
        each
        for each in task.avoid
        if each.until_time > ledger.now and (each.agent_id, each.if_others) != (new.agent_id, if_others)
    ]
    return (new, *others)[:AVOIDED_AGENTS_MAX]


def queue_deadline(ledger: Ledger, task: Task) -> int:
    """When a requeued task expires. Work that never started goes on waiting; after a start the wait begins anew."""
    if task.state is TaskState.LEASED:
        return task.wake_time
    return ledger.now + task.queue_limit_micros if task.queue_limit_micros else 0
