from __future__ import annotations

import pytest
from missioncontrol.v1 import agent_service_pb2 as agents
from missioncontrol.v1 import queue_service_pb2 as queues
from missioncontrol.v1 import task_pb2, task_service_pb2

from services.domain.errors import InvalidArgument
from services.transport.interceptors import ITEMWISE
from services.transport.validation import NUL_REASON, invalid, validate, validate_items


def submit(**spec: object) -> task_service_pb2.CreateTaskRequest:
    return task_service_pb2.CreateTaskRequest(spec=task_pb2.TaskSpec(**{"kind": "noop", **spec}))


def test_a_good_request_has_no_violations():
    assert validate(submit(priority=5, labels={"a": "b"})) == []


def test_a_payload_beyond_the_limit_names_the_limit_and_the_field():
    ((field, reason),) = validate(submit(payload=task_pb2.Payload(data=b"\0" * 262_145)))
    assert field == "spec.payload.data"
    assert "262144 bytes" in reason


def test_a_payload_at_the_limit_is_fine():
    assert validate(submit(payload=task_pb2.Payload(data=b"\0" * 262_144))) == []


def test_a_negative_time_is_refused():
    request = submit()
    request.spec.not_before_time.seconds = -1
    assert [field for field, _ in validate(request)] == ["spec.not_before_time"]


def test_a_map_key_is_part_of_the_path():
    assert [field for field, _ in validate(submit(labels={"team": "x" * 300}))] == ['spec.labels["team"]']


def test_a_missing_member_of_a_oneof_is_named():
    ((field, reason),) = validate(agents.AgentMessage())
    assert field == "content"
    assert reason


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"affinity_key": "a\0b"}, "spec.affinity_key"),
        ({"labels": {"team": "a\0"}}, 'spec.labels["team"]'),
        ({"labels": {"te\0am": "a"}}, "spec.labels"),
        ({"payload": task_pb2.Payload(content_type="\0")}, "spec.payload.content_type"),
        (
            {"requirements": task_pb2.Requirements(capabilities=["gpu", "a\0"])},
            "spec.requirements.capabilities[1]",
        ),
    ],
)
def test_a_nul_byte_in_any_string_is_named(spec: dict[str, object], field: str):
    assert (field, NUL_REASON) in [
        (path, reason.removesuffix(" in a key")) for path, reason in validate(submit(**spec))
    ]


def test_a_nul_byte_in_bytes_is_fine():
    assert validate(submit(payload=task_pb2.Payload(data=b"a\0b"))) == []


def test_numbers_with_zero_bytes_in_them_are_fine():
    assert validate(submit(requirements=task_pb2.Requirements(resources={"gpu": 1.0}))) == []


def test_the_items_of_a_batch_are_judged_one_by_one():
    batch = task_service_pb2.BatchCreateTasksRequest(
        requests=[submit(), submit(priority=1000), submit(), submit(kind="", affinity_key="\0")]
    )
    items = validate_items(batch, "requests")
    assert sorted(items) == [1, 3]
    assert [field for field, _ in items[1]] == ["spec.priority"]
    assert sorted(field for field, _ in items[3]) == ["spec.affinity_key", "spec.kind"]


@pytest.mark.parametrize("count", [0, 1001])
def test_a_batch_that_is_wrong_itself_is_refused(count: int):
    with pytest.raises(InvalidArgument, match="requests: must"):
        validate_items(task_service_pb2.BatchCreateTasksRequest(requests=[submit()] * count), "requests")


@pytest.mark.parametrize("count", [1, 1000])
def test_the_wrapper_knows_the_same_bounds_as_the_contract(count: int):
    validate_items(task_service_pb2.BatchCreateTasksRequest(requests=[submit()] * count), "requests")
    assert ITEMWISE["/missioncontrol.v1.TaskService/BatchCreateTasks"].items_max == 1000


def test_the_error_tells_the_first_complaint_and_how_many_more():
    error = invalid([("a", "is bad"), ("b", "is worse")])
    assert error.message == "a: is bad (and 1 more)"
    assert error.fields == (("a", "is bad"), ("b", "is worse"))


def test_every_request_of_the_contract_has_rules_that_compile():
    files = [agents.DESCRIPTOR, queues.DESCRIPTOR, task_service_pb2.DESCRIPTOR]
    methods = [method for file in files for service in file.services_by_name.values() for method in service.methods]
    assert methods
    for method in methods:
        validate(method.input_type._concrete_class())
