from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from missioncontrol.v1 import task_pb2, task_service_pb2

from services.domain.errors import InvalidArgument
from services.transport.broken_message import find_fault
from services.transport.decoding import Sure, tolerant, tolerant_of_items

Batch = task_service_pb2.BatchCreateTasksRequest
Create = task_service_pb2.CreateTaskRequest
decode = tolerant(Create.FromString)


def length_delimited(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2, len(content)]) + content


def refused(encoded: bytes) -> InvalidArgument:
    error: Any = decode(encoded)
    assert isinstance(error, InvalidArgument)
    return error


def test_a_good_message_is_decoded():
    request = Create(spec=task_pb2.TaskSpec(kind="noop"))
    assert decode(request.SerializeToString()) == Sure(request)


def test_bad_utf8_is_found_in_the_innermost_field():
    error = refused(length_delimited(1, length_delimited(2, b"\xff\xfe")))
    assert error.fields == (("spec.queue", "it is not valid UTF-8"),)
    assert "missioncontrol.v1.CreateTaskRequest at spec.queue" in error.message


def test_bad_utf8_in_an_item_of_a_batch_names_the_item():
    good = length_delimited(1, Create(spec=task_pb2.TaskSpec(kind="noop")).SerializeToString())
    bad = length_delimited(1, length_delimited(2, b"\xff"))
    error: Any = tolerant_of_items(Batch.FromString)(good + good + bad)
    assert error.fields[0][0] == "requests[2].request_id"


def test_a_truncated_message_is_refused_without_a_field():
    error = refused(b"\x0a\x05abc")
    assert error.fields == ()
    assert "wire format" in error.message


def test_deep_nesting_ends():
    encoded = b""
    for _ in range(300):
        encoded = length_delimited(1, encoded)[:127]
    assert find_fault(encoded, Create.DESCRIPTOR)


def test_a_nul_byte_in_a_string_is_refused_when_decoding():
    request = Create(spec=task_pb2.TaskSpec(kind="no\0op"))
    assert refused(request.SerializeToString()).fields[0][0] == "spec.kind"


def test_nul_bytes_of_items_are_left_to_the_items():
    batch = Batch(requests=[Create(request_id="\0")])
    assert tolerant_of_items(Batch.FromString)(batch.SerializeToString()) == batch


@given(st.binary(max_size=200))
def test_whatever_comes_is_decoded_or_refused(encoded: bytes):
    assert isinstance(decode(encoded), Create | InvalidArgument)


@given(st.binary(max_size=200))
def test_the_search_for_the_fault_always_ends_with_one(encoded: bytes):
    field, reason = find_fault(encoded, Create.DESCRIPTOR)
    assert isinstance(field, str)
    assert reason
