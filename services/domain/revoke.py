"""Taking work back: leases that ran out, timers that are due, and cancels."""

from __future__ import annotations

from services.domain.agent import Agent, AgentState, change
from services.domain.attempt_end import Ending, end_attempt
from services.domain.commands import CancelTask, ExpireAgent, RevokeLeases, RevokeReason, WakeTasks
from services.domain.event import EventType
from services.domain.failure import AttemptOutcome, Failure, FailureReason
from services.domain.ledger import CancelOrder, Ledger, Touches
from services.domain.task import Task, TaskState, advance, amend


def touch_revoke(command: RevokeLeases, touches: Touches) -> None:
    """What a revocation reads."""
    touches.holders.add(command.agent)
    touches.task_ids.update(task_id for task_id, _ in command.leases)


def revoke_leases(ledger: Ledger, command: RevokeLeases) -> None:
    """Takes back those leases that are current on that very session; the agent may have moved, or have finished."""
    agent = ledger.agents.get(command.agent)
    if agent is None or agent.session != command.session:
        return
    for task_id, token in command.leases:
        task = ledger.tasks.get(task_id)
        if task is not None and task.held and task.token == token and task.agent_id == agent.id:
            take_back(ledger, task, command.reason)
    settle_absent(ledger, ledger.agents[command.agent])


def touch_expire(command: ExpireAgent, touches: Touches) -> None:
    """What the end of an agent's grace reads: the agent and all that it holds."""
    touches.holders.add(command.agent)


def expire_agent(ledger: Ledger, command: ExpireAgent) -> None:
    """Takes back all leases of a session that nobody vouched for until its expire time.

    A Hello in between has cleared that time.
    """
    agent = ledger.agents.get(command.agent)
    if agent is None or agent.session != command.session or not agent.expire_time or agent.expire_time > ledger.now:
        return
    for task in ledger.leases_of(command.agent):
        take_back(ledger, task, RevokeReason.EXPIRED)
    settle_absent(ledger, ledger.agents[command.agent])


def take_back(ledger: Ledger, task: Task, reason: RevokeReason) -> None:
    """Ends one lease from our side."""
    ledger.revoke([task])
    if reason is RevokeReason.EXPIRED:
        ending = Ending(outcome=AttemptOutcome.LOST, message="the lease ran out: no heartbeat named it")
    else:
        ending = Ending(outcome=AttemptOutcome.UNDELIVERED, message="the agent did not confirm the lease")
    end_attempt(ledger, task, ending)


def settle_absent(ledger: Ledger, agent: Agent) -> None:
    """An agent without stream and without leases is offline."""
    if agent.state is AgentState.DISCONNECTED and agent.leases == 0:
        ledger.put_agent(change(agent, state=AgentState.OFFLINE, expire_time=0), EventType.AGENT_OFFLINE)


def touch_wake(command: WakeTasks, touches: Touches) -> None:
    """What timers read."""
    touches.task_ids.update(command.task_ids)


def wake_tasks(ledger: Ledger, command: WakeTasks) -> None:
    """Does what is due for each task; one whose timer was moved in between is left alone."""
    for task_id in command.task_ids:
        task = ledger.tasks.get(task_id)
        if task is not None and not task.terminal and 0 < task.wake_time <= ledger.now:
            wake(ledger, task)


def wake(ledger: Ledger, task: Task) -> None:
    """One due timer."""
    if task.state is TaskState.SCHEDULED:
        make_ready(ledger, task)
    elif task.state is TaskState.BLOCKED:
        pass_time(ledger, task)
    elif task.state is TaskState.RUNNING:
        overrun(ledger, task)
    else:
        expire(ledger, task)


def make_ready(ledger: Ledger, task: Task) -> None:
    """SCHEDULED → PENDING. The first queued time stays."""
    now = ledger.now
    limit = task.queue_limit_micros
    ready = advance(task, TaskState.PENDING, queued_time=task.queued_time or now, wake_time=now + limit if limit else 0)
    ledger.put_task(task, ready, EventType.TASK_READY)
    ledger.ready.append(ready)


def pass_time(ledger: Ledger, task: Task) -> None:
    """The time before which it must not start is over, and other tasks keep it still: no timer is needed any more."""
    ledger.put_task(task, amend(task, wake_time=0), EventType.TASK_CHANGED, message="its time has come; it is blocked")


def overrun(ledger: Ledger, task: Task) -> None:
    """The agent should have stopped the work at its limit and did not: the attempt fails from our side."""
    ledger.revoke([task])
    failure = Failure(FailureReason.TIMEOUT, f"ran longer than its limit of {task.run_limit_micros / 1e6:g} s")
    end_attempt(ledger, task, Ending(outcome=AttemptOutcome.FAILED, failure=failure))


def expire(ledger: Ledger, task: Task) -> None:
    """The time limit for queueing ran out before the start."""
    failure = Failure(FailureReason.QUEUE_TIMEOUT, f"not started within {task.queue_limit_micros / 1e6:g} s")
    if task.state is TaskState.LEASED:
        ledger.revoke([task])
        end_attempt(ledger, task, Ending(outcome=AttemptOutcome.RETURNED, message="queue time limit"))
        task = ledger.tasks[task.id]
        if task.terminal:  # a cancel was asked for, and the end of the lease fulfilled it
            return
    ledger.unready.append(task)
    after = advance(task, TaskState.EXPIRED, wake_time=0, end_time=ledger.now, failure_reason=failure.reason)
    ledger.put_task(task, after, EventType.TASK_EXPIRED, failure=failure)


def touch_cancel(command: CancelTask, touches: Touches) -> None:
    """What a cancel reads."""
    touches.task_ids.add(command.task_id)


def cancel_task(ledger: Ledger, command: CancelTask) -> Task:
    """Cancels at once what nobody holds, and orders the holder otherwise. Returns the task afterwards."""
    task = ledger.task(command.namespace, command.task_id)
    if task.terminal or task.cancel_request_time:
        return task
    if task.held:
        asked = amend(task, cancel_request_time=ledger.now)
        ledger.put_task(task, asked, EventType.TASK_CANCEL_REQUESTED, message=command.reason)
        ledger.cancels.append(CancelOrder((task.namespace, task.agent_id), task.id, task.token))
        return asked
    if task.state is TaskState.PENDING:
        ledger.unready.append(task)
    elif task.state is TaskState.BLOCKED:
        ledger.links.free(task.id)
    now = ledger.now
    after = advance(task, TaskState.CANCELLED, blockers=0, wake_time=0, end_time=now, cancel_request_time=now)
    ledger.put_task(task, after, EventType.TASK_CANCELLED, message=command.reason)
    return after
