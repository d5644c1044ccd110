"""Processes of a fleet: started, found, stopped, never left behind. Small programs take the place of the services."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from services.fleet.process import DeadlineError, ManagedProcess, ProcessExitedError, ProcessSpec, wait_until

LISTENS = """
import json, os, sys, time
print("up", flush=True)
said = {"service": "x", "address": "127.0.0.1:1", "metrics_address": "127.0.0.1:2", "pid": os.getpid()}
open("ADDRESS.new", "w").write(json.dumps(said)); os.rename("ADDRESS.new", "ADDRESS")
time.sleep(60)
"""


def managed(tmp_path: Path, code: str) -> ManagedProcess:
    address = tmp_path / "address"
    spec = ProcessSpec("small", ("-c", code.replace("ADDRESS", str(address))), dict(os.environ), address)
    return ManagedProcess(spec, log_folder=tmp_path)


async def test_a_service_is_found_by_its_address_file_and_stopped_by_sigterm(tmp_path: Path) -> None:
    process = managed(tmp_path, LISTENS)
    process.start()

    listening = await process.wait_listening()
    code = await process.stop()

    assert (listening.address, listening.metrics_address) == ("127.0.0.1:1", "127.0.0.1:2")
    assert code == -signal.SIGTERM
    assert process.log_tail() == "up"


async def test_a_service_that_ends_instead_of_listening_is_an_error_with_the_end_of_its_log(tmp_path: Path) -> None:
    process = managed(tmp_path, "import sys; sys.exit('the port is taken')")
    process.start()

    with pytest.raises(ProcessExitedError, match=r"ended with code 1(.|\n)*the port is taken"):
        await process.wait_listening()


async def test_a_service_that_neither_listens_nor_ends_is_an_error_at_the_deadline(tmp_path: Path) -> None:
    process = managed(tmp_path, "import time; time.sleep(60)")
    process.start()

    with pytest.raises(DeadlineError, match="small to listen"):
        await process.wait_listening(0.2)
    process.kill()


async def test_a_process_that_ignores_sigterm_is_killed_at_the_deadline(tmp_path: Path) -> None:
    process = managed(tmp_path, f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{LISTENS}")
    process.start()
    await process.wait_listening()

    assert await process.stop(0.2) == -signal.SIGKILL


async def test_a_stopped_process_is_stopped_all_the_same(tmp_path: Path) -> None:
    process = managed(tmp_path, LISTENS)
    process.start()
    await process.wait_listening()
    process.signal(signal.SIGSTOP)

    assert await process.stop() == -signal.SIGTERM


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux only")
async def test_a_process_dies_with_a_launcher_that_is_killed(tmp_path: Path) -> None:
    launcher = f"""
import asyncio, os
from pathlib import Path
from services.fleet.process import ManagedProcess, ProcessSpec
spec = ProcessSpec("child", ("-c", "import time; time.sleep(60)"), dict(os.environ))
process = ManagedProcess(spec, log_folder=Path({str(tmp_path)!r}))
process.start()
print(process.pid, flush=True)
import time; time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", launcher], stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        child = int(started.stdout.readline())
        # The guard has become the child once the kernel shows the child's own command line.
        command_line = Path(f"/proc/{child}/cmdline")
        await wait_until(lambda: b"guard.py" not in command_line.read_bytes(), 60, "the guard to step aside")
        started.kill()

    await wait_until(lambda: not alive(child), 60, "the child to die")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_waiting_gives_up_at_the_deadline_and_says_for_what() -> None:
    begin = time.monotonic()

    with pytest.raises(DeadlineError, match=r"waited 0\.05 s for rain"):
        await wait_until(lambda: False, 0.05, "rain")

    assert time.monotonic() - begin < 5
