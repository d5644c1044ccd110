from __future__ import annotations

import inspect

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from services.domain import errors
from services.transport.status import CODES, DETAILS_KEY, code_of, status_of, trailing_metadata

TREE = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.MissionControlError) and kind is not errors.MissionControlError
]


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_every_class_of_the_tree_has_a_code(kind: type[errors.MissionControlError]):
    assert kind in CODES


def test_the_table_names_nothing_but_the_tree():
    assert set(CODES) == set(TREE)


def test_an_unknown_subclass_counts_as_its_parent():
    class NoSuchQueue(errors.NotFound):
        reason = "NO_SUCH_QUEUE"

    assert code_of(NoSuchQueue("x")) is grpc.StatusCode.NOT_FOUND
    assert code_of(errors.MissionControlError("x")) is grpc.StatusCode.INTERNAL


def detail(status: status_pb2.Status, kind: type) -> object:
    found = kind()
    assert any(packed.Unpack(found) for packed in status.details)
    return found


def test_a_status_carries_reason_domain_and_metadata():
    status = status_of(errors.AlreadyExists("used", task_id="t1"))
    info = detail(status, error_details_pb2.ErrorInfo)
    assert (info.reason, info.domain, dict(info.metadata)) == ("REQUEST_ID_REUSED", "missioncontrol", {"task_id": "t1"})
    assert (status.code, status.message) == (grpc.StatusCode.ALREADY_EXISTS.value[0], "used")


def test_fields_become_a_bad_request():
    status = status_of(errors.InvalidArgument("bad", fields=[("spec.kind", "is empty")]))
    violation = detail(status, error_details_pb2.BadRequest).field_violations[0]
    assert (violation.field, violation.description) == ("spec.kind", "is empty")


@pytest.mark.parametrize("kind", [errors.ResourceExhausted, errors.Unavailable])
def test_where_waiting_helps_the_status_says_how_long(kind: type[errors.ResourceExhausted]):
    status = status_of(kind("wait", retry_seconds=1.5))
    assert detail(status, error_details_pb2.RetryInfo).retry_delay.ToMilliseconds() == 1500


def test_thousands_of_complaints_still_fit_into_metadata():
    fields = [(f"requests[{index}].spec.kind", "must match the pattern" * 5) for index in range(1000)]
    status = status_of(errors.InvalidArgument("bad" * 1000, fields=fields))
    ((key, content),) = trailing_metadata(status)
    assert key == DETAILS_KEY
    assert len(content) < 5000
    assert detail(status, error_details_pb2.BadRequest).field_violations


def test_details_that_do_not_fit_are_left_out_rather_than_the_status():
    ((_, content),) = trailing_metadata(status_of(errors.NotFound("gone", task_id="x" * 10_000)))
    assert status_pb2.Status.FromString(content).message == "gone"
