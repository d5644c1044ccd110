"""Every test here runs once for each language; those that need another toolchain are left to `make clients`."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable

import pytest

from demo.languages import LANGUAGES, PYTHON, Language
from services.fleet.launcher import AgentPlan, Fleet
from tests.conftest import StartFleet

StartWithAgent = Callable[..., Awaitable[Fleet]]


@pytest.fixture(
    params=[
        # One worker has all of a language, which is built there, while another is busy with another one.
        pytest.param(
            language,
            id=language.name,
            marks=(pytest.mark.xdist_group(language.name), *(() if language is PYTHON else [pytest.mark.toolchain])),
        )
        for language in LANGUAGES
    ]
)
def language(request: pytest.FixtureRequest) -> Language:
    """Each language whose toolchain is there, built: that costs next to nothing when nothing has changed."""
    chosen: Language = request.param
    if chosen.missing:
        assert not os.environ.get("CI"), f"CI must have {', '.join(chosen.missing)} for {chosen.name}"
        pytest.skip(f"NO {chosen.name.upper()}: {', '.join(chosen.missing)} not found")
    if chosen is not PYTHON:
        chosen.make("build")
    return chosen


@pytest.fixture
def start_with_agent(start_fleet: StartFleet, language: Language) -> StartWithAgent:
    """Starts a fleet with an agent in the language, "agent-1", whose leases do not run out unless the test says so."""

    async def start(**plan: object) -> Fleet:
        return await start_fleet(agents=(agent_plan(language),), **{"lease_ttl_seconds": 30.0, **plan})

    return start


def agent_plan(language: Language, agent_id: str = "agent-1", *, slots: int = 4) -> AgentPlan:
    """The agent program of a language."""
    program, *arguments = language.command("agent")
    return AgentPlan(agent_id, slots=slots, program=program, arguments=tuple(arguments))
