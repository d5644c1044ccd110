"""What happens between the gateway and its coordinators: breaks, restarts, other addresses, resets, lies."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from services.domain.event import Position
from services.event_gateway.event_filter import EventFilter
from services.event_gateway.feed import Feed
from services.event_gateway.gateway_metrics import GatewayMetrics
from services.event_gateway.history import History, HistoryUnavailableError
from services.event_gateway.ring import Ring
from services.event_gateway.upstream import Upstream
from services.transport.tls import Dialling
from tests.certificates import Authority
from tests.e2e.waiting import until
from tests.event_gateway.conftest import Fleet, ScriptedFeed, fleet, start_coordinator
from tests.event_gateway.http_client import PATIENCE_SECONDS


async def test_a_coordinator_that_restarts_costs_a_pause_and_nothing_else(running: Fleet):
    running.feed.append(10)
    stream = await running.read()
    frames = await stream.take(10)
    await running.server.stop(grace_seconds=0)
    await running.until(lambda: not running.gateway.gateway.feed.ready)
    assert (await running.read("/readyz")).status == 503
    running.feed.append(10)
    running.server = await start_coordinator(running.feed, running.server.address)
    frames += await stream.take(10)
    assert [frame.sequence for frame in frames] == list(range(1, 21))
    await running.ready()


async def test_another_address_takes_over(feed: ScriptedFeed):
    gone = await start_coordinator(ScriptedFeed())
    await gone.stop(grace_seconds=0)
    async with fleet(feed, before=(gone.address,)) as running:
        feed.append(5)
        stream = await running.read()
        assert len(await stream.take(5)) == 5


async def test_the_ring_begins_anew_after_a_reset(running: Fleet):
    running.feed.append(5)
    await running.seen(5)
    running.feed.restore("e2", 3)
    await running.until(lambda: running.gateway.gateway.ring.position == Position("e2", 3))
    assert running.metric("resets_total") == 1


async def test_after_a_reset_the_ring_begins_at_the_head_and_the_rest_is_read_as_history(running: Fleet):
    running.feed.append(5)
    await running.seen(5)

    running.feed.restore("e2", 3000)
    await running.until(lambda: running.gateway.gateway.ring.position == Position("e2", 3000))

    assert len(running.gateway.gateway.ring) == 0
    stream = await running.read("/v1/events", Last_Event_ID="e2:2990")
    running.feed.append(1)
    assert [frame.sequence for frame in await stream.take(11)] == list(range(2991, 3002))


async def test_one_stream_serves_all_readers(running: Fleet):
    streams = [await running.read() for _ in range(20)]
    running.feed.append(50)
    for stream in streams:
        assert len(await stream.take(50)) == 50
    assert running.feed.watchers == 1


async def test_the_feed_waits_longer_after_each_failure():
    waits: list[float] = []
    done = asyncio.Event()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 8:
            done.set()
            await asyncio.Event().wait()

    upstream = Upstream(["127.0.0.1:1", "127.0.0.1:2"])
    metrics = GatewayMetrics(CollectorRegistry())
    feed = Feed(upstream, Ring(events_max=16), metrics=metrics, source="s", sleep=sleep)
    running = asyncio.ensure_future(feed.run())
    await asyncio.wait_for(done.wait(), PATIENCE_SECONDS)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await upstream.close()
    assert waits[0] <= 0.2
    assert all(2.5 <= seconds <= 5 for seconds in waits[6:])


async def test_a_gap_in_the_feed_is_noticed_and_asked_for_again(running: Fleet):
    running.feed.append(3)
    await running.seen(3)
    lost = running.feed.events.pop()
    running.feed.events.append(type(lost)(sequence=9))
    running.feed.base += 1
    running.feed.append(1)
    await running.until(lambda: running.metric("reconnects_total") >= 1)
    assert running.gateway.gateway.ring.head == 3


async def test_nothing_is_left_behind_on_the_coordinator(feed: ScriptedFeed):
    async with fleet(feed) as running:
        assert feed.watchers == 1
    await running.until(lambda: feed.watchers == 0)
    assert running.gateway.gateway.ring.closed


async def test_a_file_of_tls_that_is_being_replaced_is_waited_for(tmp_path: Path):
    upstream = Upstream(["127.0.0.1:1"], dial=Dialling(tmp_path / "replaced.crt"))
    metrics = GatewayMetrics(CollectorRegistry())
    feed = Feed(upstream, Ring(events_max=16), metrics=metrics, source="s", sleep=asyncio.sleep)

    await feed.step()

    assert not feed.ready
    with pytest.raises(HistoryUnavailableError, match=r"replaced\.crt"):
        await History(upstream, metrics, source="s").page(None, EventFilter(), count_max=1)


async def test_a_renewed_certificate_is_shown_to_a_coordinator_that_wants_one(feed: ScriptedFeed, tmp_path: Path):
    (tmp_path / "gone").mkdir()
    authority = Authority(tmp_path)
    coordinator = await start_coordinator(feed, tls=authority.server("127.0.0.1", client_ca=authority.ca))
    shown = Authority(tmp_path / "gone").issue("gateway", "gateway")  # by somebody whom the coordinator does not know
    upstream = Upstream([coordinator.address], dial=Dialling(authority.ca, *shown))
    metrics = GatewayMetrics(CollectorRegistry())
    following = Feed(upstream, Ring(events_max=16), metrics=metrics, source="s", sleep=asyncio.sleep)
    await following.step()
    assert not following.ready

    for old, new in zip(shown, authority.issue("gateway", "gateway"), strict=True):
        old.write_bytes(new.read_bytes())
    running = asyncio.create_task(following.run())

    await until(lambda: following.ready)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await upstream.close()
    await coordinator.stop(grace_seconds=0)
