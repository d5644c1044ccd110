"""Messages of the contract as JSON that scripts like: plain numbers, short enum names, RFC 3339 times.

Protobuf's own JSON writes 64-bit integers as strings and durations as "3.5s". Here integers are numbers, a duration is
a number of seconds under its name with "_seconds" behind it, enums lose their prefix ("RUNNING"), a payload is shown as
the JSON or the text that it is (else as base64), and what is unset is null, so that the keys are always the same.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from missioncontrol.errors import PayloadError
from missioncontrol.event_names import event_name
from missioncontrol.payload import decode_payload
from missioncontrol.times import duration_seconds, rfc3339
from missioncontrol.v1 import event_pb2, task_pb2

# Descriptors are typed as Any: the stubs know two kinds of them, which behave alike.
_EVENT_TYPE = event_pb2.EventType.DESCRIPTOR.full_name
_SEPARATORS = (", ", ": ")
_DURATION = Duration.DESCRIPTOR.full_name


def to_json(message: Message) -> Any:
    """A message as a JSON value."""
    match message:
        case Timestamp():
            return rfc3339(message)
        case Duration():
            return duration_seconds(message)
        case task_pb2.Payload():
            return payload_json(message)
    return {key_of(field): _value(message, field) for field in message.DESCRIPTOR.fields}


def payload_json(payload: task_pb2.Payload) -> dict[str, object]:
    """A payload with its size, and its content in the most readable form."""
    shown: dict[str, object] = {"content_type": payload.content_type, "size_bytes": len(payload.data)}
    try:
        value = decode_payload(payload)
    except PayloadError:
        value = payload.data
    if isinstance(value, bytes):
        return {**shown, "base64": base64.b64encode(value).decode()}
    return {**shown, "value": value}


def dumps(value: object) -> str:
    """One line of JSON."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=_SEPARATORS)
        text.encode()
    except UnicodeEncodeError:  # half a character, which JSON can say by its number
        return json.dumps(value, allow_nan=False, separators=_SEPARATORS)
    except ValueError:
        return dumps(_finite(value))
    return text


def _finite(value: Any) -> Any:
    """With "NaN" and "Infinity" for what is no number in JSON, as protobuf writes them."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value


def short_enum(enum: Any, number: int) -> str | None:
    """ "RUNNING" for TASK_STATE_RUNNING, "task.created" for an event's type; None for what is unspecified."""
    if number == 0:
        return None
    if enum.full_name == _EVENT_TYPE:
        return event_name(number)
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    known = enum.values_by_number.get(number)
    return known.name.removeprefix(prefix) if known is not None else str(number)


def key_of(field: Any) -> str:
    """The key under which a field stands."""
    is_duration = field.message_type is not None and field.message_type.full_name == _DURATION
    return f"{field.name}_seconds" if is_duration else field.name


def _value(message: Message, field: Any) -> Any:
    value = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return dict(value)
    if field.is_repeated:
        return [_single(each, field) for each in value]
    if field.has_presence and not message.HasField(field.name):
        return None
    return _single(value, field)


def _single(value: Any, field: Any) -> Any:
    if field.message_type is not None:
        return to_json(value)
    if field.enum_type is not None:
        return short_enum(field.enum_type, value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value


def list_json(messages: Iterable[Message]) -> list[Any]:
    """Messages as a JSON array."""
    return [to_json(message) for message in messages]
