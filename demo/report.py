"""The table at the end of the demo, and the numbers in it. Pure: attempts and tasks in, a table out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from google.protobuf.timestamp_pb2 import Timestamp
from missioncontrol.v1 import task_pb2
from rich.table import Table

PERCENTS = (50, 95, 99)


@dataclass(frozen=True)
class Timings:
    """Seconds, one for each task that succeeded."""

    queue_wait: Sequence[float]
    run_time: Sequence[float]
    dispatch_latency: Sequence[float]


def timings(tasks: Mapping[str, task_pb2.Task], attempts: Mapping[str, Sequence[task_pb2.Attempt]]) -> Timings:
    """Of each accepted attempt: ready → start, start → end, grant → start."""
    accepted = [
        (tasks[task_id], attempt)
        for task_id, tries in attempts.items()
        for attempt in tries
        if attempt.outcome == task_pb2.ATTEMPT_OUTCOME_SUCCEEDED
    ]
    return Timings(
        queue_wait=[between(task.queued_time, attempt.start_time) for task, attempt in accepted],
        run_time=[between(attempt.start_time, attempt.end_time) for _, attempt in accepted],
        dispatch_latency=[between(attempt.grant_time, attempt.start_time) for _, attempt in accepted],
    )


def between(earlier: Timestamp, later: Timestamp) -> float:
    """Seconds from one instant to the other."""
    return (later.ToMicroseconds() - earlier.ToMicroseconds()) / 1e6


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` of all do not exceed (nearest rank); 0 if there are none."""
    ordered = sorted(values)
    return ordered[max(ceil(percent / 100 * len(ordered)), 1) - 1] if ordered else 0.0


def report(
    tasks: Mapping[str, task_pb2.Task], attempts: Mapping[str, Sequence[task_pb2.Attempt]], redelivered: int
) -> Table:
    """Tasks by outcome, times, the share of each agent, and how many were redelivered."""
    table = Table("", *(f"p{percent}" for percent in PERCENTS), title="What the fleet did", title_justify="left")
    measured = timings(tasks, attempts)
    rows = {
        "queue wait (ready to start)": measured.queue_wait,
        "run time (start to end)": measured.run_time,
        "dispatch latency (grant to start)": measured.dispatch_latency,
    }
    for name, values in rows.items():
        table.add_row(name, *(milliseconds(percentile(values, percent)) for percent in PERCENTS))
    table.add_section()
    for state, count in sorted(outcomes(tasks).items()):
        table.add_row(f"tasks {state}", str(count))
    table.add_row("tasks redelivered", str(redelivered))
    table.add_section()
    for agent_id, count in sorted(shares(tasks).items()):
        table.add_row(f"share of {agent_id}", f"{count} ({count / max(len(tasks), 1):.0%})")
    return table


def outcomes(tasks: Mapping[str, task_pb2.Task]) -> Counter[str]:
    """How many tasks are in each state."""
    return Counter(task_pb2.TaskState.Name(task.state).removeprefix("TASK_STATE_").lower() for task in tasks.values())


def shares(tasks: Mapping[str, task_pb2.Task]) -> Counter[str]:
    """How many tasks each agent ended."""
    return Counter(task.agent_id for task in tasks.values() if task.agent_id)


def milliseconds(seconds: float) -> str:
    """For people."""
    return f"{seconds * 1000:,.1f} ms"
