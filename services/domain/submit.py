"""Submitting: one task per request id, whatever happens to the replies."""

from __future__ import annotations

from services.domain import dependencies
from services.domain.agent import AgentKey
from services.domain.backpressure import refusal
from services.domain.commands import CreateAnswer, Created, CreateTasks, NewTask, Placement, PlacementOutcome
from services.domain.errors import AlreadyExists, QueueRefused
from services.domain.event import EventType
from services.domain.grant import grant_lease
from services.domain.ledger import Ledger, RequestRecord, Touches
from services.domain.task import Task, TaskState


def touch_create(command: CreateTasks, touches: Touches) -> None:
    """What a submit reads: its request ids, its queues, and the tasks that it depends on."""
    for task in command.tasks:
        touches.created.add(task.id)
        touches.queues.add((task.namespace, task.queue))
        if task.request_id:
            touches.requests.add((task.namespace, task.request_id))
        if task.depends_on:
            touches.dependencies.update(task.depends_on)
    for task, placement in zip(command.tasks, command.placements, strict=bool(command.placements)):
        if placement is not None:
            touches.agents.add((task.namespace, placement.agent_id))


def create_tasks(ledger: Ledger, command: CreateTasks) -> list[CreateAnswer]:
    """Submits each task, or says why not; a bad one fails alone."""
    eligible: dict[tuple[str, str, AgentKey], bool] = {}
    placements = command.placements or [None] * len(command.tasks)
    return [
        (ledger.gates and refused(ledger, new)) or create_task(ledger, new, placement, eligible)
        for new, placement in zip(command.tasks, placements, strict=True)
    ]


def refused(ledger: Ledger, new: NewTask) -> QueueRefused | None:
    """Why the task's queue does not take it now; None if it does.

    What was accepted once is answered as before, however full the queue is now: a repeated submit is not refused.
    """
    if new.request_id and (new.namespace, new.request_id) in ledger.requests:
        return None
    answer = refusal(ledger, new)
    if answer is not None and new.request_id and not ledger.requests_read:
        ledger.doubtful = True
    return answer


def create_task(
    ledger: Ledger, new: NewTask, placement: Placement | None, eligible: dict[tuple[str, str, AgentKey], bool]
) -> CreateAnswer:
    """Submits one task, and leases it in the same breath if its placement holds. `eligible` is as in `grant_lease`."""
    if new.request_id:
        earlier = ledger.requests.get((new.namespace, new.request_id))
        if earlier is not None:
            return repeated(new, earlier)
    linked = new.depends_on or new.has_dependents
    if linked and (refusal := dependencies.refusal(ledger, new)):
        return refusal
    if new.request_id:
        record = RequestRecord(new.namespace, new.request_id, new.id, new.digest)
        ledger.requests[(new.namespace, new.request_id)] = record
        ledger.new_requests.append(record)
    task = first_state(ledger, new)
    if linked:
        task = dependencies.linked(ledger, new, task)
    ledger.created[new.id] = new
    if new.needs_id not in ledger.requirements:
        ledger.requirements[new.needs_id] = new.requirements
        ledger.new_requirements[new.needs_id] = new.requirements
    ledger.put_task(None, task, EventType.TASK_CREATED)
    if linked and task.blockers:
        dependencies.begin_to_wait(ledger, new)
        return Created(task.id, ledger.tasks[task.id])
    if placement is not None and grant_lease(ledger, placement, eligible) is PlacementOutcome.GRANTED:
        return Created(task.id, ledger.tasks[task.id])
    if task.state is TaskState.PENDING:
        ledger.ready.append(task)
    return Created(task.id, task)


def repeated(new: NewTask, earlier: RequestRecord) -> CreateAnswer:
    """The answer to a submit whose request id was seen before."""
    if earlier.digest == new.digest:
        return Created(earlier.task_id, None)
    return AlreadyExists(
        f"request id {new.request_id!r} was used for a task with another content: {earlier.task_id}",
        task_id=earlier.task_id,
        request_id=new.request_id,
    )


def first_state(ledger: Ledger, new: NewTask) -> Task:
    """The state row of a new task: SCHEDULED if its time is to come, PENDING otherwise."""
    now = ledger.now
    policy = ledger.queue((new.namespace, new.queue)).policy
    queue_limit = new.queue_limit_micros or policy.queue_limit_micros
    later = new.not_before_time > now
    return Task(
        id=new.id,
        namespace=new.namespace,
        queue=new.queue,
        kind=new.kind,
        priority=new.priority,
        needs_id=new.needs_id,
        affinity_key=new.affinity_key,
        fairness_key=new.fairness_key,
        state=TaskState.SCHEDULED if later else TaskState.PENDING,
        version=1,
        create_time=now,
        queued_time=0 if later else now,
        wake_time=new.not_before_time if later else (now + queue_limit if queue_limit else 0),
        queue_limit_micros=queue_limit,
        run_limit_micros=new.run_limit_micros or policy.run_limit_micros,
        retry_of=new.retry_of,
        request_id=new.request_id,
        shard=ledger.shard,
        retry=new.retry,
    )
