"""Commands, with real processes."""

from __future__ import annotations

import errno
import os
import resource
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from missioncontrol import agent_limits as limits
from missioncontrol.agent_errors import HandlerError, StoppedWithOutput
from missioncontrol.command import CommandInput, CommandOutput
from missioncontrol.command_executor import CommandExecutor, CommandSettings
from missioncontrol.command_output import KeptOutput, encode_output
from missioncontrol.context import TaskContext
from missioncontrol.followed_output import FollowedOutput
from missioncontrol.live_output import STDOUT
from missioncontrol.payload import decode_payload
from missioncontrol.session_effects import StopReason
from missioncontrol.v1 import agent_service_pb2 as pb
from missioncontrol.v1 import task_pb2

from tests.e2e.waiting import process_state

GRACE_SECONDS = 0.5


@pytest.fixture
def executor() -> Iterator[CommandExecutor]:
    """Patient: whatever ends at SIGTERM does so in time, also on a slow machine."""
    executor = CommandExecutor(CommandSettings(grace_seconds=60.0))
    yield executor
    executor.close()


@pytest.fixture
def impatient() -> Iterator[CommandExecutor]:
    executor = CommandExecutor(CommandSettings(grace_seconds=GRACE_SECONDS))
    yield executor
    executor.close()


def run(executor: CommandExecutor, *argv: str, context: TaskContext | None = None, **options: object) -> CommandOutput:
    command = CommandInput(argv=argv, **options)  # type: ignore[arg-type]  # each test names fields of CommandInput
    return decode_payload(executor(command, context or TaskContext.detached()), CommandOutput)


def shell(executor: CommandExecutor, script: str, **options: object) -> CommandOutput:
    return run(executor, script, shell=True, **options)  # type: ignore[arg-type]  # as above


def failed(executor: CommandExecutor, *argv: str, **options: object) -> tuple[HandlerError, CommandOutput]:
    with pytest.raises(HandlerError) as caught:
        run(executor, *argv, **options)  # type: ignore[arg-type]  # as above
    return caught.value, kept(caught.value.output)


def kept(output: object) -> CommandOutput:
    return (
        decode_payload(output, CommandOutput) if isinstance(output, task_pb2.Payload) else CommandOutput(exit_code=None)
    )


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    return process_state(pid) not in ("", "Z")


def pid_in(path: Path) -> int:
    until(lambda: path.exists() and path.read_text().strip() != "")
    return int(path.read_text())


def stopping(context: TaskContext, reason: StopReason, when: Callable[[], object]) -> None:
    def stop() -> None:
        when()
        context.stop(reason)

    threading.Thread(target=stop, daemon=True).start()


def test_arguments_reach_the_program_as_they_are(executor: CommandExecutor) -> None:
    output = run(executor, "printf", "%s|", "a b", "$HOME", "*", "ünïcode")

    assert output.stdout == "a b|$HOME|*|ünïcode|"
    assert (output.exit_code, output.stdout_bytes, output.stdout_omitted_bytes) == (0, 22, 0)
    assert output.duration_seconds > 0


def test_a_shell_is_there_when_it_is_asked_for(executor: CommandExecutor) -> None:
    assert run(executor, 'echo "$2-$1" | tr a-z A-Z', "x", "y", shell=True).stdout == "Y-X\n"


def test_folder_environment_and_input(executor: CommandExecutor, tmp_path: Path) -> None:
    output = shell(executor, 'pwd; echo "$WHO"; cat', cwd=str(tmp_path), env={"WHO": "me"}, stdin="line\n")

    assert output.stdout == f"{tmp_path}\nme\nline\n"


