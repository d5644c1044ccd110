"""What each language checks by itself: formatter, linter, unit tests, and its own interop test against a fleet."""

from __future__ import annotations

import pytest

from demo.languages import PYTHON, Language
from tests.conftest import StartFleet

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def foreign(language: Language) -> Language:
    """A language with a Makefile of its own; Python's part of all this is `make check` and `make test`."""
    if language is PYTHON:
        pytest.skip("the Python SDK is checked with the services")
    return language


@pytest.mark.toolchain
def test_it_is_formatted_and_linted(foreign: Language) -> None:
    foreign.make("check")


@pytest.mark.toolchain
def test_its_unit_tests_pass(foreign: Language) -> None:
    foreign.make("test")


@pytest.mark.toolchain
async def test_its_interop_test_passes_against_a_fleet(start_fleet: StartFleet, foreign: Language) -> None:
    """Unary calls, rich errors, the bidirectional stream, and the feed with resume, in the language's own test tool."""
    fleet = await start_fleet(agents=())

    foreign.make("interop", f"MISSIONCONTROL_ADDRESS={fleet.address}")
