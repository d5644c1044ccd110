"""Which events a reader wants: as the contract has it, and as a predicate over the entries of the ring."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from missioncontrol.v1 import event_pb2, event_service_pb2

from services.event_gateway.entry import Entry
from services.event_gateway.event_names import NOUNS, TYPES

EventTypeValue: TypeAlias = "event_pb2.EventType.ValueType"

DEFAULT_NAMESPACE = "default"
ALL_NAMESPACES = "*"


@dataclass(frozen=True)
class EventFilter:
    """All that are set must hold. No types means all of them."""

    namespace: str = DEFAULT_NAMESPACE
    types: frozenset[EventTypeValue] = frozenset()
    queue: str = ""
    task_id: str = ""
    agent_id: str = ""

    def to_proto(self) -> event_service_pb2.EventFilter:
        """The filter for the coordinator, which reads history."""
        return event_service_pb2.EventFilter(
            namespace=self.namespace,
            types=sorted(self.types),
            queue=self.queue,
            task_id=self.task_id,
            agent_id=self.agent_id,
        )

    def select(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Those that match. (One pass for each condition: many readers have one, and a call per entry costs more.)"""
        if self.namespace != ALL_NAMESPACES:
            entries = [entry for entry in entries if entry.namespace == self.namespace]
        if self.types:
            entries = [entry for entry in entries if entry.type in self.types]
        if self.queue:
            entries = [entry for entry in entries if entry.queue == self.queue]
        if self.task_id:
            entries = [entry for entry in entries if entry.task_id == self.task_id]
        if self.agent_id:
            entries = [entry for entry in entries if entry.agent_id == self.agent_id]
        return entries


def types_of(patterns: Iterable[str]) -> frozenset[EventTypeValue]:
    """The types that "task.created", "task.*" or "*" name. Raises ValueError with the reason for anything else."""
    types: set[EventTypeValue] = set()
    for pattern in patterns:
        if pattern == "*":
            types |= set(TYPES.values())
        elif pattern.endswith(".*") and pattern[:-2] in NOUNS:
            types |= {number for name, number in TYPES.items() if name.startswith(pattern[:-1])}
        elif pattern in TYPES:
            types.add(TYPES[pattern])
        else:
            nouns = ", ".join(f"{noun}.*" for noun in NOUNS)
            raise ValueError(f"no event is called {pattern!r}; examples are task.created, {nouns}")
    return frozenset(types)
