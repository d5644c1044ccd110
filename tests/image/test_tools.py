"""A machine that cannot build the image says so; CI does not get away with it."""

from __future__ import annotations

import pytest

from tests.image.tools import require

PROGRAM = "no-such-program"


def test_what_is_missing_skips_the_test_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)

    with pytest.raises(pytest.skip.Exception, match=PROGRAM):
        require("sh", PROGRAM)


def test_what_is_missing_in_ci_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")

    with pytest.raises(AssertionError, match=PROGRAM):
        require("sh", PROGRAM)
