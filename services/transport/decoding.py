"""From bytes to a request, where the bytes may be anything.

grpc answers INTERNAL or UNKNOWN when a deserializer raises, so ours returns the error as a value: the wrapper in
`interceptors.py` then refuses the call with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError, Message

from services.domain.errors import InvalidArgument
from services.transport.broken_message import find_fault
from services.transport.surely_valid import surely_valid
from services.transport.validation import invalid, nul_violations

Deserializer = Callable[[bytes], Message]


class Sure(NamedTuple):
    """A message that was found to be fine: nobody need look at it again."""

    message: Message


def tolerant(deserialize: Deserializer) -> Callable[[bytes], Message | Sure | InvalidArgument]:
    """Wraps a `FromString`: what cannot be decoded, or has a NUL byte in a string, comes back as the error."""
    return _tolerant(deserialize, _nul_error)


def tolerant_of_items(deserialize: Deserializer) -> Callable[[bytes], Message | Sure | InvalidArgument]:
    """The same without the look for NUL bytes, for batches whose items are judged one by one."""
    return _tolerant(deserialize, lambda _message, _encoded: None)


def _tolerant(
    deserialize: Deserializer, judge: Callable[[Message, bytes], InvalidArgument | None]
) -> Callable[[bytes], Message | Sure | InvalidArgument]:
    descriptor = deserialize(b"").DESCRIPTOR

    def decode(encoded: bytes) -> Message | Sure | InvalidArgument:
        try:
            message = deserialize(encoded)
        except DecodeError:
            return _undecodable(encoded, descriptor)
        if surely_valid(message):
            return Sure(message)
        return judge(message, encoded) or message

    return decode


def _nul_error(message: Message, encoded: bytes) -> InvalidArgument | None:
    violations = nul_violations(message, encoded)
    return invalid(violations) if violations else None


def _undecodable(encoded: bytes, descriptor: Any) -> InvalidArgument:
    field, reason = find_fault(encoded, descriptor)
    where = f" at {field}" if field else ""
    return InvalidArgument(
        f"the request is not a valid {descriptor.full_name}{where}: {reason}", fields=[(field, reason)] if field else ()
    )
