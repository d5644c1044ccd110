"""The shipped configurations: streams hold for as long as they are needed, and nothing is held back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import StartFleet
from tests.proxies.conftest import judge
from tests.proxies.journey import POLLING, STREAMING, travel
from tests.proxies.proxy_process import KINDS, Kind, port_of, running

pytestmark = pytest.mark.proxies


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_streams_hold_and_nothing_is_lost(
    start_fleet: StartFleet, tmp_path: Path, kind: Kind, seconds: float
) -> None:
    fleet = await start_fleet(agents=(), lease_ttl_seconds=30.0)
    gateway = f"127.0.0.1:{port_of(fleet.gateway_url)}"
    async with running(kind, kind.shipped(), tmp_path / kind.name, coordinator=fleet.address, gateway=gateway) as proxy:
        journey = await travel(fleet, proxy, seconds=seconds)

    judge(journey)
    assert journey.sessions == {STREAMING: 1, POLLING: 1}, "no agent had to connect again"
    assert journey.feed.connections == 1
    assert journey.streams_ended == 0
