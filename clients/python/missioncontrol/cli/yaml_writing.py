"""Messages of the contract as YAML that people read and `yaml_reading` reads again as the same message.

A duration is written as "30s", "5m" or "1h30m", a selector as "zone in (eu, us)", an enum by its short name; what is
unset is left out.
"""

from __future__ import annotations

from typing import Any

import yaml
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from missioncontrol.cli.mapping import short_enum
from missioncontrol.cli.values import duration_text
from missioncontrol.selectors import selector_text
from missioncontrol.v1.task_pb2 import LabelSelector

WIDTH = 120


def dump(value: Any) -> str:
    """A value as one YAML document."""
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=WIDTH)
    return text


def message_value(message: Message) -> Any:
    """A message as a value for `dump`."""
    match message:
        case Duration():
            return duration_text(message.ToTimedelta())
        case LabelSelector():
            text = selector_text(message)
            if text is not None:
                return text
    return {each.name: _field_value(value, each) for each, value in message.ListFields()}


# Descriptors are typed as Any: the stubs know two kinds of them, which behave alike.
def _field_value(value: Any, field: Any) -> Any:
    if is_map(field):
        return dict(sorted(value.items()))
    return [_single(each, field) for each in value] if field.is_repeated else _single(value, field)


def _single(value: Any, field: Any) -> Any:
    if field.message_type is not None:
        return message_value(value)
    if field.enum_type is not None:
        return short_enum(field.enum_type, value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def is_map(field: Any) -> bool:
    """Whether a field is a map."""
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)
