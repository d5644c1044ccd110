"""What all tests with proxies share: how long they take, and what must hold in each."""

from __future__ import annotations

import os

import pytest

from tests.proxies.journey import Journey

SECONDS = 20.0


@pytest.fixture
def loopback() -> str:
    """Where the shipped configurations look for the fleet."""
    return "127.0.0.1"


@pytest.fixture
def seconds() -> float:
    """How long the load goes on: short here, minutes with `make proxies PROXIES_SECONDS=180`."""
    return float(os.environ.get("PROXIES_SECONDS") or SECONDS)


def judge(journey: Journey) -> None:
    """All work was done, each task was started once, and both feeds are complete and have nothing twice."""
    print(
        f"{len(journey.tasks)} tasks, {journey.head} events; sessions {journey.sessions}; "
        f"SSE connections {journey.feed.connections}; streams that ended at the coordinator: {journey.streams_ended}"
    )
    assert journey.wrong_tasks == []
    assert set(journey.started) == {1}
    assert journey.sequences[: journey.head] == list(range(1, journey.head + 1))
    assert [event.sequence for event in journey.feed.events][: journey.head] == list(range(1, journey.head + 1))
    assert journey.findings == []
