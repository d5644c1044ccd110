"""One event as it leaves the gateway: encoded once, when it arrives, as the frame of an SSE stream.

The JSON is a CloudEvent 1.0. Its `data` is a mapping of our own and not protobuf's, which would write 64-bit numbers
as strings: numbers are numbers, states and reasons go by their names, times are RFC 3339, and fields that are not set
are absent.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import orjson
from missioncontrol.v1 import event_pb2

from services.event_gateway.event_names import AGENT_STATES, FAILURE_REASONS, OUTCOMES, TASK_STATES, name_of

TYPE_PREFIX = "missioncontrol."
_PLAIN = ("namespace", "task_id", "queue", "kind", "agent_id", "token", "version", "retry_of", "schedule", "message")
_STATES = (("from_state", TASK_STATES), ("to_state", TASK_STATES), ("outcome", OUTCOMES), ("agent_state", AGENT_STATES))


class Entry(NamedTuple):
    """One encoded event with what filters look at."""

    sequence: int
    type: int
    namespace: str
    queue: str
    task_id: str
    agent_id: str
    frame: bytes
    line_start: int

    @property
    def line(self) -> bytes:
        """The JSON with one line end, as NDJSON has it. (The frame ends with two.)"""
        return self.frame[self.line_start : -1]

    @property
    def json(self) -> bytes:
        """The JSON alone."""
        return self.frame[self.line_start : -2]


def encode(event: event_pb2.Event, epoch: str, source: str) -> Entry:
    """Encodes one event. `source` is CloudEvents' `source` as a JSON string, the same for the whole feed.

    CloudEvents' sequence extension is a string whose order as text is the order of the events, hence the zeros.
    """
    sequence, event_type, task_id, agent_id = event.sequence, event.type, event.task_id, event.agent_id
    queue = event.queue
    name = name_of(event_type)
    position = f"{epoch}:{sequence}"
    head = f"id: {position}\nevent: {name}\ndata: ".encode()
    # Put together by hand where nothing needs escaping, which is faster than one dictionary for all of it.
    envelope = (
        f'{{"specversion":"1.0","id":"{position}","source":{source},"type":"{TYPE_PREFIX}{name}",'
        f'"time":"{_timestamp(event.time)}","sequence":"{sequence:020d}",'
        '"datacontenttype":"application/json","subject":'
    ).encode()
    subject = orjson.dumps(_subject(event))
    frame = b'%b%b%b,"data":%b}\n\n' % (head, envelope, subject, orjson.dumps(_data(event)))
    return Entry(sequence, event_type, event.namespace, queue, task_id, agent_id, frame, len(head))


def json_string(text: str) -> str:
    """The text as JSON writes it, quotes included."""
    return orjson.dumps(text).decode()


def _subject(event: event_pb2.Event) -> str:
    if event.schedule:
        return f"schedules/{event.schedule}"
    if event.task_id:
        return f"tasks/{event.task_id}"
    return f"agents/{event.agent_id}" if event.agent_id else f"queues/{event.queue}"


def _data(event: event_pb2.Event) -> dict[str, Any]:
    data: dict[str, Any] = {field: value for field in _PLAIN if (value := getattr(event, field))}
    for field, names in _STATES:
        if number := getattr(event, field):
            data[field] = names.get(number, str(number))
    if event.task_id and not event.schedule:
        data["failures"] = event.failures
        data["redeliveries"] = event.redeliveries
        if event.type == event_pb2.EVENT_TYPE_TASK_CREATED:
            data["priority"] = event.priority
    if event.HasField("schedule_time"):
        data["schedule_time"] = _timestamp(event.schedule_time)
    if event.HasField("failure"):
        data["failure"] = _failure(event.failure)
    if event.HasField("progress"):
        data["progress"] = _progress(event.progress)
    return data


def _failure(failure: Any) -> dict[str, Any]:
    reason = FAILURE_REASONS.get(failure.reason, str(failure.reason))
    content = {"reason": reason, "message": failure.message, "code": failure.code}
    return {key: value for key, value in content.items() if value} | {"permanent": failure.permanent}


def _progress(progress: Any) -> dict[str, Any]:
    content: dict[str, Any] = {"message": progress.message} if progress.message else {}
    if progress.HasField("fraction"):
        content["fraction"] = progress.fraction
    return content


class _Second:
    """The text of the last second that was formatted: events of one batch nearly always share it."""

    seconds = -1
    text = ""


def _timestamp(timestamp: Any) -> str:
    seconds = timestamp.seconds
    if seconds != _Second.seconds:
        _Second.text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
        _Second.seconds = seconds
    return f"{_Second.text}.{timestamp.nanos // 1000:06d}Z"
