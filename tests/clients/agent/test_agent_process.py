"""The agent as a process: signals, exit codes, and what it leaves behind."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from missioncontrol.command import CommandInput

from tests.clients.agent.peer import WAIT_SECONDS, Peer, lease
from tests.e2e.waiting import process_gone

_PROGRAM = """
import asyncio, os, sys
from missioncontrol.agent import Agent

agent = Agent("p", address=sys.argv[1], slots=4, drain_time_limit=float(sys.argv[2]))

@agent.handler("wait")
async def wait(gate: str) -> str:
    while not os.path.exists(gate):
        await asyncio.sleep(0.02)
    return "waited"

@agent.handler("block")
async def block(gate: str) -> None:
    while not os.path.exists(gate):
        pass

agent.run_forever()
"""


class Process:
    """One agent process."""

    def __init__(self, peer: Peer, drain_seconds: float) -> None:
        arguments = [sys.executable, "-c", _PROGRAM, peer.address, str(drain_seconds)]
        self.popen = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)

    async def exit_code(self, seconds: float = WAIT_SECONDS) -> int:
        deadline = time.monotonic() + seconds
        while (code := self.popen.poll()) is None:
            assert time.monotonic() < deadline, "the process did not end in time"
            await asyncio.sleep(0.02)
        return code

    def close(self) -> None:
        self.popen.kill()
        self.popen.communicate()


@pytest.fixture
async def process(peer: Peer, request: pytest.FixtureRequest) -> AsyncIterator[Process]:
    process = Process(peer, getattr(request, "param", 600.0))
    yield process
    process.close()


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A file that handlers wait for."""
    return tmp_path / "gate"


async def test_sigterm_finishes_what_runs_and_exits_with_0(process: Process, peer: Peer, gate: Path) -> None:
    await peer.until(lambda: peer.streams)
    peer.lease(lease("wait", str(gate)))
    await peer.until(peer.events)
    process.popen.send_signal(signal.SIGTERM)
    await peer.until(lambda: peer.messages("drain_notice"))
    gate.touch()

    assert await process.exit_code() == 0
    assert peer.events() == ["started", "succeeded"]
    assert peer.messages("goodbye")


async def test_a_second_signal_returns_what_runs_at_once(process: Process, peer: Peer, gate: Path) -> None:
    """Long before the ten minutes that it would have."""
    await peer.until(lambda: peer.streams)
    peer.lease(lease("wait", str(gate)))
    await peer.until(peer.events)
    process.popen.send_signal(signal.SIGTERM)
    await peer.until(lambda: peer.messages("drain_notice"))
    process.popen.send_signal(signal.SIGINT)

    assert await process.exit_code() == 0
    assert peer.events() == ["started", "returned"]


async def test_sigterm_is_heard_while_a_handler_blocks_the_loop(process: Process, peer: Peer, gate: Path) -> None:
    await peer.until(lambda: peer.streams)
    peer.lease(lease("block", str(gate)))
    await peer.until(peer.events)
    process.popen.send_signal(signal.SIGTERM)
    await peer.until(lambda: peer.messages("drain_notice"))
    gate.touch()

    assert await process.exit_code() == 0
    assert peer.events() == ["started", "succeeded"]


async def test_a_superseded_agent_exits_with_a_clear_message(peer: Peer) -> None:
    peer.refusal = (grpc.StatusCode.FAILED_PRECONDITION, "INCARNATION_SUPERSEDED")
    process = Process(peer, 1.0)

    assert await process.exit_code() == 70
    _, said = process.popen.communicate()
    assert 'a newer process has the agent id "p"' in said
    assert "Traceback" not in said


async def test_a_killed_agent_leaves_no_command_running(process: Process, peer: Peer, tmp_path: Path) -> None:
    await peer.until(lambda: peer.streams)
    script = f"trap '' TERM; echo $$ > {tmp_path}/pid; sleep 600"
    peer.lease(lease("command", CommandInput(argv=[script], shell=True)))
    await peer.until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    process.popen.kill()
    pid = int((tmp_path / "pid").read_text())

    await process_gone(pid)
