"""Failpoints: what they understand, what they do to a process, and that there is one for all that an agent says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import ModuleType

import pytest
from missioncontrol import failpoints as agent_failpoints
from missioncontrol.v1 import agent_service_pb2

from services import failpoints

# Two modules with one grammar: each with two of its points, at the second of which no error may come.
KINDS = [
    pytest.param(failpoints, "writer.before_commit", "writer.after_commit", id="services"),
    pytest.param(agent_failpoints, "reports.before_send", "work.after_end", id="agents"),
]
both = pytest.mark.parametrize(("module", "point", "certain"), KINDS)


def pass_point(module: ModuleType, point: str, value: str) -> subprocess.CompletedProcess[str]:
    program = f"from {module.__package__} import failpoints\nfor _ in range(100): failpoints.reach({point!r}, OSError)"
    environment = {**os.environ, module.VARIABLE: value}
    return subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)


@both
@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("writer.befor_commit=kill", "there is no failpoint"),
        ("POINT=explode", "has no action"),
        ("CERTAIN=error", "no error may come there"),
        ("CERTAIN=kill:1:2", "from 0 to 1"),
        ("CERTAIN=kill:1", "use POINT=ACTION"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_reason(
    module: ModuleType, point: str, certain: str, value: str, why: str
) -> None:
    with pytest.raises(module.WrongFailpoints, match=why):
        module.parse(value.replace("POINT", point).replace("CERTAIN", certain))


@both
def test_a_process_with_wrong_failpoints_does_not_start(module: ModuleType, point: str, certain: str) -> None:
    ended = pass_point(module, point, "nowhere=kill")
    assert ended.returncode == 2
    assert "there is no failpoint 'nowhere'" in ended.stderr


@both
def test_a_process_without_failpoints_passes(module: ModuleType, point: str, certain: str) -> None:
    assert pass_point(module, point, "").returncode == 0


@both
def test_a_point_kills_or_fails_the_process(module: ModuleType, point: str, certain: str) -> None:
    assert pass_point(module, point, f"{point}=kill:1:0.5; {certain}=stop").returncode == -signal.SIGKILL
    assert f"OSError: the failpoint {point}" in pass_point(module, point, f"{point}=error").stderr


def test_whatever_an_agent_says_has_a_point_before_and_after() -> None:
    said = agent_service_pb2.AgentMessage.DESCRIPTOR.oneofs_by_name["content"].fields
    assert {field.name for field in said} == set(agent_failpoints.SENDS)


def test_a_stream_is_written_to_directly_when_there_are_no_failpoints() -> None:
    class Stream:
        async def write(self, message: object) -> None: ...

    stream = Stream()
    assert agent_failpoints.writing(stream) == stream.write
