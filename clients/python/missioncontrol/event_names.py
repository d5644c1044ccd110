"""The names of events on the outside: EVENT_TYPE_TASK_CREATED is "task.created", as the contract's comments say."""

from __future__ import annotations

from collections.abc import Mapping

from missioncontrol.v1 import event_pb2

_PREFIX = "EVENT_TYPE_"
_NAMES: Mapping[int, str] = {
    number: name.removeprefix(_PREFIX).lower().replace("_", ".", 1) for name, number in event_pb2.EventType.items()
}
_TYPES: Mapping[str, event_pb2.EventType.ValueType] = {
    _NAMES[number]: number for number in event_pb2.EventType.values() if number != event_pb2.EVENT_TYPE_UNSPECIFIED
}


def event_name(event_type: int) -> str:
    """The name of an event type; of one that is newer than this client, its number."""
    return _NAMES.get(event_type, f"unknown.{event_type}")


def event_type(name: str) -> event_pb2.EventType.ValueType:
    """The event type of a name. Raises ValueError with the names that there are."""
    if name not in _TYPES:
        raise ValueError(f'"{name}" is no event type; there are {", ".join(sorted(_TYPES))}')
    return _TYPES[name]
