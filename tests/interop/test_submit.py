"""`submit` of every language: submits, waits, and says what the service said."""

from __future__ import annotations

from demo.languages import Language
from tests.conftest import StartFleet
from tests.interop.conftest import StartWithAgent
from tests.interop.programs import digest, submit


async def test_what_was_submitted_is_waited_for_and_printed(
    start_with_agent: StartWithAgent, language: Language
) -> None:
    fleet = await start_with_agent()

    ran = await submit(language, fleet.address, {"text": "héllo", "seconds": 0.05}, {"text": ""})

    assert ran.exit_code == 0, ran.errors
    assert [line["state"] for line in ran.lines] == ["SUCCEEDED"] * 2
    assert [line["agent_id"] for line in ran.lines] == ["agent-1"] * 2
    assert [line["output"] for line in ran.lines] == [digest("héllo", language), digest("", language)]


async def test_work_that_fails_or_cannot_be_read_is_an_exit_code(
    start_with_agent: StartWithAgent, language: Language
) -> None:
    fleet = await start_with_agent()

    ran = await submit(language, fleet.address, {"text": "x", "fail": "no"}, {"text": 7}, "[]")

    assert ran.exit_code == 1, ran.errors
    assert [line["state"] for line in ran.lines] == ["FAILED"] * 3


async def test_what_the_service_refuses_is_told_with_reason_and_fields(
    start_fleet: StartFleet, language: Language
) -> None:
    fleet = await start_fleet(agents=())

    ran = await submit(language, fleet.address, {"text": "x"}, MISSIONCONTROL_QUEUE="q" * 200)

    assert ran.exit_code == 2
    assert "INVALID_ARGUMENT" in ran.errors, ran.errors
    assert "spec.queue" in ran.errors, ran.errors
    assert ran.lines == []
