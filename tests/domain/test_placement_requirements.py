"""The hard filters, which scheduler and coordinator share."""

from __future__ import annotations

import pytest

from services.domain.requirements import (
    AgentProfile,
    FilterReason,
    LabelSelector,
    Mismatch,
    Requirements,
    SelectorOperator,
    fits,
    mismatch,
    needs_id,
    selector_fault,
    selects,
)

IN, NOT_IN = SelectorOperator.IN, SelectorOperator.NOT_IN
EXISTS, NOT_EXISTS = SelectorOperator.EXISTS, SelectorOperator.NOT_EXISTS
GREATER, LESS = SelectorOperator.GREATER, SelectorOperator.LESS
PROFILE = AgentProfile(
    kinds=frozenset({"build"}),
    queues=frozenset({"q"}),
    capabilities=frozenset({"docker"}),
    labels={"zone": "a"},
    resources={"cpus": 2.0},
)


@pytest.mark.parametrize(
    ("operator", "values", "label", "expected"),
    [
        (IN, ("a", "b"), "b", True), (IN, ("a",), "c", False), (IN, ("a",), None, False),
        (NOT_IN, ("a",), "b", True), (NOT_IN, ("a",), "a", False), (NOT_IN, ("a",), None, True),
        (EXISTS, (), "", True), (EXISTS, (), None, False),
        (NOT_EXISTS, (), None, True), (NOT_EXISTS, (), "x", False),
        (GREATER, ("9",), "10", True), (GREATER, ("10",), "10", False), (GREATER, ("1",), None, False),
        (LESS, ("-1.5",), "-2", True), (LESS, ("3",), "3.0", False),
        (GREATER, ("1",), "many", False), (LESS, ("1",), "", False), (GREATER, ("1",), "inf", False),
        (LESS, ("1",), "nan", False), (GREATER, ("1",), "1e9", False), (GREATER, ("x",), "5", False),
    ],
)  # fmt: skip
def test_selectors_compare_as_the_contract_says(
    operator: SelectorOperator, values: tuple[str, ...], label: str | None, expected: bool
) -> None:
    labels = {} if label is None else {"key": label}
    assert selects(LabelSelector("key", operator, values), labels) is expected


@pytest.mark.parametrize(
    ("kind", "queue", "requirements", "expected"),
    [
        ("build", "q", Requirements(("docker",), (LabelSelector("zone", EXISTS),), {"cpus": 2.0}), None),
        ("test", "other", Requirements(("gpu",)), Mismatch(FilterReason.KIND, "test")),
        ("build", "other", Requirements(("gpu",)), Mismatch(FilterReason.QUEUE, "other")),
        ("build", "q", Requirements(("docker", "gpu")), Mismatch(FilterReason.CAPABILITY, "gpu")),
        ("build", "q", Requirements((), (LabelSelector("rack", EXISTS),)), Mismatch(FilterReason.LABEL, "rack")),
        ("build", "q", Requirements(resources={"cpus": 2.1}), Mismatch(FilterReason.RESOURCE, "cpus")),
        ("build", "q", Requirements(resources={"gpu": 1.0}), Mismatch(FilterReason.RESOURCE, "gpu")),
        ("build", "q", Requirements(resources={"gpu": 0.0}), None),
    ],
)
def test_the_first_reason_that_fails_is_named(
    kind: str, queue: str, requirements: Requirements, expected: Mismatch | None
) -> None:
    assert mismatch(PROFILE, kind, queue=queue, requirements=requirements) == expected


def test_an_agent_without_queues_takes_work_from_every_queue() -> None:
    assert mismatch(AgentProfile(kinds=frozenset({"k"})), "k", queue="any", requirements=Requirements()) is None


def test_rounding_of_doubles_never_decides_whether_a_resource_fits() -> None:
    assert fits(0.1, declared=0.3, used=0.1 + 0.1)
    assert not fits(0.1, declared=0.3, used=0.3)
    assert not fits(1.0, declared=0.0, used=0.0)


def test_the_name_of_needs_does_not_depend_on_the_order_of_their_parts() -> None:
    one = Requirements(("a", "b"), (LabelSelector("x", IN, ("1", "2")), LabelSelector("y", EXISTS)), {"r": 1, "s": 2.0})
    two = Requirements(("b", "a"), (LabelSelector("y", EXISTS), LabelSelector("x", IN, ("2", "1"))), {"s": 2, "r": 1.0})
    assert needs_id("k", one) == needs_id("k", two)


def test_different_needs_have_different_names() -> None:
    sets = [
        Requirements(), Requirements(("a", "b")), Requirements(("ab",)), Requirements(("a b",)),
        Requirements(("1:a",)),
        Requirements(selectors=(LabelSelector("a", EXISTS),)),
        Requirements(selectors=(LabelSelector("a", NOT_EXISTS),)),
        Requirements(resources={"a": 1.0}), Requirements(resources={"a": 2.0}),
    ]  # fmt: skip
    names = {needs_id(kind, requirements) for kind in ("k", "l") for requirements in sets}
    assert len(names) == 2 * len(sets)


@pytest.mark.parametrize(
    ("selector", "wrong"),
    [
        (LabelSelector("k", IN), True), (LabelSelector("k", IN, ("v",)), False),
        (LabelSelector("k", EXISTS, ("v",)), True), (LabelSelector("k", NOT_EXISTS), False),
        (LabelSelector("k", GREATER, ("1", "2")), True), (LabelSelector("k", LESS, ("x",)), True),
        (LabelSelector("k", LESS, ("1.5",)), False),
    ],
)  # fmt: skip
def test_selectors_that_make_no_sense_are_named(selector: LabelSelector, wrong: bool) -> None:
    assert (selector_fault(selector) is not None) is wrong