def test_a_clean_environment_has_path_and_what_was_given(
    executor: CommandExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_AGENT", "1")

    names = {
        line.partition("=")[0] for line in run(executor, "env", clean_env=True, env={"A": "1"}).stdout.splitlines()
    }

    assert {"PATH", "A", "MISSIONCONTROL_TASK_ID"} <= names
    assert "SECRET_OF_THE_AGENT" not in names


def test_a_command_that_does_not_read_its_input_is_no_failure(executor: CommandExecutor) -> None:
    assert run(executor, "true", stdin="x" * 1_000_000).exit_code == 0


def test_input_and_output_larger_than_any_pipe_pass_each_other(executor: CommandExecutor) -> None:
    output = run(executor, "cat", stdin="0123456789" * 100_000)

    assert output.stdout_bytes == 1_000_000


def test_a_code_other_than_zero_is_a_failure_with_its_output(executor: CommandExecutor) -> None:
    error, output = failed(executor, "echo out; echo first >&2; echo last words >&2; exit 3", shell=True)

    assert (error.code, error.reason) == ("exit:3", task_pb2.FAILURE_REASON_ERROR)
    assert "last words" in str(error)
    assert (output.exit_code, output.stdout, output.stderr) == (3, "out\n", "first\nlast words\n")


def test_a_signal_is_a_failure_that_names_it(executor: CommandExecutor) -> None:
    error, output = failed(executor, "kill -9 $$", shell=True)

    assert error.code == "signal:9"
    assert (output.exit_code, output.signal) == (None, 9)


@pytest.mark.parametrize(
    ("argv", "options", "code"),
    [
        (("no-such-program",), {}, "ENOENT"),
        (("true",), {"cwd": "/no/such/folder"}, "ENOENT"),
        (("/etc",), {}, "EACCES"),
    ],
)
def test_what_cannot_be_started_says_so(
    executor: CommandExecutor, argv: tuple[str, ...], options: dict[str, object], code: str
) -> None:
    error, _ = failed(executor, *argv, **options)

    assert (error.code, error.reason) == (code, task_pb2.FAILURE_REASON_NOT_STARTED)


@pytest.mark.parametrize("argv", [(), ("printf", "a\x00b")])
def test_arguments_that_no_system_takes_are_invalid_input(executor: CommandExecutor, argv: tuple[str, ...]) -> None:
    error, _ = failed(executor, *argv)

    assert error.reason == task_pb2.FAILURE_REASON_INVALID_INPUT


def test_long_output_keeps_head_and_tail_and_says_what_is_missing(executor: CommandExecutor) -> None:
    output = shell(executor, "echo BEGIN; yes 0123456789 | head -c 3000000; echo END; echo whole >&2")

    assert output.stdout.startswith("BEGIN\n0123")
    assert output.stdout.endswith("END\n")
    assert output.stdout_bytes == 3_000_010
    assert f"{output.stdout_omitted_bytes} bytes left out" in output.stdout
    assert output.stderr == "whole\n"


@pytest.mark.parametrize("unit", [b"\x00", b"\xff", "€".encode(), b"plain text\n"])
@pytest.mark.parametrize("sizes", [(400_000, 400_000), (400_000, 10), (10, 400_000), (100_000, 100_000)])
def test_the_result_fits_whatever_was_written(unit: bytes, sizes: tuple[int, int]) -> None:
    streams = []
    for size in sizes:
        data = (unit * (size // len(unit) + 1))[:size]
        head, tail = data[: limits.HEAD_BYTES_MAX], data[limits.HEAD_BYTES_MAX :][-limits.TAIL_BYTES_MAX :]
        streams.append(KeptOutput(head, tail, size))

    payload = encode_output(CommandOutput(exit_code=0), *streams)
    output = decode_payload(payload, CommandOutput)

    assert len(payload.data) <= limits.PAYLOAD_BYTES_MAX
    assert len(payload.data) > min(sum(sizes), limits.PAYLOAD_BYTES_MAX * 3 // 4)
    assert output.stdout_bytes == sizes[0]
    assert output.stderr_bytes == sizes[1]


def test_a_character_that_is_cut_is_left_out_whole() -> None:
    euros = "€".encode() * 1000

    text, omitted = KeptOutput(euros[:100], euros[-100:], len(euros)).text()

    assert "\ufffd" not in text
    assert omitted == len(euros) - 2 * 99


def test_a_cancel_ends_the_whole_group_grandchildren_too(executor: CommandExecutor, tmp_path: Path) -> None:
    context, child = TaskContext.detached(), tmp_path / "pid"
    stopping(context, StopReason.CANCEL, lambda: pid_in(child))

    with pytest.raises(StoppedWithOutput) as caught:
        shell(executor, f"echo early; (sleep 600 & echo $! > {child}; wait)", context=context)

    until(lambda: not alive(pid_in(child)))
    output = kept(caught.value.output)
    assert (output.stdout, output.signal) == ("early\n", signal.SIGTERM)


def test_what_ignores_sigterm_is_killed_after_the_grace(impatient: CommandExecutor, tmp_path: Path) -> None:
    context, child = TaskContext.detached(), tmp_path / "pid"
    stopped: list[float] = []

    def ready() -> None:
        pid_in(child)
        stopped.append(time.monotonic())

    stopping(context, StopReason.CANCEL, ready)

    with pytest.raises(StoppedWithOutput):
        shell(impatient, f"trap '' TERM; (trap '' TERM; echo $$ > {child}; sleep 600); sleep 600", context=context)

    assert GRACE_SECONDS <= time.monotonic() - stopped[0] < 5.0
    until(lambda: not alive(pid_in(child)))


def test_a_command_may_say_its_last_words_within_the_grace(executor: CommandExecutor, tmp_path: Path) -> None:
    context, ready = TaskContext.detached(), tmp_path / "ready"
    stopping(context, StopReason.TIMEOUT, lambda: pid_in(ready))

    with pytest.raises(StoppedWithOutput) as caught:
        shell(
            executor, f"trap 'echo saved; exit 7' TERM; echo 1 > {ready}; while :; do sleep 0.05; done", context=context
        )

    assert "saved" in str(caught.value.output)


def test_what_a_command_leaves_running_in_its_group_ends_with_it(executor: CommandExecutor, tmp_path: Path) -> None:
    quiet, loud = tmp_path / "quiet", tmp_path / "loud"

    output = shell(executor, f"sleep 600 >/dev/null 2>&1 & echo $! > {quiet}; sleep 600 & echo $! > {loud}; echo done")

    assert (output.stdout, output.exit_code) == ("done\n", 0)
    until(lambda: not alive(pid_in(quiet)) and not alive(pid_in(loud)))


def test_a_command_that_was_cancelled_before_it_began_does_not_run(executor: CommandExecutor, tmp_path: Path) -> None:
    context = TaskContext.detached()
    context.stop(StopReason.CANCEL)

    with pytest.raises(BaseException, match="cancelled"):
        run(executor, "touch", str(tmp_path / "ran"), context=context)

    assert not (tmp_path / "ran").exists()


def test_cpu_time_and_memory_are_measured(executor: CommandExecutor) -> None:
    context = TaskContext.detached()
    # What the tests before have used counts for this process, and only more than that can be told for a child.
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + 100_000_000
    run(executor, sys.executable, "-c", f"x = bytearray({size}); sum(range(3_000_000))", context=context)

    assert context.used is not None
    assert context.used.cpu_time.ToNanoseconds() > 10_000_000
    assert context.used.memory_bytes_max > size


def test_live_output_is_followed_while_the_command_runs(executor: CommandExecutor, tmp_path: Path) -> None:
    context, go = TaskContext.detached(), tmp_path / "go"
    followed = FollowedOutput()
    chunks: list[pb.LeaseOutput] = []
    followed.follow(("t", 1), context.output)
    thread = threading.Thread(
        target=shell,
        args=(executor, f"echo one; while [ ! -e {go} ]; do sleep 0.02; done; echo two"),
        kwargs={"context": context},
    )
    thread.start()

    def received(text: bytes) -> bool:
        followed.written(("t", 1))
        batch = followed.next_batch(time.monotonic())
        chunks.extend(batch.chunks if batch is not None else ())
        return text == b"".join(each.chunk.data for each in chunks)

    until(lambda: received(b"one\n"))
    go.touch()
    until(lambda: received(b"one\ntwo\n"))
    thread.join()

    assert [(each.chunk.stream, each.chunk.offset) for each in chunks] == [(STDOUT, 0), (STDOUT, 4)]


def test_a_late_follower_starts_at_the_oldest_byte_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LIVE_BYTES_MAX", 10)
    context, followed = TaskContext.detached(), FollowedOutput()
    context.output.stream(STDOUT).append(b"0123456789abcdef")

    followed.follow(("t", 1), context.output)
    batch = followed.next_batch(time.monotonic())

    assert batch is not None
    assert [(each.chunk.offset, each.chunk.data) for each in batch.chunks] == [(6, b"6789abcdef")]


def test_what_is_left_of_followed_output_goes_when_the_lease_ends() -> None:
    context, followed = TaskContext.detached(), FollowedOutput()
    followed.follow(("t", 1), context.output)
    context.output.stream(STDOUT).append(b"x" * (limits.CHUNK_BYTES_MAX + 1))
    followed.finish(("t", 1))

    batch = followed.final_batch()

    assert isinstance(batch, pb.OutputBatch)
    assert [len(each.chunk.data) for each in batch.chunks] == [limits.CHUNK_BYTES_MAX, 1]
    assert followed.final_batch() is None


_AGENT = """
import sys, time
from missioncontrol.command_executor import CommandExecutor, CommandSettings
from missioncontrol.command import CommandInput
from missioncontrol.context import TaskContext
CommandExecutor(CommandSettings())(CommandInput(argv=[sys.argv[1]], shell=True), TaskContext.detached())
"""


def test_a_killed_agent_leaves_no_command_behind(tmp_path: Path) -> None:
    child, grandchild = tmp_path / "child", tmp_path / "grandchild"
    script = f"trap '' TERM; echo $$ > {child}; (trap '' TERM; sleep 600) & echo $! > {grandchild}; wait"
    with subprocess.Popen([sys.executable, "-c", _AGENT, script]) as agent:
        pids = pid_in(child), pid_in(grandchild)
        agent.kill()
        agent.wait()

    until(lambda: not any(map(alive, pids)))


def test_the_guard_is_started_again_if_somebody_ends_it(executor: CommandExecutor) -> None:
    run(executor, "true")
    process = executor._guard._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    assert run(executor, "true").exit_code == 0
    assert run(executor, "true").exit_code == 0


def test_a_guard_that_was_closed_does_not_come_back_for_what_it_killed(executor: CommandExecutor) -> None:
    thread = threading.Thread(target=failed, args=(executor, "sleep", "600"))
    thread.start()
    until(lambda: any(executor._guard._running.values()))

    executor.close()
    thread.join(timeout=60)

    assert not thread.is_alive()
    assert executor._guard._process is None


def test_a_command_that_cannot_be_watched_over_is_killed(
    executor: CommandExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups: list[int | None] = []

    def refuse() -> selectors.BaseSelector:
        groups.extend(executor._guard._running.values())
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(selectors, "DefaultSelector", refuse)

    with pytest.raises(OSError, match="Too many open files"):
        run(executor, "sleep", "600")

    (group,) = groups
    assert group is not None
    assert not alive(group)


_FORKING_AGENT = """
import os, signal, time
from missioncontrol.command_executor import CommandExecutor, CommandSettings
from missioncontrol.command import CommandInput
from missioncontrol.context import TaskContext
executor = CommandExecutor(CommandSettings())
executor(CommandInput(argv=["true"]), TaskContext.detached())
child = os.fork()
if child == 0:
    time.sleep(60)
    os._exit(0)
executor.close()
ended, _ = os.waitpid(child, os.WNOHANG)
if not ended:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
print("child ended first" if ended else "closed")
"""


def test_a_child_that_a_handler_forks_does_not_hold_the_guard() -> None:
    agent = subprocess.run([sys.executable, "-c", _FORKING_AGENT], capture_output=True, text=True, check=True)

    assert agent.stdout == "closed\n"
