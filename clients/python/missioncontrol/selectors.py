"""Label selectors as people write them.

    zone=eu            zone is eu                zone in (eu, us)      zone is one of these
    zone!=eu           absent or another         zone notin (eu, us)   absent or none of these
    gpu                gpu is present            !gpu                  gpu is absent
    memory_gib>16      read as numbers           memory_gib<64         read as numbers

A preference is one of them with a weight behind it, "zone=eu:10"; a negative one says "rather not".

Nothing here matches anything: that is the scheduler's business.
"""

from __future__ import annotations

import re

from missioncontrol.v1.task_pb2 import (
    SELECTOR_OPERATOR_EXISTS,
    SELECTOR_OPERATOR_GREATER,
    SELECTOR_OPERATOR_IN,
    SELECTOR_OPERATOR_LESS,
    SELECTOR_OPERATOR_NOT_EXISTS,
    SELECTOR_OPERATOR_NOT_IN,
    LabelSelector,
    Preference,
    SelectorOperator,
)

_KEY = r"(?P<key>[^\s!=<>(),]+)"
_GRAMMAR: tuple[tuple[re.Pattern[str], SelectorOperator.ValueType], ...] = (
    (re.compile(rf"{_KEY}\s+in\s*\((?P<values>[^()]*)\)"), SELECTOR_OPERATOR_IN),
    (re.compile(rf"{_KEY}\s+notin\s*\((?P<values>[^()]*)\)"), SELECTOR_OPERATOR_NOT_IN),
    (re.compile(rf"{_KEY}\s*==?\s*(?P<value>.*)"), SELECTOR_OPERATOR_IN),
    (re.compile(rf"{_KEY}\s*!=\s*(?P<value>.*)"), SELECTOR_OPERATOR_NOT_IN),
    (re.compile(rf"{_KEY}\s*>\s*(?P<number>[-+.\d]+)"), SELECTOR_OPERATOR_GREATER),
    (re.compile(rf"{_KEY}\s*<\s*(?P<number>[-+.\d]+)"), SELECTOR_OPERATOR_LESS),
    (re.compile(rf"!\s*{_KEY}"), SELECTOR_OPERATOR_NOT_EXISTS),
    (re.compile(_KEY), SELECTOR_OPERATOR_EXISTS),
)


def parse_selector(text: str) -> LabelSelector:
    """One condition on an agent's labels. Raises ValueError with the forms that there are."""
    for pattern, operator in _GRAMMAR:
        match = pattern.fullmatch(text.strip())
        if match is not None:
            return LabelSelector(key=match["key"], operator=operator, values=_values(match.groupdict()))
    raise ValueError(
        f'"{text}" is no selector; '
        "write key=value, key!=value, key in (a, b), key notin (a, b), key, !key, key>n or key<n"
    )


def parse_preference(text: str) -> Preference:
    """A selector and its weight, such as "zone=eu:10". Raises ValueError with the forms that there are."""
    selector, separator, weight = text.rpartition(":")
    if not separator or re.fullmatch(r"\s*[-+]?\d{1,9}\s*", weight) is None:
        raise ValueError(f'"{text}" is no preference; write a selector and its weight, such as zone=eu:10 or spot:-5')
    return Preference(selector=parse_selector(selector), weight=int(weight))


def selector_text(selector: LabelSelector) -> str | None:
    """A condition as people write it; None if its key or values cannot be told apart that way."""
    values = ", ".join(selector.values)
    forms = {
        SELECTOR_OPERATOR_IN: f"{selector.key}={values}"
        if len(selector.values) == 1
        else f"{selector.key} in ({values})",
        SELECTOR_OPERATOR_NOT_IN: f"{selector.key}!={values}"
        if len(selector.values) == 1
        else f"{selector.key} notin ({values})",
        SELECTOR_OPERATOR_EXISTS: selector.key,
        SELECTOR_OPERATOR_NOT_EXISTS: f"!{selector.key}",
        SELECTOR_OPERATOR_GREATER: f"{selector.key}>{values}",
        SELECTOR_OPERATOR_LESS: f"{selector.key}<{values}",
    }
    text = forms.get(selector.operator, "")
    try:
        return text if parse_selector(text) == selector else None
    except ValueError:
        return None


def _values(groups: dict[str, str]) -> list[str]:
    if "values" in groups:
        return [each.strip() for each in groups["values"].split(",")]
    return [groups[name] for name in ("value", "number") if name in groups]
