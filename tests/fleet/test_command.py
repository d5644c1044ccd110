"""`missionctl up`, as a person uses it: started, looked at, stopped with Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

from services.fleet.process import wait_until

ANY = "127.0.0.1:0"
PORTS = {
    "MISSIONCONTROL_COORDINATOR_LISTEN": ANY,
    "MISSIONCONTROL_SCHEDULER_LISTEN": ANY,
    "MISSIONCONTROL_EVENT_GATEWAY_LISTEN": ANY,
}


def up(folder: Path, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "missioncontrol.cli", "up", "--folder", str(folder), "--agents", "1"]
    with (folder / "out").open("w") as out:
        return subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, text=True, env={**os.environ, **PORTS, **environment}
        )


async def test_up_prints_addresses_restarts_what_dies_and_stops_on_ctrl_c(tmp_path: Path) -> None:
    started = up(tmp_path)
    out = tmp_path / "out"

    def said(text: str) -> bool:
        assert started.poll() is None, out.read_text()
        return text in out.read_text()

    try:
        await wait_until(lambda: said("Ctrl-C stops the fleet."), 60, "the fleet to be up")
        assert re.search(r"coordinator +127\.0\.0\.1:\d+", out.read_text())
        agent = agent_pid(tmp_path)
        os.kill(agent, signal.SIGKILL)
        await wait_until(lambda: said("agent-1 started again"), 30, "the agent to be back")
        again = agent_pid(tmp_path)

        started.send_signal(signal.SIGINT)
        code = started.wait(60)
    finally:
        started.kill()
        started.wait()
    assert code == 0, out.read_text()
    assert out.read_text().rstrip().endswith("stopped")
    assert again != agent
    assert not Path(f"/proc/{again}").exists()


async def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"

        started = up(tmp_path, MISSIONCONTROL_COORDINATOR_LISTEN=address)
        code = started.wait(60)

    assert code == 4
    assert f"cannot listen on {address} (Address already in use)" in (tmp_path / "out").read_text()


def test_a_port_that_is_none_is_one_clear_line(tmp_path: Path) -> None:
    code = up(tmp_path, MISSIONCONTROL_SCHEDULER_LISTEN="junk").wait(60)

    assert code == 2
    assert (tmp_path / "out").read_text() == ("missionctl: cannot listen on 'junk': must be host:port, not 'junk'\n")


def agent_pid(folder: Path) -> int:
    """The process that runs the fleet's agent, a child of the launcher."""
    for process in Path("/proc").iterdir():
        ours = process.name.isdigit() and f"--folder\0{folder}" in _command_line(int(_parent(process)))
        if ours and "agent-1" in _command_line(int(process.name)):
            return int(process.name)
    raise AssertionError("no agent process")


def _parent(process: Path) -> str:
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[1]
    except (FileNotFoundError, ProcessLookupError):
        return "0"


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
