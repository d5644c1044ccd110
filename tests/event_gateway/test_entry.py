from __future__ import annotations

import json

from missioncontrol.v1 import agent_pb2, event_pb2, task_pb2

from services.domain.event import EventType
from services.event_gateway.entry import encode, json_string
from services.event_gateway.event_names import NAMES, TYPES
from tests.event_gateway.conftest import make_event

SOURCE = json_string("/missioncontrol")


def cloud_event(event: event_pb2.Event) -> dict[str, object]:
    content: dict[str, object] = json.loads(encode(event, "e1", SOURCE).json)
    return content


def test_an_event_is_a_cloud_event():
    event = make_event(7)
    assert cloud_event(event) == {
        "specversion": "1.0",
        "id": "e1:7",
        "source": "/missioncontrol",
        "type": "missioncontrol.task.created",
        "subject": "tasks/task-0",
        "time": "2026-05-28T20:26:40.000007Z",
        "sequence": "00000000000000000007",
        "datacontenttype": "application/json",
        "data": {
            "namespace": "default",
            "task_id": "task-0",
            "queue": "default",
            "kind": "noop",
            "version": 1,
            "to_state": "PENDING",
            "failures": 0,
            "redeliveries": 0,
            "priority": 0,
        },
    }


def test_the_frame_and_the_line_are_the_same_json():
    entry = encode(make_event(7), "e1", SOURCE)
    assert entry.frame == b"id: e1:7\nevent: task.created\ndata: " + entry.json + b"\n\n"
    assert entry.line == entry.json + b"\n"
    assert b"\n" not in entry.json


def test_everything_that_is_set_is_there_under_a_readable_name():
    event = make_event(
        1,
        type=event_pb2.EVENT_TYPE_TASK_RETRYING,
        token=1 << 60,
        from_state=task_pb2.TASK_STATE_RUNNING,
        to_state=task_pb2.TASK_STATE_SCHEDULED,
        outcome=task_pb2.ATTEMPT_OUTCOME_FAILED,
        failure=task_pb2.Failure(
            reason=task_pb2.FAILURE_REASON_ERROR, message='a "quote"\nand\u2028more', code="exit:3"
        ),
        progress=task_pb2.Progress(fraction=0.0, message="half"),
        agent_state=agent_pb2.AGENT_STATE_READY,
        failures=2,
    )
    event.schedule_time.FromMicroseconds(1_500_000)
    data = cloud_event(event)["data"]
    assert isinstance(data, dict)
    assert data["token"] == 1 << 60
    assert (data["from_state"], data["to_state"], data["outcome"]) == ("RUNNING", "SCHEDULED", "FAILED")
    assert data["failure"] == {
        "reason": "ERROR",
        "message": 'a "quote"\nand\u2028more',
        "code": "exit:3",
        "permanent": False,
    }
    assert data["progress"] == {"fraction": 0.0, "message": "half"}
    assert (data["schedule_time"], data["agent_state"], data["failures"]) == ("1970-01-01T00:00:01.500000Z", "READY", 2)


def test_events_of_agents_and_queues_have_their_own_subjects():
    agent = make_event(1, type=event_pb2.EVENT_TYPE_AGENT_CONNECTED, task_id="", agent_id='a"1')
    queue = make_event(1, type=event_pb2.EVENT_TYPE_QUEUE_PAUSED, task_id="", queue="builds")
    assert cloud_event(agent)["subject"] == 'agents/a"1'
    assert cloud_event(queue)["subject"] == "queues/builds"


def test_a_type_or_state_that_is_newer_than_the_gateway_goes_by_its_number():
    content = cloud_event(make_event(1, type=99, to_state=77))
    assert content["type"] == "missioncontrol.unknown.99"
    assert isinstance(content["data"], dict)
    assert content["data"]["to_state"] == "77"


def test_the_names_are_those_of_the_domain():
    assert {kind.value: kind.name.lower().replace("_", ".", 1) for kind in EventType} == NAMES
    assert TYPES["task.cancel_requested"] == event_pb2.EVENT_TYPE_TASK_CANCEL_REQUESTED


def test_a_firing_is_about_its_schedule_and_names_the_task():
    event = event_pb2.Event(
        sequence=7, type=event_pb2.EVENT_TYPE_SCHEDULE_FIRED, namespace="default", task_id="task-0", queue="q",
        schedule="nightly", version=2,
    )  # fmt: skip
    event.schedule_time.FromJsonString("2026-03-29T01:00:00Z")
    content = cloud_event(event)
    assert (content["type"], content["subject"]) == ("missioncontrol.schedule.fired", "schedules/nightly")
    assert content["data"] == {
        "namespace": "default",
        "task_id": "task-0",
        "queue": "q",
        "version": 2,
        "schedule": "nightly",
        "schedule_time": "2026-03-29T01:00:00.000000Z",
    }
