"""Messages as JSON that scripts like."""

from __future__ import annotations

import json
from typing import NoReturn

import pytest
from missioncontrol.cli import mapping
from missioncontrol.payload import encode_payload
from missioncontrol.v1 import event_pb2, task_pb2


def test_numbers_are_numbers_enums_are_short_and_times_are_rfc3339() -> None:
    task = task_pb2.Task(id="t", state=task_pb2.TASK_STATE_RUNNING, version=2**53)
    task.create_time.FromMicroseconds(1_769_848_200_250_000)
    task.spec.run_time_limit.FromMilliseconds(1500)
    task.spec.labels["a"] = "b"

    shown = mapping.to_json(task)

    assert shown["version"] == 2**53
    assert shown["state"] == "RUNNING"
    assert shown["create_time"] == "2026-01-31T08:30:00.250000Z"
    assert shown["spec"]["run_time_limit_seconds"] == 1.5
    assert shown["spec"]["labels"] == {"a": "b"}


def test_what_is_unset_is_null_so_that_the_keys_are_always_the_same() -> None:
    empty, full = task_pb2.Task(), task_pb2.Task(id="t")
    full.progress.fraction = 0.0

    assert mapping.to_json(empty).keys() == mapping.to_json(full).keys()
    assert mapping.to_json(empty)["progress"] is None
    assert mapping.to_json(empty)["state"] is None
    assert mapping.to_json(full)["progress"] == {"fraction": 0.0, "message": ""}


def test_a_payload_is_shown_as_what_it_is() -> None:
    assert mapping.to_json(encode_payload({"a": 1}))["value"] == {"a": 1}
    assert mapping.to_json(encode_payload("text"))["value"] == "text"
    assert mapping.to_json(encode_payload(b"\xff"))["base64"] == "/w=="
    garbled = task_pb2.Payload(data=b"{", content_type="application/json")
    assert mapping.to_json(garbled)["base64"] == "ew=="


def test_an_events_type_has_its_name_on_the_outside() -> None:
    event = event_pb2.Event(sequence=7, type=event_pb2.EVENT_TYPE_TASK_CANCEL_REQUESTED)

    assert mapping.to_json(event)["type"] == "task.cancel_requested"


def test_a_number_that_is_newer_than_this_client_is_shown_as_a_number() -> None:
    assert mapping.short_enum(task_pb2.TaskState.DESCRIPTOR, 99) == "99"


def test_every_line_is_json_on_one_line() -> None:
    text = mapping.dumps(mapping.to_json(encode_payload("two\nlines ü")))

    assert "\n" not in text
    assert json.loads(text)["value"] == "two\nlines ü"


def no_json(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is not JSON")


@pytest.mark.parametrize(
    "data",
    [b'{"a": NaN, "b": [-Infinity]}', b'"\\ud83d"', b"[" * 3000 + b"]" * 3000],
    ids=["no numbers", "half a character", "deep"],
)
def test_every_line_is_json_whatever_a_payload_holds(data: bytes) -> None:
    payload = task_pb2.Payload(data=data, content_type="application/json")

    text = mapping.dumps(mapping.to_json(task_pb2.Task(output=payload)))

    assert json.loads(text.encode(), parse_constant=no_json)["output"]["content_type"] == "application/json"
