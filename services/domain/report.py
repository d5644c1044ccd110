"""Reports of agents, judged: current, known already, or stale.

The fence is (token, agent, incarnation, session). A report of an attempt that this incarnation itself has ended is
fine for ever: the reply to it was lost. Anything else that is not current is STALE, and costs the agent that lease
and nothing more.
"""

from __future__ import annotations

from services.domain.agent import change
from services.domain.attempt_end import Ending, end_attempt
from services.domain.commands import OUTCOMES, ApplyReports, Refusal, RefusalReason, Report, ReportKind
from services.domain.errors import SessionSuperseded
from services.domain.event import EventType
from services.domain.failure import AttemptOutcome
from services.domain.ledger import Ledger, Touches
from services.domain.task import Task, TaskState, advance, amend


def touch_reports(command: ApplyReports, touches: Touches) -> None:
    """What reports read: the agent, the tasks, and the attempts that have ended."""
    touches.agents.add(command.agent)
    for report in command.reports:
        touches.task_ids.add(report.task_id)
        touches.leases.append((report.task_id, report.token))


def apply_reports(ledger: Ledger, command: ApplyReports) -> list[Refusal]:
    """Judges each report in order; returns those that were not accepted."""
    agent = ledger.agents.get(command.agent)
    if agent is None or agent.incarnation != command.incarnation or agent.session != command.session:
        raise SessionSuperseded(f"session {command.session} of agent {command.agent[1]} is not the current one")
    refusals = [apply_report(ledger, command, report) for report in command.reports]
    return [refusal for refusal in refusals if refusal is not None]


def apply_report(ledger: Ledger, command: ApplyReports, report: Report) -> Refusal | None:
    """Judges one report."""
    task = ledger.tasks.get(report.task_id)
    current = task is not None and is_current(task, command, report)
    if task is None or not current:
        return None if known_already(ledger, command, report) else stale(report)
    if report.kind is ReportKind.STARTED:
        start(ledger, task)
        return None
    if report.kind in OUTCOMES:
        return end(ledger, task, report)
    if task.state is not TaskState.RUNNING:
        return refuse(report, RefusalReason.INVALID, "the work has not started")
    if report.kind is ReportKind.PROGRESS:
        note_progress(ledger, task, report)
    else:
        keep_checkpoint(ledger, task, report)
    return None


def is_current(task: Task, command: ApplyReports, report: Report) -> bool:
    """Whether the report is of the task's current lease, held by this agent."""
    return (
        task.held
        and task.token == report.token
        and task.agent_id == command.agent[1]
        and task.namespace == command.agent[0]
    )


def known_already(ledger: Ledger, command: ApplyReports, report: Report) -> bool:
    """Whether the report was accepted before: its attempt was ended by this incarnation's own report."""
    attempt = ledger.attempts.get((report.task_id, report.token))
    if attempt is None or not attempt.digest:
        return False
    if attempt.agent_id != command.agent[1] or attempt.incarnation != command.incarnation:
        return False
    return report.kind not in OUTCOMES or attempt.digest == report.digest


def stale(report: Report) -> Refusal:
    """The lease is not current."""
    return refuse(report, RefusalReason.STALE, f"token {report.token} of task {report.task_id} is not current")


def refuse(report: Report, reason: RefusalReason, message: str) -> Refusal:
    """The refusal of a report."""
    return Refusal(report.number, report.task_id, report.token, reason, message)


def start(ledger: Ledger, task: Task) -> Task:
    """LEASED → RUNNING; a start that is known changes nothing."""
    if task.state is TaskState.RUNNING:
        return task
    limit = task.run_limit_micros
    wake_time = ledger.now + limit + ledger.rules.run_limit_grace_micros if limit else 0
    running = advance(task, TaskState.RUNNING, start_time=ledger.now, wake_time=wake_time)
    agent = ledger.agents[(task.namespace, task.agent_id)]
    ledger.put_agent(change(agent, started=agent.started + 1))
    ledger.put_task(task, running, EventType.TASK_STARTED)
    return running


def end(ledger: Ledger, task: Task, report: Report) -> Refusal | None:
    """Ends the attempt as reported. An outcome of work whose start was not reported apart starts it first."""
    outcome = OUTCOMES[report.kind]
    if outcome is AttemptOutcome.REJECTED and task.state is TaskState.RUNNING:
        return refuse(report, RefusalReason.INVALID, "work that has started cannot be rejected, only returned")
    if outcome in (AttemptOutcome.SUCCEEDED, AttemptOutcome.FAILED):
        task = start(ledger, task)
    ending = Ending(
        outcome=outcome,
        digest=report.digest,
        failure=report.failure,
        output=report.document,
        usage=report.usage,
        message=report.message,
    )
    end_attempt(ledger, task, ending)
    return None


def note_progress(ledger: Ledger, task: Task, report: Report) -> None:
    """Keeps the newest progress."""
    assert report.progress is not None
    ledger.progress[task.id] = report.progress
    ledger.put_task(task, amend(task), EventType.TASK_PROGRESSED, progress=report.progress)


def keep_checkpoint(ledger: Ledger, task: Task, report: Report) -> None:
    """Keeps the newest checkpoint: it goes with the next lease."""
    ledger.checkpoints[task.id] = report.document
    ledger.put_task(task, amend(task), EventType.TASK_CHECKPOINTED)
