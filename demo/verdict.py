"""The checks at the end of the demo, all from the outside: ledger, API, feed, and the output of every task.

Pure: evidence in, sentences about what is wrong out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from missioncontrol.v1 import task_pb2

from demo.job import Job
from services.fleet.audit import DUPLICATED, LOST, Acknowledged, SeenEvent, audit, unaccounted
from services.fleet.observe import seen_task


@dataclass(frozen=True)
class Evidence:
    """All that the outside saw: what was acknowledged, what the API shows at the end, and the whole feed as it came."""

    jobs: Mapping[str, Job]
    ledger: Sequence[Acknowledged]
    tasks: Mapping[str, task_pb2.Task]
    attempts: Mapping[str, Sequence[task_pb2.Attempt]]
    events: Sequence[SeenEvent]


@dataclass(frozen=True)
class Verdict:
    """The result: counts for the last line, and a sentence for everything that is wrong."""

    succeeded: int
    lost: int
    duplicated: int
    wrong: tuple[str, ...]


def judge(evidence: Evidence) -> Verdict:
    """Compares everything with everything."""
    seen = [seen_task(task) for task in evidence.tasks.values()]
    findings = [*audit(evidence.ledger, seen, evidence.events), *unaccounted(evidence.ledger, seen, ())]
    twice = [sentence for task in evidence.tasks.values() if (sentence := _accepted(task, evidence))]
    wrong = [*map(str, findings), *twice]
    wrong += [sentence for task in evidence.tasks.values() if (sentence := _output(task, evidence))]
    return Verdict(
        succeeded=sum(task.state == task_pb2.TASK_STATE_SUCCEEDED for task in evidence.tasks.values()),
        lost=sum(finding.kind == LOST for finding in findings),
        duplicated=sum(finding.kind == DUPLICATED for finding in findings) + len(twice),
        wrong=tuple(wrong),
    )


def _accepted(task: task_pb2.Task, evidence: Evidence) -> str:
    """S5: exactly one attempt succeeded, the one whose token the task has."""
    tokens = [
        attempt.token for attempt in evidence.attempts[task.id] if attempt.outcome == task_pb2.ATTEMPT_OUTCOME_SUCCEEDED
    ]
    return "" if tokens == [task.token] else f"{task.id}: attempts {tokens} succeeded, its token is {task.token}"


def _output(task: task_pb2.Task, evidence: Evidence) -> str:
    """Whether the work did what it was asked for."""
    job = evidence.jobs.get(task.id)
    if job is None:
        return f"{task.id}: no job of the demo"
    if task.state != task_pb2.TASK_STATE_SUCCEEDED:
        state = task_pb2.TaskState.Name(task.state)
        return f"{job.name}: {state}: {task.failure.message or task.output.data.decode(errors='replace')}"
    wrong = job.verdict(task.output)
    return f"{job.name}: {wrong}" if wrong else ""
