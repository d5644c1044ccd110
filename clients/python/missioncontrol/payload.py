"""Values to payloads and back: what `submit` takes, what a handler gets, what `result` gives.

    value                                   content type
    bytes                                   application/octet-stream
    str                                     text/plain; charset=utf-8
    None                                    (empty payload)
    pydantic model, dataclass, anything
    that JSON can say                       application/json

The other way the type that is asked for decides. Nothing here knows a task or the network.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar, overload

from missioncontrol.errors import PayloadError
from missioncontrol.v1 import task_pb2

if TYPE_CHECKING:
    from pydantic import TypeAdapter

BYTES = "application/octet-stream"
TEXT = "text/plain; charset=utf-8"
JSON = "application/json"

T = TypeVar("T")


def encode_payload(value: object, *, content_type: str | None = None) -> task_pb2.Payload:
    """Makes a payload of a value; a Payload is taken as it is. `content_type` replaces the one that the value implies.

    Raises PayloadError if the value is nothing that JSON can say (NaN is not).
    """
    if isinstance(value, task_pb2.Payload):
        return value
    if value is None:
        return task_pb2.Payload(content_type=content_type or "")
    if isinstance(value, bytes | bytearray | memoryview):
        return task_pb2.Payload(data=bytes(value), content_type=content_type or BYTES)
    try:
        if isinstance(value, str):
            return task_pb2.Payload(data=value.encode(), content_type=content_type or TEXT)
        return task_pb2.Payload(data=_to_json(value), content_type=content_type or JSON)
    except (TypeError, ValueError, RecursionError) as error:
        raise PayloadError(f"a {type(value).__name__} cannot become a payload: {error}") from error


@overload
def decode_payload(payload: task_pb2.Payload) -> Any: ...
@overload
def decode_payload(payload: task_pb2.Payload, into: type[T]) -> T: ...
@overload
def decode_payload(payload: task_pb2.Payload, into: Any) -> Any: ...


def decode_payload(payload: task_pb2.Payload, into: Any = None) -> Any:
    """Makes a value of a payload: of the type `into`, or, without one, what the content type says.

    `bytes` and `str` take any payload; every other type takes JSON and is validated by pydantic. An empty payload is
    None if no type is asked for. Raises PayloadError, with pydantic's account of each field.
    """
    try:
        if into is None or into is Any:
            return _natural(payload)
        if into is bytes:
            return payload.data
        if into is str:
            return _text(payload)
        if into is task_pb2.Payload:
            return payload
        return _adapter(into).validate_json(payload.data or b"null")
    except (ValueError, RecursionError) as error:
        name = getattr(into, "__name__", str(into)) if into is not None else payload.content_type
        raise PayloadError(f"the payload ({len(payload.data)} bytes) is not {name}: {error}") from error


def _to_json(value: object) -> bytes:
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=_jsonable).encode()


def _jsonable(value: object) -> object:
    from pydantic_core import PydanticSerializationError, to_jsonable_python  # noqa: PLC0415 -- costs 50 ms

    try:
        return to_jsonable_python(value)
    except PydanticSerializationError as error:
        raise TypeError(str(error)) from error


def is_json(content_type: str) -> bool:
    """Whether a media type is JSON, with whatever parameters."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind == JSON or kind.endswith("+json")


def _natural(payload: task_pb2.Payload) -> object:
    if is_json(payload.content_type):
        return json.loads(payload.data)
    kind = payload.content_type.strip().lower()
    if kind.startswith("text/"):
        return payload.data.decode()
    return payload.data if payload.data or kind else None


def _text(payload: task_pb2.Payload) -> str:
    if payload.content_type.startswith(JSON):
        value = json.loads(payload.data)
        return value if isinstance(value, str) else payload.data.decode()
    return payload.data.decode()


@lru_cache(maxsize=256)
def _adapter(into: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter  # noqa: PLC0415 -- costs 100 ms; clients of bytes and JSON never need it

    return TypeAdapter(into)
