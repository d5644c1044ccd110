"""What passes the cheap look keeps the rules; the limits themselves are still judged by the rules."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from missioncontrol.v1 import agent_service_pb2 as wire
from missioncontrol.v1 import task_pb2
from missioncontrol.v1 import task_service_pb2 as tasks

from services.transport.surely_valid import submit_surely_valid, surely_valid
from services.transport.validation import validate

numbers = st.integers(0, 3)
ids = st.sampled_from(["", "t", "a\0b", "ü" * 16, "ü" * 36, "𝄞" * 16, "x" * 36, "x" * 64, "x" * 65]) | st.text(
    max_size=70
)


@st.composite
def reports(draw: st.DrawFn) -> wire.Report:
    report = wire.Report(number=draw(numbers), token=draw(numbers), task_id=draw(ids))
    kind = draw(st.sampled_from(["", "started", "succeeded", "failed", "progress", "returned"]))
    if kind == "succeeded":
        report.succeeded.output.data = b"x" * draw(st.sampled_from([0, 262_144, 262_145]))
        report.succeeded.output.content_type = draw(
            st.sampled_from(["", "text/plain", "ü" * 65]) | st.text(max_size=40)
        )
        for number in range(draw(st.sampled_from([0, 1, 33]))):
            report.succeeded.usage.custom[str(number)] = 1.0
    elif kind == "failed":
        report.failed.failure.message = "x" * draw(st.sampled_from([1, 8193]))
    elif kind == "progress":
        report.progress.fraction = draw(st.sampled_from([0.5, 7.0]))
    elif kind:
        getattr(report, kind).SetInParent()
    return report


@settings(max_examples=300, deadline=None, derandomize=True)
@given(batch=st.lists(reports(), max_size=4))
def test_what_passes_keeps_every_rule(batch: list[wire.Report]) -> None:
    message = wire.AgentMessage(reports=wire.ReportBatch(reports=batch))
    if surely_valid(message):
        assert validate(message) == []


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    batches=st.lists(st.lists(reports(), max_size=2), max_size=3),
    conversation=st.sampled_from(
        ["", "x", "6f2c9d1e-0000-4000-8000-00000000000a", "6F2C9D1E-0000-4000-8000-00000000000A"]
    ),
    number=numbers,
    seconds=st.sampled_from([-1, 0, 10, 3601]),
)
def test_a_call_that_passes_keeps_every_rule(
    batches: list[list[wire.Report]], conversation: str, number: int, seconds: int
) -> None:
    messages = [wire.AgentMessage(reports=wire.ReportBatch(reports=batch)) for batch in batches]
    call = wire.ExchangeRequest(conversation=conversation, number=number, messages=messages)
    call.wait.seconds = seconds
    if surely_valid(call):
        assert validate(call) == []


def test_a_plain_call_of_an_agent_passes() -> None:
    report = wire.Report(number=1, task_id="t", token=1, succeeded=wire.Succeeded())
    said = wire.AgentMessage(reports=wire.ReportBatch(reports=[report]))
    call = wire.ExchangeRequest(conversation="6f2c9d1e-0000-4000-8000-00000000000a", number=1, messages=[said])
    call.wait.seconds = 10

    assert surely_valid(call)


names = st.sampled_from(["", "default", "a-b", "-a", "A", "a/b", "a b", "ä", "x" * 63, "x" * 64, "x" * 129, "a\0b"])


@st.composite
def submits(draw: st.DrawFn) -> tasks.CreateTaskRequest:
    request = tasks.CreateTaskRequest(request_id=draw(ids | st.just("a\0b")))
    if draw(st.booleans()):
        request.spec.SetInParent()
    for field in ("namespace", "queue", "kind"):
        if draw(st.booleans()):
            setattr(request.spec, field, draw(names))
    request.spec.priority = draw(st.sampled_from([0, 100, 101, -101]))
    request.spec.payload.data = b"x" * draw(st.sampled_from([0, 262_144, 262_145]))
    request.spec.payload.content_type = draw(st.sampled_from(["", "text/plain", "ü" * 65, "a\0"]))
    if draw(st.booleans()):
        request.spec.labels[draw(names)] = "x"
    if draw(st.booleans()):
        request.spec.trace_parent = "nonsense"
    request.spec.fairness_key = draw(st.sampled_from(["", "ann", "ü" * 65, "a\0"]))
    if draw(st.booleans()):
        request.spec.preferences.add(weight=draw(st.sampled_from([1, 1001]))).selector.key = "zone"
    if draw(st.booleans()):
        request.spec.depends_on.append(draw(ids))
    if draw(st.booleans()):
        request.spec.retry_policy.attempts_max = draw(st.sampled_from([3, 1001]))
    return request


@settings(max_examples=500, deadline=None, derandomize=True)
@given(request=submits())
def test_a_submit_that_passes_keeps_every_rule(request: tasks.CreateTaskRequest) -> None:
    if submit_surely_valid(request):
        assert validate(request) == []


# What the cheap look judges by itself.
JUDGED = {"namespace", "queue", "kind", "payload", "priority", "fairness_key"}


@pytest.mark.parametrize("name", sorted({field.name for field in task_pb2.TaskSpec.DESCRIPTOR.fields} - JUDGED))
def test_every_other_part_of_a_spec_is_left_to_the_rules(name: str) -> None:
    """Also parts that are added one day."""
    request = tasks.CreateTaskRequest()
    request.spec.kind = "work"
    field = task_pb2.TaskSpec.DESCRIPTOR.fields_by_name[name]
    part = getattr(request.spec, name)
    if name == "labels":
        part["a"] = "b"
    elif field.is_repeated:
        part.append("a") if field.message_type is None else part.add()
    elif field.message_type is not None:
        part.SetInParent()
    else:
        setattr(request.spec, name, "a" if field.type == field.TYPE_STRING else 1)
    assert not submit_surely_valid(request)


def test_a_plain_submit_passes() -> None:
    request = tasks.CreateTaskRequest(request_id="01a20a1e-51bf-73b4-93c2-1e2bfc3d29b3")
    request.spec.kind = "work"
    request.spec.payload.data = b"\0\1"
    assert surely_valid(request)


def test_what_an_agent_says_all_day_passes() -> None:
    message = wire.AgentMessage()
    message.reports.reports.add(number=1, task_id="01a20a1e-51bf-73b4-93c2-1e2bfc3d29b3", token=1).started.SetInParent()
    message.reports.reports.add(
        number=2, task_id="01a20a1e-51bf-73b4-93c2-1e2bfc3d29b3", token=1
    ).succeeded.output.data = b"1"
    assert surely_valid(message)
    assert surely_valid(wire.AgentMessage(lease_receipt=wire.LeaseReceipt(number=1)))


@pytest.mark.parametrize("message", [wire.AgentMessage(), wire.AgentMessage(hello=wire.Hello()), wire.Hello()])
def test_everything_else_is_left_to_the_rules(message: Message) -> None:
    assert not surely_valid(message)
