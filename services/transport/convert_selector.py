"""Selectors and preferences, between the wire and the domain."""

from __future__ import annotations

from collections.abc import Iterable

from missioncontrol.v1 import task_pb2

from services.domain.errors import InvalidArgument
from services.domain.requirements import LabelSelector, Preference, SelectorOperator, selector_fault


def message(value: LabelSelector) -> task_pb2.LabelSelector:
    """A selector for the wire."""
    return task_pb2.LabelSelector(
        key=value.key, operator=task_pb2.SelectorOperator.ValueType(value.operator), values=value.values
    )


def selector(wire: task_pb2.LabelSelector) -> LabelSelector:
    """A selector from the wire, as it is. Raises InvalidArgument for an operator of a later version."""
    try:
        operator = SelectorOperator(wire.operator)
    except ValueError as error:
        raise InvalidArgument(f"selector on {wire.key!r}: operator {wire.operator} is not known") from error
    return LabelSelector(wire.key, operator, tuple(wire.values))


def checked(wire: task_pb2.LabelSelector, *, field: str) -> LabelSelector:
    """A selector that somebody asks for. Raises InvalidArgument, with the field, if its values do not fit."""
    value = selector(wire)
    fault = selector_fault(value)
    if fault is not None:
        reason = f"{value.operator.name} {fault}"
        raise InvalidArgument(f"{field}.values: {reason}", fields=[(f"{field}.values", reason)])
    return value


def preferences(wire: Iterable[task_pb2.Preference], *, field: str) -> tuple[Preference, ...]:
    """Preferences that somebody asks for; those without weight say nothing. Raises InvalidArgument."""
    values = [
        Preference(checked(each.selector, field=f"{field}[{place}].selector"), each.weight)
        for place, each in enumerate(wire)
    ]
    return tuple(value for value in values if value.weight)
