"""What a submit says, from plain Python values. The client adds the namespace and the request id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypedDict, Unpack

from missioncontrol import limits
from missioncontrol.agent_limits import PAYLOAD_BYTES_MAX
from missioncontrol.errors import PayloadError
from missioncontrol.handle import TaskHandle
from missioncontrol.payload import encode_payload
from missioncontrol.selectors import parse_preference, parse_selector
from missioncontrol.times import to_duration, to_timestamp
from missioncontrol.v1 import task_pb2, task_service_pb2

# A string selector such as "zone in (eu, us)", or the message itself.
Selector = str | task_pb2.LabelSelector

# A string such as "zone=eu:10": a selector and its weight; or the message itself.
Preference = str | task_pb2.Preference


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """When a failed attempt is tried again; what is left out is the server's default.

    `attempts_max` counts the first attempt too: 1 means no retry. `retry_reasons` are names such as "TIMEOUT".
    """

    attempts_max: int = 0
    initial_backoff_seconds: float | None = None
    backoff_multiplier: float = 0
    backoff_seconds_max: float | None = None
    retry_reasons: tuple[str, ...] = ()
    no_retry_codes: tuple[str, ...] = ()
    redeliveries_max: int = 0

    def to_message(self) -> task_pb2.RetryPolicy:
        """The policy as the contract has it. Raises ValueError for an unknown reason or a negative number."""
        message = task_pb2.RetryPolicy(
            attempts_max=self.attempts_max,
            backoff_multiplier=self.backoff_multiplier,
            retry_reasons=[failure_reason(name) for name in self.retry_reasons],
            no_retry_codes=self.no_retry_codes,
            redeliveries_max=self.redeliveries_max,
        )
        if self.initial_backoff_seconds is not None:
            message.initial_backoff.CopyFrom(to_duration(self.initial_backoff_seconds))
        if self.backoff_seconds_max is not None:
            message.backoff_max.CopyFrom(to_duration(self.backoff_seconds_max))
        return message


class SubmitOptions(TypedDict, total=False):
    """What a submit may say besides kind and payload. Time limits are seconds or timedeltas, instants are aware.

    `depends_on` are tasks that have to end first, as handles or ids; in `Client.submit_many` also "#0" for the first
    request of the call. `dependency_policy` says what becomes of this one if one of them does not succeed: "FAIL" (the
    default), "CANCEL", or "RUN".
    """

    queue: str
    priority: int
    labels: Mapping[str, str]
    capabilities: Iterable[str]
    selectors: Iterable[Selector]
    resources: Mapping[str, float]
    preferences: Iterable[Preference]
    affinity_key: str
    fairness_key: str
    depends_on: Iterable[str | TaskHandle[Any]]
    dependency_policy: str
    not_before: datetime
    queue_time_limit: float | timedelta
    run_time_limit: float | timedelta
    retry_policy: RetryPolicy
    content_type: str
    trace_parent: str
    trace_state: str
    request_id: str
    namespace: str


def task_request(
    kind: str, payload: object = None, **options: Unpack[SubmitOptions]
) -> task_service_pb2.CreateTaskRequest:
    """One submit, for `Client.submit_many`.

    Raises PayloadError, and ValueError for what the contract cannot say; its rules are checked by the coordinator.
    """
    known = SubmitOptions.__annotations__.keys()
    unknown = sorted(options.keys() - known)
    if unknown:
        raise TypeError(f"unknown option {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    spec = task_pb2.TaskSpec(
        namespace=options.get("namespace", ""),
        queue=options.get("queue", ""),
        kind=kind,
        payload=_payload(payload, options.get("content_type")),
        labels=options.get("labels", {}),
        priority=options.get("priority", 0),
        affinity_key=options.get("affinity_key", ""),
        fairness_key=options.get("fairness_key", ""),
        trace_parent=options.get("trace_parent", ""),
        trace_state=options.get("trace_state", ""),
    )
    _set_requirements(spec, options)
    for preference in options.get("preferences", ()):
        spec.preferences.append(parse_preference(preference) if isinstance(preference, str) else preference)
    _set_dependencies(spec, options)
    _set_times(spec, options)
    return task_service_pb2.CreateTaskRequest(spec=spec, request_id=options.get("request_id", ""))


def failure_reason(name: str) -> task_pb2.FailureReason.ValueType:
    """A failure reason by its short name, in any case. Raises ValueError with the names that there are."""
    try:
        return task_pb2.FailureReason.Value(f"FAILURE_REASON_{name.upper()}")
    except ValueError:
        names = ", ".join(each.removeprefix("FAILURE_REASON_") for each in task_pb2.FailureReason.keys()[1:])
        raise ValueError(f'"{name}" is no failure reason; there are {names}') from None


def dependency_policy(name: str) -> task_pb2.DependencyPolicy.ValueType:
    """A dependency policy by its short name, in any case. Raises ValueError with the names that there are."""
    try:
        return task_pb2.DependencyPolicy.Value(f"DEPENDENCY_POLICY_{name.upper()}")
    except ValueError:
        names = ", ".join(each.removeprefix("DEPENDENCY_POLICY_") for each in task_pb2.DependencyPolicy.keys()[1:])
        raise ValueError(f'"{name}" is no dependency policy; there are {names}') from None


def _payload(value: object, content_type: str | None) -> task_pb2.Payload:
    payload = encode_payload(value, content_type=content_type)
    # The coordinator refuses what is above its limit, by field. What no message can carry would not get there.
    if len(payload.data) > limits.BATCH_BYTES_MAX:
        raise PayloadError(
            f"spec.payload.data: has {len(payload.data)} bytes, must be at most {PAYLOAD_BYTES_MAX}; "
            "keep it elsewhere and submit its address"
        )
    return payload


def _set_requirements(spec: task_pb2.TaskSpec, options: Mapping[str, Any]) -> None:
    if not options.keys() & {"capabilities", "selectors", "resources"}:
        return
    spec.requirements.capabilities.extend(options.get("capabilities", ()))
    for selector in options.get("selectors", ()):
        spec.requirements.selectors.append(parse_selector(selector) if isinstance(selector, str) else selector)
    spec.requirements.resources.update(options.get("resources", {}))


def _set_dependencies(spec: task_pb2.TaskSpec, options: Mapping[str, Any]) -> None:
    given = options.get("depends_on", ())
    if isinstance(given, str):
        raise TypeError("depends_on: a list of ids is needed, not one string")
    spec.depends_on.extend(each if isinstance(each, str) else each.id for each in given)
    if "dependency_policy" in options:
        spec.dependency_policy = dependency_policy(options["dependency_policy"])


def _set_times(spec: task_pb2.TaskSpec, options: Mapping[str, Any]) -> None:
    if "not_before" in options:
        spec.not_before_time.CopyFrom(to_timestamp(options["not_before"]))
    if "queue_time_limit" in options:
        spec.queue_time_limit.CopyFrom(to_duration(options["queue_time_limit"]))
    if "run_time_limit" in options:
        spec.run_time_limit.CopyFrom(to_duration(options["run_time_limit"]))
    if "retry_policy" in options:
        spec.retry_policy.CopyFrom(options["retry_policy"].to_message())
