"""A submit from plain Python values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from missioncontrol import Client
from missioncontrol.errors import PayloadError
from missioncontrol.handle import TaskHandle
from missioncontrol.requests import RetryPolicy, task_request
from missioncontrol.v1 import task_pb2


def test_every_option_arrives_in_its_field() -> None:
    request = task_request(
        "build",
        {"path": "."},
        namespace="team",
        queue="q",
        priority=7,
        labels={"a": "b"},
        capabilities=["python"],
        selectors=["zone=eu"],
        resources={"gpu": 1},
        preferences=["zone=eu:10"],
        affinity_key="repo",
        fairness_key="ann",
        depends_on=["t-1", "#0"],
        not_before=datetime(2026, 1, 31, tzinfo=UTC),
        queue_time_limit=timedelta(minutes=1),
        run_time_limit=1.5,
        retry_policy=RetryPolicy(attempts_max=5, initial_backoff_seconds=0.5, retry_reasons=("timeout",)),
        trace_parent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        request_id="r",
    )

    spec = request.spec
    assert request.request_id == "r"
    assert (spec.namespace, spec.queue, spec.kind, spec.priority, spec.affinity_key) == (
        "team", "q", "build", 7, "repo",
    )  # fmt: skip
    assert spec.payload == task_pb2.Payload(data=b'{"path":"."}', content_type="application/json")
    assert list(spec.requirements.capabilities) == ["python"]
    assert spec.requirements.selectors[0].key == "zone"
    assert dict(spec.requirements.resources) == {"gpu": 1}
    assert [(each.selector.key, each.weight) for each in spec.preferences] == [("zone", 10)]
    assert (spec.fairness_key, list(spec.depends_on)) == ("ann", ["t-1", "#0"])
    assert spec.not_before_time.seconds == 1769817600
    assert spec.queue_time_limit.seconds == 60
    assert (spec.run_time_limit.seconds, spec.run_time_limit.nanos) == (1, 500_000_000)
    assert spec.retry_policy.attempts_max == 5
    assert spec.retry_policy.initial_backoff.nanos == 500_000_000
    assert list(spec.retry_policy.retry_reasons) == [task_pb2.FAILURE_REASON_TIMEOUT]


def test_what_is_left_out_stays_unset() -> None:
    spec = task_request("build").spec

    assert spec == task_pb2.TaskSpec(kind="build", payload=task_pb2.Payload())


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        task_request("build", not_before=datetime(2026, 1, 31))  # noqa: DTZ001 -- the mistake in question


def test_an_unknown_option_is_refused_with_those_that_there_are() -> None:
    options: dict[str, Any] = {"prio": 1}
    with pytest.raises(TypeError, match=r"prio.*priority"):
        task_request("build", **options)


def test_an_unknown_failure_reason_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"OFTEN.*TIMEOUT"):
        RetryPolicy(retry_reasons=("OFTEN",)).to_message()


def test_a_payload_that_no_message_can_carry_is_refused_with_the_field_and_the_limit() -> None:
    with pytest.raises(PayloadError, match=r"spec\.payload\.data: has 5000000 bytes, must be at most 262144"):
        task_request("build", b"x" * 5_000_000)


def test_dependencies_are_handles_or_ids_and_the_policy_is_a_name() -> None:
    handle: TaskHandle[Any] = Client().handle("t-1")
    spec = task_request("build", depends_on=[handle, "t-2"], dependency_policy="run").spec

    assert list(spec.depends_on) == ["t-1", "t-2"]
    assert spec.dependency_policy == task_pb2.DEPENDENCY_POLICY_RUN


def test_one_string_is_no_list_of_dependencies() -> None:
    with pytest.raises(TypeError, match="a list of ids"):
        task_request("build", depends_on="t-1")


def test_an_unknown_dependency_policy_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match='"maybe" is no dependency policy; there are FAIL, CANCEL, RUN'):
        task_request("build", dependency_policy="maybe")
