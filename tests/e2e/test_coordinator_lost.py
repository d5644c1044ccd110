"""Clients, agents and gateways with several addresses, when the coordinator that they use is killed or falls silent.

A process that is stopped is a silent host as far as its peers can tell: their packets are acknowledged, nothing else.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any

import pytest
from missioncontrol import Client
from missioncontrol.command import CommandOutput
from missioncontrol.handle import TaskHandle
from missioncontrol.payload import decode_payload
from missioncontrol.v1 import agent_pb2, event_pb2, task_pb2, task_service_pb2

from services.fleet.feed import FeedFollower
from services.fleet.launcher import COORDINATOR, AgentPlan, Fleet, names_of
from tests.clients.client.names import name_of
from tests.conftest import StartFleet
from tests.e2e.waiting import coordinators_met, eventually, until
from tests.faults.databases import database_findings
from tests.faults.proxy import Proxy

FIRST, SECOND = names_of(COORDINATOR, 2)
KILLED, SILENT = signal.SIGKILL, signal.SIGSTOP
FAULTS = pytest.mark.parametrize("fault", [KILLED, SILENT], ids=["killed", "silent"])
# L2, and the same for those who follow.
BACK_SECONDS = {KILLED: 10.0, SILENT: 20.0}
# Two cores run everything. What these bounds find comes after more than a minute, or never: pings without a limit of
# their own, agents that wait for the ends of their leases.
BUSY_SECONDS = 15.0
# What is waited for before it is judged: if it comes late, it is known how late.
SLACK_SECONDS = 30.0
TTL_SECONDS = 60.0
pytestmark = [
    pytest.mark.parametrize("database_url", ["postgresql"], indirect=True),
    pytest.mark.timeout(180),
]


@pytest.fixture
async def fleet(start_fleet: StartFleet, database_url: str) -> AsyncIterator[Fleet]:
    """Two coordinators and a gateway that knows both; one agent, at the second."""
    started = await start_fleet(database_url=database_url, coordinators=2, agents=(), lease_ttl_seconds=TTL_SECONDS)
    await coordinators_met(started)
    started.start_agent(AgentPlan("steady", capabilities=("steady",)), address=started.listening[SECOND].address)
    await started.wait_agents_ready({"steady"})
    yield started
    started.services[FIRST].signal(signal.SIGCONT)


def strike(fleet: Fleet, fault: signal.Signals) -> float:
    """Kills or stops the first coordinator; when."""
    os.kill(fleet.listening[FIRST].pid, fault)
    return time.monotonic()


def first_then_second(fleet: Fleet) -> str:
    """Names are tried in their order, unlike plain addresses, so the first coordinator is the one in use."""
    return ",".join(f"dns:///{fleet.listening[name].address}" for name in (FIRST, SECOND))


async def follow_events(client: Client, seen: list[int]) -> None:
    async with aclosing(client.events()) as events:
        async for event in events:
            assert isinstance(event, event_pb2.Event), "nothing was trimmed or restored"
            seen.append(event.sequence)


async def follow_output(handle: TaskHandle[Any]) -> list[int]:
    """The numbers that the command wrote, up to its end, with what its result adds to what was live."""
    text = b""
    async with aclosing(handle.updates_and_output()) as updates:
        async for update in updates:
            if isinstance(update, task_service_pb2.OutputChunk):
                text += update.data
    return numbers(text.decode())


def numbers(text: str) -> list[int]:
    return [int(line) for line in text.split()]


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A file that work waits for: it is opened when all are back, so that its end is seen through the other one."""
    return tmp_path / "gate"


async def running_command(client: Client, agent: str, gate: Path) -> TaskHandle[Any]:
    """A command that counts until the gate is there, and runs at this agent by now."""
    counting = f"i=0; until [ -e '{gate}' ]; do i=$((i + 1)); echo $i; sleep 0.5; done"
    handle = await client.submit_command([counting], shell=True, capabilities=[agent])

    async def running() -> bool:
        return (await handle.get()).state == task_pb2.TASK_STATE_RUNNING

    await eventually(running)
    return handle


@FAULTS
async def test_what_is_waited_for_and_followed_goes_on_at_the_other(
    fleet: Fleet, fault: signal.Signals, gate: Path
) -> None:
    """Results, live feed, the gateway's readers, and calls; nothing is seen twice or left out."""
    events, follower = list[int](), FeedFollower(fleet.gateway_url)
    async with AsyncExitStack() as stack:
        sure = await stack.enter_async_context(Client(fleet.listening[SECOND].address))
        client = await stack.enter_async_context(Client(first_then_second(fleet), call_seconds=TTL_SECONDS))
        handle = await running_command(sure, "steady", gate)
        waiting = asyncio.ensure_future(client.handle(handle.id).wait())
        reading = asyncio.ensure_future(follow_output(client.handle(handle.id)))
        following = [asyncio.ensure_future(each) for each in (follow_events(client, events), follower.run())]
        await sure.submit("no-such-kind", b"x", capabilities=["nobody"])
        await until(lambda: events and follower.events)

        struck = strike(fleet, fault)
        lost = await sure.submit("no-such-kind", b"x", capabilities=["nobody"])
        position = (await sure.feed.list_page(page_size=1)).position
        head = int(position.rpartition(":")[2])
        began = time.monotonic()
        assert (await client.handle(lost.id).get()).id == lost.id
        call_seconds = time.monotonic() - began
        patience = BACK_SECONDS[fault] + SLACK_SECONDS
        await until(lambda: events[-1] >= head, within=patience)
        events_seconds = time.monotonic() - struck
        await until(lambda: follower.sequence >= head, within=patience)
        gateway_seconds = time.monotonic() - struck
        gate.touch()
        task, output = await waiting, await reading
        for each in following:
            each.cancel()
        await asyncio.gather(*following, return_exceptions=True)
    print(f"{fault.name}: call {call_seconds:.2f} s, feed {events_seconds:.2f} s, gateway {gateway_seconds:.2f} s")
    assert (task.state, task.token) == (task_pb2.TASK_STATE_SUCCEEDED, 1)
    assert output == sorted(set(output)), "no line twice"
    assert output[-1:] == numbers(decode_payload(task.output, CommandOutput).stdout)[-1:]
    for sequences in (events, [event.sequence for event in follower.events]):
        assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))
    assert call_seconds < 30
    assert max(events_seconds, gateway_seconds) < BACK_SECONDS[fault] + BUSY_SECONDS


