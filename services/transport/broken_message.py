"""Where a message that protobuf refused to decode is broken.

protobuf says only that a message is wrong, not where. Only failed requests come here, so this may be slow; it must
not be fooled by hostile bytes: it never goes deeper than protobuf does and reads each byte a bounded number of times.
"""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from services.transport import limits

_VARINT, _FIXED64, _LENGTH, _GROUP_START, _GROUP_END, _FIXED32 = range(6)
_CORRUPT = "it is not in protobuf's wire format"
_NOT_UTF8 = "it is not valid UTF-8"


class _CorruptError(Exception):
    pass


def find_fault(encoded: bytes, descriptor: Descriptor) -> tuple[str, str]:
    """(path of the field, what is wrong with it); the path is empty if the fault is in no known field."""
    return _fault(encoded, descriptor, "", 0) or ("", _CORRUPT)


def _fault(encoded: bytes, descriptor: Descriptor, prefix: str, depth: int) -> tuple[str, str] | None:
    if depth >= limits.NESTING_MAX:
        return prefix.removesuffix("."), "it is nested too deeply"
    seen: dict[int, int] = {}
    try:
        for number, wire_type, content in _fields(encoded):
            field = descriptor.fields_by_number.get(number)
            if field is None or wire_type != _LENGTH:
                continue
            path = prefix + field.name
            if field.is_repeated:
                seen[number] = seen.get(number, -1) + 1
                path += "" if _is_map(field) else f"[{seen[number]}]"
            fault = _fault_of_value(field, content, path, depth)
            if fault:
                return fault
    except _CorruptError:
        return prefix.removesuffix("."), _CORRUPT
    return None


def _fault_of_value(field: FieldDescriptor, content: bytes, path: str, depth: int) -> tuple[str, str] | None:
    if field.type == FieldDescriptor.TYPE_STRING:
        try:
            content.decode("utf-8")
        except UnicodeDecodeError:
            return path, _NOT_UTF8
    if field.message_type is not None:
        return _fault(content, field.message_type, f"{path}.", depth + 1)
    return None


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def _fields(encoded: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(field number, wire type, content) of each field; raises _CorruptError where the bytes are none."""
    position = 0
    while position < len(encoded):
        tag, position = _varint(encoded, position)
        number, wire_type = tag >> 3, tag & 7
        if number == 0:
            raise _CorruptError
        end, start = _extent(encoded, position, wire_type)
        if end > len(encoded):
            raise _CorruptError
        yield number, wire_type, encoded[start:end]
        position = end


def _extent(encoded: bytes, position: int, wire_type: int) -> tuple[int, int]:
    """(end, start) of the value at `position`."""
    if wire_type == _VARINT:
        return _varint(encoded, position)[1], position
    if wire_type == _FIXED64:
        return position + 8, position
    if wire_type == _FIXED32:
        return position + 4, position
    if wire_type == _LENGTH:
        length, start = _varint(encoded, position)
        return start + length, start
    if wire_type in (_GROUP_START, _GROUP_END):
        return position, position  # No message of ours has groups; what is in one is skipped like unknown fields.
    raise _CorruptError


def _varint(encoded: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(encoded):
            raise _CorruptError
        byte = encoded[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise _CorruptError
