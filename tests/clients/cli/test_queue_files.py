"""Files of queues: every fault with its line, and what is written is read again."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from grpc import StatusCode
from hypothesis import given
from hypothesis import strategies as st
from missioncontrol.cli import exit_codes
from missioncontrol.cli.failures import RefusedInputError
from missioncontrol.cli.main import run
from missioncontrol.cli.queue_changes import settled
from missioncontrol.cli.queue_files import parse_queues, queue_text, read_queue_files
from missioncontrol.cli.values import duration_text, parse_duration
from missioncontrol.errors import CallStatus, FieldViolation, InvalidArgument
from missioncontrol.selectors import parse_selector, selector_text
from missioncontrol.v1 import queue_pb2, task_pb2

BAD = """\
name: gpu
policy:
  stratgy: SHORTEST_QUEUE
  lease_ttl: 30x
  lanes:
    - name: a
      priority_min: high
      weight: -1
      weight: 2
      reserved: {selectors: [!spot , "a b c"]}
  fairness: {weights: {acme: true}}
  limits: 3
---
name: two
polcy: {}
---
name: gpu
policy: {strategy: LIFO}
"""


def written(folder: Path, text: str) -> str:
    path = folder / "queues.yaml"
    path.write_text(text)
    return str(path)


def faults_of(folder: Path, text: str) -> list[str]:
    file = written(folder, text)
    with pytest.raises(RefusedInputError) as caught:
        read_queue_files([file])
    return [line.removeprefix(f"{file}:") for line in str(caught.value).splitlines()]


def test_every_fault_is_found_with_its_line_and_path(tmp_path: Path) -> None:
    faults = faults_of(tmp_path, BAD)

    assert [fault.split(": ")[:2] for fault in faults[:-1]] == [
        ["3", "policy.stratgy"],
        ["4", "policy.lease_ttl"],
        ["7", "policy.lanes[0].priority_min"],
        ["8", "policy.lanes[0].weight"],
        ["9", "policy.lanes[0].weight"],
        ["10", "policy.lanes[0].reserved.selectors[0]"],
        ["10", "policy.lanes[0].reserved.selectors[1]"],
        ["11", "policy.fairness.weights.acme"],
        ["12", "policy.limits"],
        ["15", "polcy"],
        ["14", "policy"],
        ["18", "policy.strategy"],
    ]
    assert faults[0].endswith("there is no such key; is it strategy?")
    assert "put it in quotes" in faults[5]
    assert faults[-1].startswith("17: queue gpu is in ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no queue is in there"),
        ("---\n---\n", "no queue is in there"),
        ("name: [", "expected the node content"),
        ("just text", "must be a mapping"),
        ("policy: {}", "is needed: the queue's name"),
        ("name: q", "{} is the default policy"),
        ("name: q\npolicy:", "must be a mapping"),
        ("name: q\npolicy: {lanes: {name: a}}", "must be a list"),
        ("name: q\npolicy: {admission: {pending_max: 1.5}}", "must be a whole number from 0 on"),
        ("name: q\npolicy: {lease_ttl: [30]}", "must be a duration, such as 30s or 5m"),
        ("name: q\npolicy: {round_robin: {weight_label: 5}}", "must be text; put it in quotes"),
        ("name: q\npolicy: {lanes: [{name: !foo a}]}", "must be text; put it in quotes"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path: Path, text: str, said: str) -> None:
    assert said in faults_of(tmp_path, text)[0]


def test_a_file_that_is_not_utf_8_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "queues.yaml"
    file.write_bytes(b"\xff\xfe")

    assert run(["queues", "diff", "-f", str(file)]) == exit_codes.USAGE

    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "not UTF-8" in error


def test_documents_lists_and_folders_are_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "name: one\npolicy: {}\n---\n- name: two\n  policy: {}\n- {name: three, policy: {}}\n"
    )
    (tmp_path / "b.yml").write_text("name: four\npolicy: {}\n")
    (tmp_path / "c.txt").write_text("no YAML: [")

    assert [document.name for document in read_queue_files([str(tmp_path)])] == ["one", "two", "three", "four"]


def test_a_service_that_refuses_a_field_is_told_with_the_line_in_the_file(tmp_path: Path) -> None:
    text = "name: q\npolicy:\n  lanes:\n    - name: gold\n      priority_min: 5\n      reserved: {}\n"
    [document] = read_queue_files([written(tmp_path, text)])
    fields = ("policy.lanes[gold].reserved", "policy.lanes[0].priority_min", "policy.admission.shed_pending")
    violations = tuple(FieldViolation(field, "is wrong") for field in fields)
    refused = InvalidArgument(CallStatus(StatusCode.INVALID_ARGUMENT, "no", "X", field_violations=violations))

    lines = [line.split(":")[1] for line in document.explain(refused)]

    assert lines == ["6", "5", "2"]


LABELS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8)
SELECTORS = st.builds(
    task_pb2.LabelSelector,
    key=st.from_regex(r"[a-z]{1,5}|!|in|a b|a=b", fullmatch=True),
    operator=st.integers(1, 6),
    values=st.lists(LABELS | st.just("16") | st.just("a, b") | st.just(" x"), max_size=3),
)


@given(SELECTORS)
def test_a_selector_that_can_be_written_as_text_is_read_again(selector: task_pb2.LabelSelector) -> None:
    text = selector_text(selector)
    assert text is None or parse_selector(text) == selector


@given(st.integers(0, 10**14))
def test_a_duration_is_read_again(micros: int) -> None:
    duration = timedelta(microseconds=micros)
    assert parse_duration(duration_text(duration), option="") == duration


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (0.5, "0.5s"), (30, "30s"), (90, "1m30s"), (3600, "1h"), (86_460, "1d1m")]
)
def test_a_duration_is_written_as_people_do(seconds: float, text: str) -> None:
    assert duration_text(timedelta(seconds=seconds)) == text


@given(
    st.builds(
        queue_pb2.QueuePolicy,
        strategy=st.integers(0, 4),
        lease_ttl=st.none() | st.builds(Duration, seconds=st.integers(1, 3600)),
        affinity=st.none()
        | st.builds(queue_pb2.AffinityPolicy, mode=st.integers(0, 3), selectors=st.lists(SELECTORS, max_size=2)),
        fairness=st.none()
        | st.builds(queue_pb2.FairnessPolicy, weights=st.dictionaries(LABELS, st.integers(1, 1000), max_size=3)),
        limits=st.none() | st.builds(queue_pb2.LimitPolicy, leases_per_second=st.floats(0, 1000)),
        admission=st.none() | st.builds(queue_pb2.AdmissionPolicy, exempt_priority=st.none() | st.integers(-100, 100)),
    )
)
def test_what_is_written_is_read_again_as_the_same_policy(policy: queue_pb2.QueuePolicy) -> None:
    """Every name, label and number that a policy may hold, also those that YAML takes for something else."""
    text = queue_text(queue_pb2.Queue(name="null", policy=policy))
    [again] = documents_in(text)
    assert again == policy


def documents_in(text: str) -> list[queue_pb2.QueuePolicy]:
    documents, faults = parse_queues("stdin", text)
    assert faults == []
    return [document.policy for document in documents]


def test_a_policy_is_compared_as_a_service_tells_it() -> None:
    lanes = [queue_pb2.Lane(name="low"), queue_pb2.Lane(name="high", priority_min=5)]
    written_by_hand = queue_pb2.QueuePolicy(
        lanes=lanes,
        affinity=queue_pb2.AffinityPolicy(warm_time=Duration(seconds=3600)),
        limits=queue_pb2.LimitPolicy(),
        fairness=queue_pb2.FairnessPolicy(),
    )
    assert settled(written_by_hand) == queue_pb2.QueuePolicy(
        strategy=queue_pb2.ROUTING_STRATEGY_CENTRAL_QUEUE,
        lanes=[lanes[1], lanes[0]],
        fairness=queue_pb2.FairnessPolicy(),  # an empty one shares evenly, none does not share
    )
