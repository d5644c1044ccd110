"""Tasks, attempts and what belongs to them, between the wire and the domain.

The domain and the store see payloads, outputs and usage as opaque documents: the serialized message of the wire. Nobody
else looks into them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import uuid_utils
from missioncontrol.v1 import task_pb2, task_service_pb2

from services.domain.commands import NewTask
from services.domain.errors import InvalidArgument
from services.domain.failure import Attempt, Failure, FailureReason, Progress
from services.domain.requirements import LabelSelector, Requirements, needs_id, rounded_limit
from services.domain.retry import DEFAULT_RETRY, RetryPolicy
from services.domain.schedules import REQUEST_ID_PREFIX
from services.domain.task import Task, TaskState
from services.transport import convert_selector
from services.transport.convert_time import (
    MICROS,
    duration_micros,
    instant_micros,
    optional_timestamp,
    seconds_of,
    timestamp,
)

DEFAULT_NAMESPACE = "default"
DEFAULT_QUEUE = "default"

# Distinct sets of requirements and policies that are remembered; a fleet has some dozens.
_NEEDS_MAX = 4_096
_RETRIES_MAX = 1_024

# States in which the last attempt's failure is the task's own.
_SHOWS_FAILURE = frozenset({TaskState.SCHEDULED, TaskState.FAILED, TaskState.CANCELLED, TaskState.EXPIRED})
_SHOWS_OUTPUT = frozenset({TaskState.SUCCEEDED, TaskState.FAILED})


def new_id() -> str:
    """An id for a new task: a UUIDv7, so that ids sort by the time of their making."""
    return str(uuid_utils.uuid7())


def new_task(request: task_service_pb2.CreateTaskRequest, *, retry_of: str = "") -> NewTask:
    """The task that a valid request asks for, with a new id. Writes the defaults into the request's spec.

    Raises InvalidArgument for what the rules in the .proto cannot say. Field paths are those within the request.
    """
    spec = request.spec
    if request.request_id.startswith(REQUEST_ID_PREFIX):
        reason = f'must not begin with "{REQUEST_ID_PREFIX}": such ids are those of schedules\' firings'
        raise InvalidArgument(f"request_id: {reason}", fields=[("request_id", reason)])
    if not spec.namespace:
        spec.namespace = DEFAULT_NAMESPACE
    if not spec.queue:
        spec.queue = DEFAULT_QUEUE
    kind = spec.kind
    document = spec.SerializeToString(deterministic=True)
    requirements, needs = _needs(kind, _encoded_needs(spec))
    return NewTask(
        id=str(uuid_utils.uuid7()),
        namespace=spec.namespace,
        queue=spec.queue,
        kind=kind,
        priority=spec.priority,
        needs_id=needs,
        requirements=requirements,
        affinity_key=spec.affinity_key,
        fairness_key=spec.fairness_key,
        depends_on=tuple(spec.depends_on),
        dependency_policy=spec.dependency_policy,
        not_before_time=_not_before(spec) if spec.HasField("not_before_time") else 0,
        queue_limit_micros=_limit(spec, "queue_time_limit") if spec.HasField("queue_time_limit") else 0,
        run_limit_micros=_limit(spec, "run_time_limit") if spec.HasField("run_time_limit") else 0,
        retry=_retry(spec.retry_policy.SerializeToString()) if spec.HasField("retry_policy") else None,
        retry_of=retry_of,
        request_id=request.request_id,
        digest=_digest(document, retry_of),
        labels=dict(spec.labels) if spec.labels else {},
        document=document,
    )


def retry_task(
    document: bytes, request: task_service_pb2.RetryTaskRequest, *, of: str
) -> tuple[NewTask, task_pb2.TaskSpec]:
    """The task that tries the task `of` again, and its spec, which is the same."""
    again = task_service_pb2.CreateTaskRequest(request_id=request.request_id)
    again.spec.MergeFromString(document)
    return new_task(again, retry_of=of), again.spec


def _not_before(spec: task_pb2.TaskSpec) -> int:
    return instant_micros(spec.not_before_time, field="spec.not_before_time")


def _limit(spec: task_pb2.TaskSpec, name: str) -> int:
    return duration_micros(getattr(spec, name), field=f"spec.{name}")


def _digest(document: bytes, retry_of: str) -> str:
    """Names the body of a submit. A retry by hand is another body than the submit that it repeats."""
    person = retry_of.replace("-", "")[-16:].encode() if retry_of else b""
    return hashlib.blake2b(document, digest_size=16, person=person).hexdigest()


def _encoded_needs(spec: task_pb2.TaskSpec) -> bytes:
    """What of a spec decides where the task can go, as bytes; nothing in most."""
    if not (spec.HasField("requirements") or spec.preferences or spec.HasField("run_time_limit")):
        return b""
    needs = task_pb2.TaskSpec(preferences=spec.preferences)
    if spec.HasField("requirements"):
        needs.requirements.CopyFrom(spec.requirements)
    if spec.HasField("run_time_limit"):
        needs.run_time_limit.FromMilliseconds(rounded_limit(_limit(spec, "run_time_limit")))
    return needs.SerializeToString(deterministic=True)


@lru_cache(maxsize=_NEEDS_MAX)
def _needs(kind: str, encoded: bytes) -> tuple[Requirements, str]:
    """Requirements and the name of (kind, requirements). Thousands of tasks share them: they are read once."""
    spec = task_pb2.TaskSpec.FromString(encoded)
    message = spec.requirements
    requirements = Requirements(
        capabilities=tuple(message.capabilities),
        selectors=tuple(_selectors(message.selectors)),
        resources={name: message.resources[name] for name in sorted(message.resources) if message.resources[name] > 0},
        preferences=convert_selector.preferences(spec.preferences, field="spec.preferences"),
        run_limit_millis=spec.run_time_limit.ToMilliseconds(),
    )
    return requirements, needs_id(kind, requirements)


def _selectors(messages: Iterable[task_pb2.LabelSelector]) -> Iterable[LabelSelector]:
    for index, message in enumerate(messages):
        yield convert_selector.checked(message, field=f"spec.requirements.selectors[{index}]")


@lru_cache(maxsize=_RETRIES_MAX)
def _retry(encoded: bytes) -> RetryPolicy:
    message = task_pb2.RetryPolicy.FromString(encoded)
    default = DEFAULT_RETRY
    first, longest = (
        seconds_of(getattr(message, name), field=f"spec.retry_policy.{name}") if message.HasField(name) else None
        for name in ("initial_backoff", "backoff_max")
    )
    return RetryPolicy(
        attempts_max=message.attempts_max or default.attempts_max,
        initial_backoff_seconds=default.initial_backoff_seconds if first is None else first,
        backoff_multiplier=message.backoff_multiplier or default.backoff_multiplier,
        backoff_seconds_max=default.backoff_seconds_max if longest is None else longest,
        retry_reasons=tuple(message.retry_reasons),
        no_retry_codes=tuple(message.no_retry_codes),
        redeliveries_max=message.redeliveries_max or default.redeliveries_max,
    )


def spec_of(document: bytes) -> task_pb2.TaskSpec:
    """The spec as it was submitted."""
    return task_pb2.TaskSpec.FromString(document)


def spec_without_payload(document: bytes) -> task_pb2.TaskSpec:
    """The spec without its payload, for lists."""
    spec = spec_of(document)
    spec.ClearField("payload")
    return spec


def task(
    row: Task,
    *,
    spec: task_pb2.TaskSpec,
    attempt: Attempt | None = None,
    progress: Progress | None = None,
    failure: Failure | None = None,
) -> task_pb2.Task:
    """A task for the wire. `attempt` is the last one that ended, if it has the row's token; `failure` says why the task
    ended if no attempt does.

    Output and usage come along if the attempt holds them.
    """
    ended = attempt if attempt is not None and attempt.token == row.token else None
    message = _task(row, spec)
    if row.held or (ended is not None and row.terminal and ended.end_time == row.end_time):
        message.agent_id = row.agent_id
    if row.state in _SHOWS_FAILURE:
        _set_failure(message, row, ended, failure)
    if ended is not None and row.state in _SHOWS_OUTPUT and ended.output:
        message.output.MergeFromString(ended.output)
    if ended is not None and row.terminal and ended.usage:
        message.usage.MergeFromString(ended.usage)
    if progress is not None and row.held:
        message.progress.CopyFrom(progress_message(progress))
    return message


def _task(row: Task, spec: task_pb2.TaskSpec) -> task_pb2.Task:
    """What the row alone says."""
    make: Any = task_pb2.Task
    message: task_pb2.Task = make(
        id=row.id,
        spec=spec,
        state=row.state,
        version=row.version,
        create_time=timestamp(row.create_time),
        queued_time=optional_timestamp(row.queued_time),
        schedule_time=timestamp(row.wake_time) if row.state is TaskState.SCHEDULED else None,
        start_time=optional_timestamp(row.start_time),
        end_time=optional_timestamp(row.end_time),
        cancel_request_time=optional_timestamp(row.cancel_request_time),
        token=row.token,
        failures=row.failures,
        redeliveries=row.redeliveries,
        retry_of=row.retry_of,
        request_id=row.request_id,
        blockers=row.blockers,
    )
    return message


def _set_failure(message: task_pb2.Task, row: Task, ended: Attempt | None, failure: Failure | None) -> None:
    """The last attempt's failure; a task that no attempt has ended has one of its own."""
    if failure is not None:
        message.failure.CopyFrom(failure_message(failure))
    elif row.state is TaskState.EXPIRED:
        text = f"not started within {row.queue_limit_micros / MICROS:g} s"
        message.failure.CopyFrom(failure_message(Failure(FailureReason.QUEUE_TIMEOUT, text)))
    elif ended is not None and ended.failure is not None:
        message.failure.CopyFrom(failure_message(ended.failure))


