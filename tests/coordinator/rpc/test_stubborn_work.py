"""The SDK's agent and a real coordinator: work that goes on after its lease was revoked, and the slot it holds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pytest
from missioncontrol import agent_limits
from missioncontrol.agent import Agent as SdkAgent

from services.domain.agent import Agent, AgentState
from services.domain.commands import GrantLeases, Placement, PlacementOutcome, RevokeLeases, RevokeReason
from services.store.flush import Committed
from tests.coordinator.rpc.harness import Coordinator

KEY = ("default", "stubborn")
PATIENCE_SECONDS = 60.0


class Row:
    """The agent's row as the last commit left it."""

    def __init__(self, coordinator: Coordinator) -> None:
        self.agent: Agent | None = None
        self._changed = asyncio.Event()
        coordinator.parts.storage.journal.subscribe(self._on_committed)

    async def until(self, condition: Callable[[Agent], bool]) -> Agent:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.agent is None or not condition(self.agent):
                self._changed.clear()
                await self._changed.wait()
        return self.agent

    def _on_committed(self, committed: Committed) -> None:
        for agent in committed.agents:
            if agent.key == KEY:
                self.agent = agent
        self._changed.set()


@pytest.fixture
async def row(coordinator: Coordinator) -> Row:
    return Row(coordinator)


@pytest.fixture
async def let_go(coordinator: Coordinator, row: Row, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[threading.Event]:
    """Runs an agent with one slot, whose handler ends only when this is set; `row` hears of it from the start."""
    monkeypatch.setattr(agent_limits, "LINGERING_SECONDS", 0.1)
    let_go = threading.Event()
    agent = SdkAgent(KEY[1], address=coordinator.address, slots=1)

    @agent.handler("stubborn")
    def stubborn() -> None:
        let_go.wait(PATIENCE_SECONDS)

    running = asyncio.create_task(agent.run())
    yield let_go
    let_go.set()
    agent.drain(0.0)
    await running


async def test_a_slot_whose_work_does_not_stop_gets_nothing_until_it_has(
    coordinator: Coordinator, row: Row, let_go: threading.Event
) -> None:
    journal = coordinator.parts.storage.journal

    async def grant(agent: Agent) -> PlacementOutcome:
        task = await coordinator.create(kind="stubborn")
        [outcome] = await journal.submit(GrantLeases([Placement(1, task.id, KEY[1], agent.session)], [KEY]))
        granted: PlacementOutcome = outcome
        return granted

    first = await row.until(lambda agent: agent.accepting)
    task = await coordinator.create(kind="stubborn")
    await journal.submit(GrantLeases([Placement(1, task.id, KEY[1], first.session)], [KEY]))
    await row.until(lambda agent: agent.started == 1)
    await journal.submit(RevokeLeases(KEY, first.session, [(task.id, 1)], RevokeReason.EXPIRED))

    stuck = await row.until(lambda agent: agent.state is AgentState.DRAINING)
    assert (stuck.session, stuck.leases) == (first.session + 1, 0)
    assert await grant(stuck) is PlacementOutcome.AGENT_NOT_ACCEPTING

    let_go.set()
    free = await row.until(lambda agent: agent.accepting and agent.session > stuck.session)
    assert await grant(free) is PlacementOutcome.GRANTED
