"""Failpoints: what they understand, and what they do to a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from services.failpoints import VARIABLE, WrongFailpoints, parse

PASS = "from services import failpoints\nfor _ in range(100): failpoints.reach('writer.before_commit', OSError)"


def pass_point(value: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, VARIABLE: value}
    return subprocess.run([sys.executable, "-c", PASS], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("writer.befor_commit=kill", "there is no failpoint"),
        ("writer.before_commit=explode", "has no action"),
        ("writer.after_commit=error", "no error may come there"),
        ("writer.after_commit=kill:1:2", "from 0 to 1"),
        ("writer.after_commit=kill:1", "use POINT=ACTION"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_reason(value: str, why: str) -> None:
    with pytest.raises(WrongFailpoints, match=why):
        parse(value)


def test_a_process_with_wrong_failpoints_does_not_start() -> None:
    ended = pass_point("writer=kill")
    assert ended.returncode == 2
    assert "there is no failpoint 'writer'" in ended.stderr


def test_a_process_without_failpoints_passes() -> None:
    assert pass_point("").returncode == 0


def test_a_point_kills_or_fails_the_process() -> None:
    assert pass_point("writer.before_commit=kill:1:0.5; gateway.before_send=stop").returncode == -signal.SIGKILL
    assert "OSError: the failpoint writer.before_commit" in pass_point("writer.before_commit=error").stderr
