"""Command lines that are wrong, and help: one clear line, a documented exit code, and no network."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import grpc
import pytest
from missioncontrol import errors
from missioncontrol.cli import exit_codes, server_commands
from missioncontrol.cli.main import run

from tests.clients.cli.conftest import CommandLine


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nonsense", "nonsense"),
        ("tasks", "Missing command"),
        ("tasks get", "TASK_ID"),
        ("tasks list --bogus", "--bogus"),
        ("tasks list --output xml", "table"),
        ("tasks list --state FOO", "SCHEDULED"),
        ("tasks list --label zone", "key=value"),
        ("tasks list --address a:b", "port from 1 to 65535"),
        ("submit", "--kind"),
        ("submit --kind x --shell", "only with a command"),
        ("submit --command", "after --"),
        ("submit --kind x -- echo", "leave one of the two out"),
        ("submit --kind x --priority 101", "100"),
        ("submit --kind x --run-time-limit soon", "1h30m"),
        ("submit --kind x --not-before soon", "2026-01-31T08:30:00Z"),
        ("submit --kind x --run-time-limit 9999999999d", "longer than any duration"),
        ("submit --kind x --not-before +9999999999d", "longer than any duration"),
        ("submit --kind x --payload @/no/such/file", "/no/such/file"),
        ("submit --kind x --payload \udcff", "not UTF-8"),
        ("submit --queue \udcff -- true", "not UTF-8"),
        ("tasks get \udcff", "not UTF-8"),
        ("submit --kind x --selector =", "key=value"),
        ("submit --kind x --prefer zone=eu", "zone=eu:10"),
        ("submit --kind x --retry-on OFTEN", "TIMEOUT"),
        ("submit --kind x --resource gpu=many", "no number"),
        ("events tail --type task.flown", "task.failed"),
        ("agents drain a --return --time-limit 5", "--time-limit"),
        ("agents drain a --mode return --deadline 5", "--deadline"),
        ("agents drain a --preview --wait", "--wait"),
        ("agents cordon", "--selector"),
        ("agents resume --selector =", "key=value"),
        ("tasks bulk cancel --yes", "--queue"),
        ("tasks bulk move --queue q", "--to"),
        ("tasks bulk reprioritize --queue q --priority 101", "100"),
        ("tasks bulk retry --state OFTEN", "SUCCEEDED"),
    ],
)
def test_a_wrong_command_line_is_one_line_that_says_what_would_do(
    capsys: pytest.CaptureFixture[str], line: str, said: str
) -> None:
    assert run(line.split()) == exit_codes.USAGE

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("missionctl: ")
    assert said in captured.err


def test_help_lists_every_noun_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == exit_codes.OK

    text = capsys.readouterr().out
    for word in ("submit", "tasks", "queues", "agents", "events", "agent", "up", "db", "Exit codes:"):
        assert word in text


@pytest.mark.parametrize(
    "line",
    ["submit", "tasks list", "tasks get", "tasks attempts", "tasks cancel", "tasks retry", "tasks watch", "queues list",
     "queues get", "queues set", "queues pause", "queues resume", "queues stats", "agents list", "agents get",
     "agents cordon", "agents uncordon", "agents drain", "agents resume", "tasks bulk cancel", "tasks bulk retry",
     "tasks bulk reprioritize", "tasks bulk move", "events tail"],
)  # fmt: skip
def test_every_command_has_output_address_namespace_and_timeout(capsys: pytest.CaptureFixture[str], line: str) -> None:
    assert run([*line.split(), "--help"]) == exit_codes.OK

    text = capsys.readouterr().out
    for option in ("--output", "--address", "--namespace", "--timeout"):
        assert option in text


def test_nobody_there_is_said_with_the_address_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tasks", "list", "--address", "127.0.0.1:1", "--timeout", "1"]) == exit_codes.UNREACHABLE

    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "127.0.0.1:1" in error
    assert "missionctl up" in error


async def test_a_version_that_nobody_reads_is_code_141(missionctl: CommandLine) -> None:
    ended = await missionctl.unread("--version")

    assert (ended.code, ended.err) == (exit_codes.PIPE_CLOSED, "")


@pytest.mark.parametrize("name", ["up", "db"])
def test_a_command_of_the_server_says_what_to_install_where_it_is_not(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert run([name, "check", "--what"], commands=()) == exit_codes.NOT_INSTALLED
    error = capsys.readouterr().err
    assert "missioncontrol-server" in error
    assert "pip install . ./clients/python" in error


def test_a_command_of_another_package_is_loaded_when_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    entry = EntryPoint(name="backup", value="missioncontrol.cli.queues:app", group=server_commands.GROUP)

    assert run(["backup", "--help"], commands=(entry,)) == exit_codes.OK
    assert "pause" in capsys.readouterr().out


def test_every_call_error_has_an_exit_code_of_its_own_kind() -> None:
    def code(status: grpc.StatusCode) -> int:
        return exit_codes.exit_code(errors.refusal(errors.CallStatus(code=status, message="", reason="")))

    assert code(grpc.StatusCode.INVALID_ARGUMENT) == exit_codes.USAGE
    assert code(grpc.StatusCode.NOT_FOUND) == exit_codes.NOT_FOUND
    assert code(grpc.StatusCode.FAILED_PRECONDITION) == exit_codes.REFUSED
    assert code(grpc.StatusCode.RESOURCE_EXHAUSTED) == exit_codes.REFUSED
    assert code(grpc.StatusCode.UNAVAILABLE) == exit_codes.UNREACHABLE
    assert code(grpc.StatusCode.DEADLINE_EXCEEDED) == exit_codes.UNREACHABLE
    assert code(grpc.StatusCode.INTERNAL) == exit_codes.FAULT
