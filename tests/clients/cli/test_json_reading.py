"""What `mapping` shows is read back, and what is wrong in it is named by its path."""

from __future__ import annotations

from typing import Any

import pytest
from missioncontrol.cli.failures import RefusedInputError
from missioncontrol.cli.json_reading import from_json
from missioncontrol.cli.mapping import to_json
from missioncontrol.requests import RetryPolicy, task_request
from missioncontrol.v1 import schedule_service_pb2, task_pb2

Schedule = schedule_service_pb2.Schedule


@pytest.mark.parametrize("payload", [None, {"a": [1, None]}, "text", b"\x00\xff", "text in JSON"])
def test_a_schedule_is_read_back_as_it_is_shown(payload: Any) -> None:
    request = task_request(
        "work",
        payload,
        labels={"team": "a"},
        selectors=["zone in (eu, us)"],
        resources={"gpu": 1.5},
        run_time_limit=2.5,
        retry_policy=RetryPolicy(attempts_max=3, retry_reasons=("TIMEOUT",)),
        **({"content_type": "application/json"} if payload == "text in JSON" else {}),
    )
    if payload == "text in JSON":
        request.spec.payload.data = b'"text in JSON"'
    schedule = Schedule(name="s", cron="* * * * *", spec=request.spec, missed_policy=2, version=7)
    schedule.next_time.FromJsonString("2026-03-29T01:00:00Z")
    assert from_json(Schedule, to_json(schedule), path="f") == schedule


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (b"null", "application/json"),
        (b'"a"', "application/json; charset=utf-8"),
        (b'"a"', "application/problem+json"),
    ],
)
def test_a_payload_of_json_is_read_back_as_it_was(data: bytes, content_type: str) -> None:
    payload = task_pb2.Payload(data=data, content_type=content_type)

    assert from_json(task_pb2.Payload, to_json(payload), path="f") == payload


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "f: [] is no object"),
        ({"crom": ""}, 'f: there is no "crom"; there are create_time,'),
        ({"cron": 5}, "f.cron: "),
        ({"missed_policy": "never"}, 'f.missed_policy: "never" is none of SKIP, ONE, ALL'),
        ({"spec": "x"}, 'f.spec: "x" is no object'),
        ({"spec": {"priority": "high"}}, "f.spec.priority: "),
        ({"spec": {"labels": {"a": 1}}}, "f.spec.labels: "),
        ({"spec": {"labels": "a"}}, "f.spec.labels: "),
        ({"spec": {"depends_on": "a"}}, 'f.spec.depends_on: "a" is no list'),
        ({"spec": {"depends_on": [1]}}, "f.spec.depends_on: "),
        ({"spec": {"run_time_limit_seconds": "5m"}}, "f.spec.run_time_limit_seconds: "),
        ({"spec": {"payload": {"text": "x"}}}, 'f.spec.payload: there is no "text"'),
        ({"spec": {"payload": "x"}}, "f.spec.payload: "),
        ({"spec": {"payload": {"base64": "?"}}}, "f.spec.payload: "),
        ({"next_time": "soon"}, "f.next_time: "),
        ({"next_time": 5}, "f.next_time: "),
    ],
)
def test_what_is_wrong_is_named_by_its_path(value: Any, said: str) -> None:
    with pytest.raises(RefusedInputError) as caught:
        from_json(Schedule, value, path="f")
    assert str(caught.value).startswith(said)
