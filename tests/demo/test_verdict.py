"""The demo says so, and fails, when anything at all is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from missioncontrol.v1 import task_pb2
from rich.console import Console

from demo.__main__ import conclude
from demo.run import Finished
from demo.verdict import Evidence, judge
from demo.work import command_job
from services.domain.event import EventType
from services.domain.task import TaskState
from services.fleet.audit import Acknowledged, SeenEvent

P, L, R, S = TaskState.PENDING, TaskState.LEASED, TaskState.RUNNING, TaskState.SUCCEEDED
EVENTS = (
    SeenEvent(1, EventType.TASK_CREATED, "task", to_state=P, version=1),
    SeenEvent(2, EventType.TASK_LEASED, "task", "a", 1, P, L, 2),
    SeenEvent(3, EventType.TASK_STARTED, "task", "a", 1, L, R, 3),
    SeenEvent(4, EventType.TASK_SUCCEEDED, "task", "a", 1, R, S, 4),
)


def evidence(*, stdout: str = "fine", state: int = task_pb2.TASK_STATE_SUCCEEDED) -> Evidence:
    """One task that was done as it should be."""
    output = task_pb2.Payload(
        data=json.dumps({"exit_code": 0, "stdout": stdout}).encode(), content_type="application/json"
    )
    task = task_pb2.Task(id="task", state=state, version=4, token=1, agent_id="a", request_id="demo-0", output=output)
    attempt = task_pb2.Attempt(token=1, agent_id="a", outcome=task_pb2.ATTEMPT_OUTCOME_SUCCEEDED)
    job = command_job("job", ("true",), lambda text: "" if text == "fine" else f"not fine: {text}")
    return Evidence({"task": job}, [Acknowledged("demo-0", "task")], {"task": task}, {"task": [attempt]}, EVENTS)


def said(judged: Evidence) -> tuple[int, str]:
    out = StringIO()
    finished = Finished(judged, seconds=1.0, redelivered=0, connections=1)
    code = conclude(Console(file=out, width=200), finished, judge(judged), Path("/nowhere"))
    return code, out.getvalue().splitlines()[-1]


def test_a_run_that_is_right_ends_with_its_line_and_exit_code_zero() -> None:
    assert said(evidence()) == (0, "demo: 1 tasks succeeded, 0 lost, 0 duplicated, feed complete")


@pytest.mark.parametrize(
    "wrong",
    [
        evidence(stdout="else"),
        evidence(state=task_pb2.TASK_STATE_FAILED),
        replace(evidence(), events=EVENTS[:2] + EVENTS[3:]),
        replace(evidence(), events=EVENTS[:3]),
        replace(evidence(), ledger=[Acknowledged("demo-0", "task"), Acknowledged("demo-1", "gone")]),
        replace(evidence(), attempts={"task": []}),
        replace(evidence(), ledger=[]),
    ],
    ids=["output", "failed task", "gap", "no end in the feed", "lost", "no accepted attempt", "unexpected"],
)
def test_anything_wrong_is_a_failure(wrong: Evidence) -> None:
    code, _ = said(wrong)

    assert code == 1
    assert judge(wrong).wrong
