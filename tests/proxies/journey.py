"""What goes through a proxy in a run: two agents (one by stream, one by calls), a client, two followers of the feed."""

from __future__ import annotations

import asyncio
import time
import urllib.request
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

from missioncontrol import Client
from missioncontrol.handle import TaskHandle
from missioncontrol.v1 import event_pb2, task_pb2
from prometheus_client.parser import text_string_to_metric_families

from services.fleet.feed import FeedFollower
from services.fleet.launcher import COORDINATOR, Fleet
from tests.conftest import work_agent
from tests.faults.databases import database_findings
from tests.proxies.proxy_process import RunningProxy

STREAMING, POLLING = "by-stream", "by-calls"
# What each agent reports in a run is several times what nginx lets through by default, 1 MB.
PAYLOAD = b"x" * 100_000
ECHOES = 60
PAUSE_SECONDS = 0.1
# At the end of a run nothing goes through but heartbeats, every 5 s: between two of them is more silence than the bad
# defaults allow.
SILENCE_SECONDS = 10.0
SETTLE_SECONDS = 60.0


@dataclass
class Journey:
    """What was done and seen."""

    fleet: Fleet
    feed: FeedFollower
    sequences: list[int] = field(default_factory=list)
    handles: list[TaskHandle[object]] = field(default_factory=list)
    tasks: list[task_pb2.Task] = field(default_factory=list)
    started: list[int] = field(default_factory=list)  # attempts that started, of each task
    sessions: dict[str, int] = field(default_factory=dict)
    streams_ended: int = 0
    head: int = 0
    findings: Sequence[object] = ()

    @property
    def wrong_tasks(self) -> list[task_pb2.Task]:
        """Tasks that did not succeed, or that were taken from an agent at work."""
        right = (task_pb2.TASK_STATE_SUCCEEDED, 0, 0)
        return [task for task in self.tasks if (task.state, task.failures, task.redeliveries) != right]


async def travel(fleet: Fleet, proxy: RunningProxy, *, seconds: float) -> Journey:
    """Has everything go through the proxy for so long: bursts, trickles, and times with nothing at all."""
    journey = Journey(fleet, FeedFollower(proxy.feed_url))
    with_poll = replace(work_agent(POLLING), transport="poll")
    fleet.start_agent(work_agent(STREAMING), address=proxy.grpc_address)
    fleet.start_agent(with_poll, address=proxy.grpc_address)
    await fleet.wait_agents_ready({STREAMING, POLLING})
    async with Client(proxy.grpc_address) as client, _following(journey, client):
        await _work(journey, client, seconds)
        async with asyncio.timeout(SETTLE_SECONDS):
            await _look(journey, client)
    journey.findings = await database_findings(fleet)
    return journey


@asynccontextmanager
async def _following(journey: Journey, client: Client) -> AsyncIterator[None]:
    async def follow() -> None:
        async with aclosing(client.events()) as events:
            async for event in events:
                assert isinstance(event, event_pb2.Event), f"a reset: {event}"
                journey.sequences.append(event.sequence)

    followers = [asyncio.create_task(follow()), asyncio.create_task(journey.feed.run())]
    try:
        yield
    finally:
        for follower in followers:
            follower.cancel()
        for follower in followers:
            with suppress(asyncio.CancelledError):
                await follower


async def _work(journey: Journey, client: Client, seconds: float) -> None:
    """Long work that is waited for all the time, large reports at first, then less and less, and then silence."""
    end = time.monotonic() + seconds
    long = [await client.submit("nap", seconds) for _ in range(2)]
    waits = [asyncio.create_task(handle.wait()) for handle in long]
    journey.handles += [*long, *[await client.submit("echo", PAYLOAD) for _ in range(ECHOES)]]
    pause = PAUSE_SECONDS
    while time.monotonic() + pause < end - SILENCE_SECONDS:
        journey.handles.append(await client.submit("nap", 0.05))
        await asyncio.sleep(pause)
        pause *= 1.3
    await asyncio.gather(*waits)


async def _look(journey: Journey, client: Client) -> None:
    journey.tasks = [await handle.wait() for handle in journey.handles]
    for handle in journey.handles:
        attempts = await handle.attempts()
        journey.started.append(sum(attempt.HasField("start_time") for attempt in attempts))
    page = await client.feed.list_page(page_size=1)
    journey.head = int(page.position.rpartition(":")[2])
    for agent_id in (STREAMING, POLLING):
        journey.sessions[agent_id] = (await client.agents.get(agent_id)).agent.session
    journey.streams_ended = await asyncio.to_thread(_ended_streams, journey.fleet)
    await journey.feed.wait_sequence(journey.head)
    while len(journey.sequences) < journey.head:
        await asyncio.sleep(0.05)


def _ended_streams(fleet: Fleet) -> int:
    """How many streams of agents and followers have ended at the coordinator, by its own figures."""
    address = fleet.listening[COORDINATOR].metrics_address
    with urllib.request.urlopen(f"http://{address}/metrics") as answer:
        text = answer.read().decode()
    return sum(
        int(sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "rpc_server_call_duration_seconds_count"
        and sample.labels["rpc_method"].endswith(("AgentService/Connect", "EventService/WatchEvents"))
    )
