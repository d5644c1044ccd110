"""What every test may use: a fleet of real processes, its own, in its own folder and on ports that are free."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from services.fleet.launcher import AgentPlan, Fleet, FleetPlan

WORK_AGENT = Path(__file__).parent / "e2e" / "work_agent.py"
StartFleet = Callable[..., Awaitable[Fleet]]


def work_agent(agent_id: str, *, slots: int = 4, capabilities: tuple[str, ...] = ()) -> AgentPlan:
    """An agent with the handlers of `work_agent.py`, and the built-in one for commands."""
    return AgentPlan(agent_id, slots=slots, capabilities=capabilities, arguments=(str(WORK_AGENT), *capabilities))


@pytest.fixture
async def start_fleet(tmp_path: Path) -> AsyncIterator[StartFleet]:
    """Starts fleets with the given fields of FleetPlan; two agents and a short lease unless the test says otherwise."""
    fleets: list[Fleet] = []

    async def start(**fields: Any) -> Fleet:
        agents = (work_agent("agent-1"), work_agent("agent-2"))
        plan: dict[str, Any] = {"agents": agents, "lease_ttl_seconds": 3.0, **fields}
        fleet = Fleet(FleetPlan(folder=tmp_path / f"fleet-{len(fleets)}", **plan))
        fleets.append(fleet)
        await fleet.start()
        return fleet

    yield start
    for fleet in fleets:
        try:
            await fleet.stop()
        finally:
            fleet.kill()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds the ends of the logs of a failed test's fleets to its report."""
    report = yield
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    if report.failed and folder is not None:
        for log in sorted(folder.glob("fleet-*/logs/*.log")):
            report.sections.append((f"end of {log}", "\n".join(log.read_text(errors="replace").splitlines()[-30:])))
    return report
