"""The catalogue of mutants fits the code: otherwise nobody notices until the next long run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants.catalogue import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_has_its_place_and_its_tests(mutant: Mutant) -> None:
    assert (ROOT / mutant.file).read_text().count(mutant.before) == 1
    assert mutant.before != mutant.after
    assert all((ROOT / test.split("::")[0]).exists() for test in mutant.tests)


def test_names_are_different() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


def test_the_page_lists_them_all() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text()
    assert [
        mutant.name for mutant in MUTANTS if f"| {mutant.promise} | {mutant.name} | {mutant.bug} |" not in page
    ] == []
