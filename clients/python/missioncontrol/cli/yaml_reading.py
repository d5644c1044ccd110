"""YAML that people write as messages of the contract, with the line of everything that is wrong.

The forms are those of `yaml_writing`. Keys that a message does not have, keys that come twice and values of another
kind are faults; all faults of a document are found at once.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import yaml
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from yaml.constructor import SafeConstructor

from missioncontrol.cli.values import parse_duration
from missioncontrol.cli.yaml_writing import is_map
from missioncontrol.selectors import parse_selector
from missioncontrol.times import to_duration
from missioncontrol.v1.task_pb2 import LabelSelector

_CONSTRUCTOR = SafeConstructor()
# What a field takes, by what it is in a program; protobuf's own words are not for people.
PLAIN: Mapping[int, str] = {
    FieldDescriptor.CPPTYPE_UINT32: "a whole number from 0 on",
    FieldDescriptor.CPPTYPE_UINT64: "a whole number from 0 on",
    FieldDescriptor.CPPTYPE_INT32: "a whole number",
    FieldDescriptor.CPPTYPE_INT64: "a whole number",
    FieldDescriptor.CPPTYPE_DOUBLE: "a number",
    FieldDescriptor.CPPTYPE_BOOL: "true or false",
    FieldDescriptor.CPPTYPE_STRING: "text; put it in quotes",
}


@dataclass(frozen=True)
class Fault:
    """What is wrong in a document, and where. `line` counts from 1; 0: nobody knows."""

    line: int
    path: str
    reason: str


class YamlReader:
    """Reads nodes of one document. `faults` are what was found, `lines` where each path was written."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.lines: dict[str, int] = {}

    def fault(self, node: yaml.Node, path: str, reason: str) -> None:
        """Notes what is wrong with a node."""
        self.faults.append(Fault(line_of(node), path, reason))

    def nearest_line(self, path: str) -> int:
        """Where a path was written, or else the nearest part around it; 0 if there is none."""
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get(path, 0)

    def entries(self, node: yaml.Node, path: str) -> Iterator[tuple[str, yaml.Node]]:
        """The keys of a mapping as they are written, with their lines noted. Anything else is a fault, and has none."""
        if not isinstance(node, yaml.MappingNode):
            self.fault(node, path, "must be a mapping")
            return
        seen = set()
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            if name in seen:
                self.fault(key, joined(path, name), "comes twice")
            seen.add(name)
            self.lines[joined(path, name)] = line_of(key)
            yield name, value

    def unknown_key(self, node: yaml.Node, path: str, *, known: Iterable[str]) -> None:
        """Notes that there is no such key."""
        names = list(known)
        near = difflib.get_close_matches(path.rpartition(".")[2], names, n=1)
        hint = f"is it {near[0]}?" if near else f"there are {', '.join(names)}"
        self.fault(node, path, f"there is no such key; {hint}")

    def fill(self, message: Message, node: yaml.Node, path: str) -> None:
        """Sets the fields of a message that a mapping names."""
        fields = message.DESCRIPTOR.fields_by_name
        for name, value in self.entries(node, path):
            if name in fields:
                self._field(message, fields[name], value, joined(path, name))
            else:
                self.unknown_key(value, joined(path, name), known=fields)

    # Descriptors are typed as Any: the stubs know two kinds of them, which behave alike.
    def _field(self, message: Message, field: Any, node: yaml.Node, path: str) -> None:
        target = getattr(message, field.name)
        if is_map(field):
            kind = field.message_type.fields_by_name["value"]
            for name, value in self.entries(node, path):
                self._put(kind, value, joined(path, name), partial(target.__setitem__, name))
        elif field.is_repeated:
            self._list(target, field, node, path)
        elif field.message_type is not None:
            target.SetInParent()
            self._part(target, node, path)
        else:
            self._put(field, node, path, partial(setattr, message, field.name))

    def _list(self, target: Any, field: Any, node: yaml.Node, path: str) -> None:
        if not isinstance(node, yaml.SequenceNode):
            self.fault(node, path, "must be a list")
            return
        for place, item in enumerate(node.value):
            at = f"{path}[{place}]"
            self.lines[at] = line_of(item)
            if field.message_type is None:
                self._put(field, item, at, target.append)
                continue
            part = target.add()
            self._part(part, item, at)
            if name := getattr(part, "name", ""):
                self._also_at(at, f"{path}[{name}]")

    def _also_at(self, at: str, name: str) -> None:
        """A part with a name can be found by it, too, as a service names it."""
        self.lines |= {name + each.removeprefix(at): line for each, line in self.lines.items() if each.startswith(at)}

    def _part(self, message: Message, node: yaml.Node, path: str) -> None:
        """A message inside another: a duration or a selector as text, anything else as a mapping."""
        try:
            match message, node:
                case Duration(), yaml.ScalarNode():
                    message.CopyFrom(to_duration(parse_duration(node.value, option="")))
                case Duration(), _:
                    self.fault(node, path, "must be a duration, such as 30s or 5m")
                case LabelSelector(), yaml.ScalarNode():
                    message.CopyFrom(selector_of(node))
                case _:
                    self.fill(message, node, path)
        except ValueError as error:
            self.fault(node, path, str(error).strip())

    def _put(self, field: Any, node: yaml.Node, path: str, put: Callable[[Any], None]) -> None:
        """A plain value."""
        try:
            put(enum_value(field.enum_type, node) if field.enum_type is not None else plain_value(node))
        except (TypeError, ValueError, OverflowError, yaml.YAMLError) as error:
            must = PLAIN.get(field.cpp_type)
            self.fault(node, path, f"must be {must}" if must is not None else str(error))


def plain_value(node: yaml.Node) -> Any:
    """A number, a truth value or text. Raises TypeError for anything else."""
    if not isinstance(node, yaml.ScalarNode):
        raise TypeError("must be a single value")
    return _CONSTRUCTOR.construct_object(node)


def enum_value(enum: Any, node: yaml.Node) -> int:
    """The number of an enum's short name, in any case. Raises ValueError with the names that there are."""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    name = f"{prefix}{str(node.value).upper()}"
    if name not in enum.values_by_name or not isinstance(node, yaml.ScalarNode):
        names = ", ".join(each.name.removeprefix(prefix) for each in enum.values[1:])
        raise ValueError(f"must be one of {names}")
    number: int = enum.values_by_name[name].number
    return number


def selector_of(node: yaml.ScalarNode) -> LabelSelector:
    """A selector as it is written on a command line. Raises ValueError."""
    if node.tag.startswith("!"):
        raise ValueError(f'{node.tag} means something else in YAML; put it in quotes: "{node.tag}"')
    return parse_selector(node.value)


def joined(path: str, name: str) -> str:
    """The path of a key."""
    return f"{path}.{name}" if path else name


def line_of(node: yaml.Node) -> int:
    """Where a node begins, from 1."""
    line: int = node.start_mark.line
    return line + 1
