"""How a task looks to people: in a row of a list, and whole."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from missioncontrol.cli import mapping
from missioncontrol.cli.session import Session
from missioncontrol.errors import failure_label
from missioncontrol.payload import decode_payload
from missioncontrol.times import duration_seconds, to_datetime
from missioncontrol.v1 import task_pb2

COLUMNS = ("ID", "STATE", "QUEUE", "KIND", "PRIORITY", "TRY", "AGENT", "AGE", "WHAT")
ATTEMPT_COLUMNS = ("TRY", "OUTCOME", "AGENT", "GRANTED", "WAITED", "RAN", "WHAT")


def show_task(session: Session, task: task_pb2.Task, *, position: str = "") -> None:
    """One task, whole."""
    value = mapping.to_json(task) if session.printer.is_json else None
    if value is not None and position:
        value["position"] = position
    session.printer.fields(_fields(task), value=value)


def row(task: task_pb2.Task) -> tuple[str, ...]:
    """A task as a row under COLUMNS."""
    waited = datetime.now(UTC) - to_datetime(task.create_time)
    return (
        task.id,
        state_name(task),
        task.spec.queue,
        task.spec.kind,
        str(task.spec.priority),
        str(task.token or ""),
        task.agent_id,
        age(waited.total_seconds()),
        _what(task),
    )


def state_name(task: task_pb2.Task) -> str:
    """ "RUNNING", or "RUNNING (cancelling)"."""
    name = task_pb2.TaskState.Name(task.state).removeprefix("TASK_STATE_")
    cancelling = task.HasField("cancel_request_time") and not task.HasField("end_time")
    return f"{name} (cancelling)" if cancelling else name


def _what(task: task_pb2.Task) -> str:
    if task.HasField("failure"):
        return failure_text(task.failure)
    if task.blockers:
        return f"waits for {task.blockers} {'task' if task.blockers == 1 else 'tasks'}"
    return progress_text(task.progress) if task.HasField("progress") and not task.HasField("end_time") else ""


def failure_text(failure: task_pb2.Failure) -> str:
    """A failure in one line."""
    return (
        " ".join(f"{failure_label(failure)}: {failure.message}".split()) if failure.message else failure_label(failure)
    )


def progress_text(progress: task_pb2.Progress) -> str:
    """Progress in one line: "40 % compiling"."""
    fraction = f"{progress.fraction:.0%} " if progress.HasField("fraction") else ""
    return f"{fraction}{progress.message}".strip()


def attempt_row(attempt: task_pb2.Attempt) -> tuple[str, ...]:
    """An attempt as a row under ATTEMPT_COLUMNS."""
    end = attempt.end_time if attempt.HasField("end_time") else None
    return (
        str(attempt.token),
        task_pb2.AttemptOutcome.Name(attempt.outcome).removeprefix("ATTEMPT_OUTCOME_")
        if attempt.outcome
        else "current",
        attempt.agent_id,
        mapping.to_json(attempt.grant_time),
        _between(attempt.grant_time, attempt.start_time if attempt.HasField("start_time") else end),
        _between(attempt.start_time, end) if attempt.HasField("start_time") else "",
        failure_text(attempt.failure) if attempt.HasField("failure") else "",
    )


def _between(start: Any, end: Any) -> str:
    return age((to_datetime(end) - to_datetime(start)).total_seconds()) if end is not None else ""


def _fields(task: task_pb2.Task) -> dict[str, str]:
    spec = task.spec
    times = {name: getattr(task, f"{name}_time") for name in ("create", "schedule", "start", "end", "cancel_request")}
    shown = {name: mapping.to_json(value) for name, value in times.items() if task.HasField(f"{name}_time")}  # type: ignore[arg-type] # names made above
    return {
        "id": task.id,
        "state": state_name(task),
        "kind": spec.kind,
        "queue": spec.queue,
        "priority": str(spec.priority),
        "labels": ", ".join(f"{key}={value}" for key, value in sorted(spec.labels.items())),
        "requires": _requirements(spec.requirements),
        "prefers": "; ".join(f"{_selector(each.selector)} ({each.weight:+})" for each in spec.preferences),
        "affinity key": spec.affinity_key,
        "fairness key": spec.fairness_key,
        "depends on": _dependencies(task),
        "created": shown.get("create", ""),
        "ready from": shown.get("schedule", ""),
        "started": shown.get("start", ""),
        "ended": shown.get("end", ""),
        "cancel asked for": shown.get("cancel_request", ""),
        "agent": task.agent_id,
        "attempts": f"{task.token} ({task.failures} failed, {task.redeliveries} lost)" if task.token else "",
        "run time limit": _limit(spec, "run_time_limit"),
        "queue time limit": _limit(spec, "queue_time_limit"),
        "progress": progress_text(task.progress) if task.HasField("progress") else "",
        "failure": failure_text(task.failure) if task.HasField("failure") else "",
        "payload": content(spec.payload) if spec.HasField("payload") else "",
        "output": content(task.output) if task.HasField("output") else "",
        "retry of": task.retry_of,
        "request id": task.request_id,
    }


def content(payload: task_pb2.Payload) -> str:
    """A payload for people: its JSON or text, or how large it is."""
    shown = mapping.payload_json(payload)
    if "base64" in shown:
        return f"{shown['size_bytes']} bytes of {shown['content_type'] or 'unknown content'}"
    return decode_payload(payload, str) if isinstance(shown["value"], str) else mapping.dumps(shown["value"])


def _requirements(requirements: task_pb2.Requirements) -> str:
    parts = list(requirements.capabilities)
    parts += map(_selector, requirements.selectors)
    parts += [f"{name}: {amount:g}" for name, amount in sorted(requirements.resources.items())]
    return "; ".join(parts)


def _selector(selector: task_pb2.LabelSelector) -> str:
    operator = task_pb2.SelectorOperator.Name(selector.operator).removeprefix("SELECTOR_OPERATOR_").lower()
    return f"{selector.key} {operator.replace('_', ' ')} {', '.join(selector.values)}".strip()


def _dependencies(task: task_pb2.Task) -> str:
    open_ones = f" ({task.blockers} of {len(task.spec.depends_on)} have not ended)" if task.blockers else ""
    return f"{', '.join(task.spec.depends_on)}{open_ones}"


def _limit(spec: task_pb2.TaskSpec, name: str) -> str:
    return f"{duration_seconds(getattr(spec, name)):g} s" if spec.HasField(name) else ""  # type: ignore[arg-type] # a field's name


def age(seconds: float) -> str:
    """A length of time as people say it: "850ms", "12s", "3m20s", "5h02m", "4d07h"."""
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f}ms"
    if seconds < 60:
        return f"{seconds:.0f}s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours < 24 else f"{hours // 24}d{hours % 24:02}h"
