"""The handler of the kind "command": runs a program and reports how it ended.

Any command-line agent or script becomes a fleet's agent by it.

A command never outlives its lease: cancel, time limit, lost lease and the end of the agent end its whole process
group, first by SIGTERM, after a grace by SIGKILL; so does its own end for what it left running in its group. If the
agent itself is killed, its guard process does the killing (`guard_process` says what is covered where). Windows is
not supported.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from missioncontrol import agent_limits as limits
from missioncontrol.agent_errors import HandlerError, StoppedWithOutput
from missioncontrol.command import CommandInput, CommandOutput
from missioncontrol.command_output import OutputKeeper, encode_output
from missioncontrol.command_process import CommandProcess, ProcessEnd
from missioncontrol.context import TaskContext
from missioncontrol.live_output import STDERR, STDOUT
from missioncontrol.process_guard import ProcessGuard
from missioncontrol.v1 import task_pb2

_SHELL = "/bin/sh"


@dataclass(frozen=True, kw_only=True)
class CommandSettings:
    """How an agent runs commands."""

    grace_seconds: float = limits.GRACE_SECONDS
    """Between SIGTERM and SIGKILL, unless the command says otherwise; never more than an agent's leaving allows."""
    environment: Mapping[str, str] | None = None
    """What commands inherit. None: the agent's own environment."""
    working_folder: str | None = None
    """Where commands start that name no folder. None: the agent's own."""


class CommandExecutor:
    """Runs commands, each in the thread that calls it."""

    def __init__(self, settings: CommandSettings) -> None:
        self._settings = settings
        self._guard = ProcessGuard()

    def __call__(self, command: CommandInput, context: TaskContext) -> task_pb2.Payload:
        """Runs the command to its end. Returns its CommandOutput, encoded to fit; raises HandlerError if it failed."""
        if not command.argv:
            raise HandlerError("argv is empty", reason=task_pb2.FAILURE_REASON_INVALID_INPUT)
        context.raise_if_cancelled()
        number = self._guard.starting()
        try:
            started = time.monotonic()
            process = self._start(command, context, number)
            try:
                self._guard.started(number, process.pid)
                end, keepers = self._watch(process, command, context)
            except BaseException:
                _kill(process)
                raise
        finally:
            self._guard.ended(number)
        context.usage(cpu_seconds=end.cpu_seconds, memory_bytes_max=end.memory_bytes_max)
        return _result(end, keepers, context, time.monotonic() - started)

    def close(self) -> None:
        """Ends the guard, and with it whatever still runs."""
        self._guard.close()

    def _start(self, command: CommandInput, context: TaskContext, number: int) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                _argv(command),
                cwd=command.cwd or self._settings.working_folder,
                env=self._environment(command, context, number),
                stdin=subprocess.DEVNULL if command.stdin is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        except OSError as error:
            code = errno.errorcode.get(error.errno or 0, "")
            message = f"cannot start {command.argv[0]!r}: {error.strerror}: {error.filename!r}"
            raise HandlerError(message, code=code, reason=task_pb2.FAILURE_REASON_NOT_STARTED) from error
        except ValueError as error:  # A NUL in an argument, a "=" in a variable's name.
            raise HandlerError(str(error), reason=task_pb2.FAILURE_REASON_INVALID_INPUT) from error

    def _environment(self, command: CommandInput, context: TaskContext, number: int) -> dict[str, str]:
        inherited = os.environ if self._settings.environment is None else self._settings.environment
        if command.clean_env:
            inherited = {name: value for name, value in inherited.items() if name == "PATH"}
        task = {"MISSIONCONTROL_TASK_ID": context.task_id, "MISSIONCONTROL_ATTEMPT": str(context.attempt)}
        return {**inherited, **task, **command.env, **self._guard.mark(number)}

    def _watch(
        self, process: subprocess.Popen[bytes], command: CommandInput, context: TaskContext
    ) -> tuple[ProcessEnd, tuple[OutputKeeper, OutputKeeper]]:
        keepers = OutputKeeper(context.output.stream(STDOUT)), OutputKeeper(context.output.stream(STDERR))
        grace = self._settings.grace_seconds if command.grace_seconds is None else command.grace_seconds
        watched = CommandProcess(
            process,
            stdin=(command.stdin or "").encode("utf-8", "surrogateescape"),
            on_output=lambda pipe, data: keepers[0 if pipe is process.stdout else 1].append(data),
            is_stopping=lambda: context.cancelled,
            grace_seconds=max(0.0, grace),
        )
        context.on_cancel(partial(watched.wake))
        return watched.run(), keepers


def _kill(process: subprocess.Popen[bytes]) -> None:
    """What cannot be watched over (no descriptors left, say) must not run on: nobody would ever end it."""
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            process.wait(limits.KILL_SECONDS)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _argv(command: CommandInput) -> Sequence[str]:
    if not command.shell:
        return list(command.argv)
    return [_SHELL, "-c", command.argv[0], _SHELL, *command.argv[1:]]


def _result(
    end: ProcessEnd, keepers: tuple[OutputKeeper, OutputKeeper], context: TaskContext, duration_seconds: float
) -> task_pb2.Payload:
    stdout, stderr = (keeper.kept() for keeper in keepers)
    signal_number = -end.returncode if end.returncode < 0 else None
    output = encode_output(
        CommandOutput(
            exit_code=end.returncode if signal_number is None else None,
            signal=signal_number,
            duration_seconds=round(duration_seconds, 6),
        ),
        stdout,
        stderr,
    )
    if end.returncode == 0:
        return output
    if context.stop_reason is not None:
        raise StoppedWithOutput(context.stop_reason.value, output)
    code = f"exit:{end.returncode}" if signal_number is None else f"signal:{signal_number}"
    said = "exited with code" if signal_number is None else "was ended by signal"
    last = stderr.text()[0].strip().rpartition("\n")[2]
    raise HandlerError(
        f"the command {said} {code.partition(':')[2]}" + (f": {last}" if last else ""), code=code, output=output
    )