def attempt_message(value: Attempt, *, progress: Progress | None = None) -> task_pb2.Attempt:
    """An attempt for the wire. One without an end time is the current one."""
    make: Any = task_pb2.Attempt
    message: task_pb2.Attempt = make(
        token=value.token,
        agent_id=value.agent_id,
        incarnation=value.incarnation,
        grant_time=timestamp(value.grant_time),
        start_time=optional_timestamp(value.start_time),
        end_time=optional_timestamp(value.end_time),
        outcome=value.outcome,
        failure=None if value.failure is None else failure_message(value.failure),
        progress=None if progress is None else progress_message(progress),
    )
    if value.output:
        message.output.MergeFromString(value.output)
    if value.usage:
        message.usage.MergeFromString(value.usage)
    return message


def failure(message: task_pb2.Failure) -> Failure:
    """A failure from the wire; one without a reason is an ERROR."""
    return Failure(message.reason or FailureReason.ERROR, message.message, message.code, message.permanent)


def failure_message(value: Failure) -> task_pb2.Failure:
    """A failure for the wire."""
    make: Any = task_pb2.Failure
    return make(reason=value.reason, message=value.message, code=value.code, permanent=value.permanent)  # type: ignore[no-any-return]  # `make` takes our enums, which the generated types do not know


def progress(message: task_pb2.Progress) -> Progress:
    """Progress from the wire."""
    return Progress(message.fraction if message.HasField("fraction") else None, message.message)


def progress_message(value: Progress) -> task_pb2.Progress:
    """Progress for the wire."""
    return task_pb2.Progress(fraction=value.fraction, message=value.message)
