"""Values to payloads and back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from missioncontrol.errors import PayloadError
from missioncontrol.payload import decode_payload, encode_payload
from missioncontrol.v1 import task_pb2
from pydantic import BaseModel

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@dataclass(frozen=True)
class Point:
    x: int
    label: str = ""


class Report(BaseModel):
    title: str
    at: datetime


@given(st.dictionaries(st.text(), json_values, max_size=4) | st.lists(json_values, max_size=4))
def test_what_json_can_say_comes_back_as_it_was(value: Any) -> None:
    assert decode_payload(encode_payload(value)) == value


@given(st.binary())
def test_bytes_come_back_as_they_were(value: bytes) -> None:
    assert decode_payload(encode_payload(value)) == value


@given(st.text())
def test_text_comes_back_as_it_was(value: str) -> None:
    assert decode_payload(encode_payload(value)) == value


def test_dataclasses_and_models_travel_as_json_alone_and_inside_of_others() -> None:
    report = Report(title="t", at=datetime(2026, 1, 31, tzinfo=UTC))

    assert decode_payload(encode_payload(Point(1)), Point) == Point(1)
    assert decode_payload(encode_payload(report), Report) == report
    assert decode_payload(encode_payload([Point(1), Point(2)]), list[Point]) == [Point(1), Point(2)]
    assert encode_payload({"report": report}).content_type == "application/json"


def test_nothing_is_an_empty_payload_and_back() -> None:
    assert encode_payload(None) == task_pb2.Payload()
    assert decode_payload(task_pb2.Payload()) is None


@pytest.mark.parametrize("value", [float("nan"), {"deep": float("inf")}, object(), {1j: 2}, "\ud800"])
def test_what_json_cannot_say_is_refused(value: object) -> None:
    with pytest.raises(PayloadError, match="cannot become a payload"):
        encode_payload(value)


def test_a_payload_of_another_shape_is_refused_with_the_field() -> None:
    with pytest.raises(PayloadError, match="x"):
        decode_payload(encode_payload({"x": "one"}), Point)


def test_the_content_type_may_be_named() -> None:
    assert encode_payload(b"{}", content_type="application/json").content_type == "application/json"
