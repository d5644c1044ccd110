"""Label selectors as people write them."""

from __future__ import annotations

import pytest
from missioncontrol.selectors import parse_preference, parse_selector
from missioncontrol.v1 import task_pb2


@pytest.mark.parametrize(
    ("text", "key", "operator", "values"),
    [
        ("zone=eu", "zone", "IN", ["eu"]),
        ("zone == eu", "zone", "IN", ["eu"]),
        ("zone!=eu", "zone", "NOT_IN", ["eu"]),
        ("zone in (eu, us)", "zone", "IN", ["eu", "us"]),
        ("zone notin (eu)", "zone", "NOT_IN", ["eu"]),
        ("gpu", "gpu", "EXISTS", []),
        ("!gpu", "gpu", "NOT_EXISTS", []),
        ("disk_gib>16", "disk_gib", "GREATER", ["16"]),
        ("disk_gib < 1.5", "disk_gib", "LESS", ["1.5"]),
        ("url=http://a=b", "url", "IN", ["http://a=b"]),
    ],
)
def test_each_form_is_read(text: str, key: str, operator: str, values: list[str]) -> None:
    selector = parse_selector(text)

    assert selector.key == key
    assert selector.operator == task_pb2.SelectorOperator.Value(f"SELECTOR_OPERATOR_{operator}")
    assert list(selector.values) == values


@pytest.mark.parametrize("text", ["", "a b", "=x", "x>many", "in (a)", "zone in eu", "!"])
def test_what_is_no_selector_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(ValueError, match="write key=value"):
        parse_selector(text)


@pytest.mark.parametrize(
    ("text", "selector", "weight"),
    [
        ("zone=eu:10", "zone=eu", 10),
        ("spot:-5", "spot", -5),
        ("zone in (eu, us) : +3", "zone in (eu, us)", 3),
        ("image=app:v2:1", "image=app:v2", 1),
    ],
)
def test_a_preference_is_a_selector_and_what_stands_behind_the_last_colon(
    text: str, selector: str, weight: int
) -> None:
    preference = parse_preference(text)

    assert (preference.selector, preference.weight) == (parse_selector(selector), weight)


@pytest.mark.parametrize("text", ["zone=eu", "zone=eu:", "zone=eu:high", "zone=eu:1.5", ":10", "image=app:v2"])
def test_what_is_no_preference_is_refused_with_a_form_that_is(text: str) -> None:
    with pytest.raises(ValueError, match="write"):
        parse_preference(text)
