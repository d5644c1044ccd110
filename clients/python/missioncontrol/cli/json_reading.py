"""JSON that people write as messages of the contract: what `mapping` shows, read back.

Keys that a message does not have and values of another kind are refused, with their path. What is null is unset.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar, cast

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from missioncontrol.cli import mapping
from missioncontrol.cli.failures import RefusedInputError
from missioncontrol.payload import encode_payload, is_json
from missioncontrol.times import to_duration, to_timestamp
from missioncontrol.v1 import task_pb2

M = TypeVar("M", bound=Message)
_PAYLOAD_KEYS = ("content_type", "size_bytes", "value", "base64")


def from_json(kind: type[M], value: Any, *, path: str) -> M:
    """The message that `mapping.to_json` shows so. Raises RefusedInputError, which names the path of what is wrong."""
    try:
        return cast(M, _message(kind, value, path))
    except (TypeError, ValueError, AttributeError) as error:
        if isinstance(error, RefusedInputError):
            raise
        raise RefusedInputError(f"{path}: {error}") from None


def _message(kind: type[Message], value: Any, path: str) -> Message:
    if kind in _LEAVES:
        return _at(path, lambda: _LEAVES[kind](value))
    if not isinstance(value, Mapping):
        raise RefusedInputError(f"{path}: {_shown(value)} is no object")
    fields = {mapping.key_of(field): field for field in kind.DESCRIPTOR.fields}
    message = kind()
    for key, item in value.items():
        if key not in fields:
            raise RefusedInputError(f'{path}: there is no "{key}"; there are {", ".join(sorted(fields))}')
        if item is not None:
            _set(message, fields[key], item, f"{path}.{key}")
    return message


def _set(message: Message, field: Any, value: Any, path: str) -> None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        _at(path, lambda: getattr(message, field.name).update(value))
    elif field.is_repeated:
        if not isinstance(value, list):
            raise RefusedInputError(f"{path}: {_shown(value)} is no list")
        items = [_single(field, each, f"{path}[{place}]") for place, each in enumerate(value)]
        _at(path, lambda: getattr(message, field.name).extend(items))
    elif field.message_type is not None:
        getattr(message, field.name).CopyFrom(_single(field, value, path))
    else:
        found = _single(field, value, path)
        _at(path, lambda: setattr(message, field.name, found))


def _single(field: Any, value: Any, path: str) -> Any:
    if field.message_type is not None:
        return _message(field.message_type._concrete_class, value, path)
    if field.enum_type is None:
        return value
    prefix = field.enum_type.values_by_number[0].name.removesuffix("UNSPECIFIED")
    known = {each.name.removeprefix(prefix): each.number for each in field.enum_type.values if each.number}
    if str(value).upper() not in known:
        raise RefusedInputError(f"{path}: {_shown(value)} is none of {', '.join(known)}")
    return known[str(value).upper()]


def _json(content: object) -> bytes:
    """As the SDK writes it: a payload that is read back must be the same bytes."""
    try:
        return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a character, which JSON can say by its number
        return json.dumps(content, separators=(",", ":")).encode()


def _payload(value: Any) -> task_pb2.Payload:
    unknown = sorted(value.keys() - set(_PAYLOAD_KEYS))
    if unknown:
        raise ValueError(f'there is no "{unknown[0]}"; write {{"value": …}} or {{"base64": …}}')
    content_type = value.get("content_type") or None
    if "base64" in value:
        return encode_payload(base64.b64decode(value["base64"], validate=True), content_type=content_type)
    content = value.get("value")
    if content_type is not None and is_json(content_type) and "value" in value:
        return task_pb2.Payload(data=_json(content), content_type=content_type)
    return encode_payload(content, content_type=content_type)


_LEAVES: Mapping[type[Message], Callable[[Any], Message]] = {
    Timestamp: lambda value: to_timestamp(datetime.fromisoformat(value)),
    Duration: to_duration,
    task_pb2.Payload: _payload,
}

Found = TypeVar("Found")


def _at(path: str, make: Callable[[], Found]) -> Found:
    """What is made, or why it cannot be, with the path."""
    try:
        return make()
    except (TypeError, ValueError, AttributeError) as error:
        raise RefusedInputError(f"{path}: {error}") from None


def _shown(value: Any) -> str:
    return mapping.dumps(value)[:80]