@FAULTS
@pytest.mark.parametrize("form", ["list", "one name"])
async def test_agents_are_back_in_time_with_their_leases(
    fleet: Fleet, fault: signal.Signals, form: str, gate: Path
) -> None:
    """L2, for `missionctl agent run`: some of them are at the one that is lost, and none of their work is."""
    async with AsyncExitStack() as stack:
        address = fleet.addresses
        if form == "one name":
            address = await _name_for(fleet, stack)
        first, second = [
            await stack.enter_async_context(Client(fleet.listening[name].address)) for name in (FIRST, SECOND)
        ]
        agents = [f"agent-{number}" for number in range(4)]
        for agent in agents:
            plan = AgentPlan(agent, slots=1, capabilities=(agent,))
            # One is told of the first coordinator alone: it is there, and learns of the other from its Welcome.
            fleet.start_agent(plan, address=fleet.listening[FIRST].address if agent == agents[0] else address)
        await fleet.wait_agents_ready(agents)
        at = await homes(second, agents)
        # Each is given its work by the coordinator that it is connected to.
        clients = {"coordinator-1": first, "coordinator-2": second}
        started = [await running_command(clients[at[agent]], agent, gate) for agent in agents]
        handles = [second.handle(each.id) for each in started]

        struck = strike(fleet, fault)

        async def back() -> bool:
            return await homes(second, agents) == dict.fromkeys(agents, "coordinator-2")

        await eventually(back, within=BACK_SECONDS[fault] + SLACK_SECONDS)
        seconds = time.monotonic() - struck
        gate.touch()
        tasks = [await handle.wait() for handle in handles]
    lost = list(at.values()).count("coordinator-1")
    print(f"{fault.name}, {form}: {lost} of {len(agents)} agents back after {seconds:.2f} s")
    assert {(task.state, task.token, task.redeliveries) for task in tasks} == {(task_pb2.TASK_STATE_SUCCEEDED, 1, 0)}
    assert seconds < BACK_SECONDS[fault] + BUSY_SECONDS
    assert await database_findings(fleet) == []


async def homes(client: Client, agents: Sequence[str]) -> dict[str, str]:
    """The coordinator of each of these agents that is READY."""
    return {
        each.id: each.coordinator_id
        async for each in client.agents.list()
        if each.id in agents and each.state == agent_pb2.AGENT_STATE_READY
    }


async def _name_for(fleet: Fleet, stack: AsyncExitStack) -> str:
    """One name for both coordinators, by way of two proxies that share a port on two loopback addresses."""
    first = await stack.enter_async_context(Proxy(fleet.listening[FIRST].address))
    port = first.address.rpartition(":")[2]
    await stack.enter_async_context(Proxy(fleet.listening[SECOND].address, listen=f"127.0.0.2:{port}"))
    return await stack.enter_async_context(name_of(("127.0.0.1", "127.0.0.2"), int(port)))


@FAULTS
async def test_missionctl_goes_on_at_the_other(fleet: Fleet, fault: signal.Signals, gate: Path) -> None:
    """A tail of the feed and a watched task, in processes of their own."""
    async with Client(fleet.listening[SECOND].address) as sure:
        handle = await running_command(sure, "steady", gate)
        address = ("--address", first_then_second(fleet), "--output", "json")
        tail = await _missionctl("events", "tail", "--follow", *address)
        watch = await _missionctl("tasks", "watch", handle.id, *address)
        assert tail.stdout is not None
        assert watch.stdout is not None
        await asyncio.gather(tail.stdout.readline(), watch.stdout.readline())

        strike(fleet, fault)
        lost = await sure.submit("no-such-kind", b"x", capabilities=["nobody"])
        async with asyncio.timeout(BACK_SECONDS[fault] + SLACK_SECONDS):
            while lost.id not in (line := (await tail.stdout.readline()).decode()):
                assert line, "the tail ended"
        gate.touch()
        async with asyncio.timeout(BACK_SECONDS[fault] + SLACK_SECONDS):
            lines = (await watch.stdout.read()).decode().splitlines()
            assert await watch.wait() == 0
        tail.terminate()
        await tail.wait()
    assert "SUCCEEDED" in json.dumps(json.loads(lines[-1]))


async def _missionctl(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "missioncontrol.cli", *arguments, stdout=asyncio.subprocess.PIPE
    )
