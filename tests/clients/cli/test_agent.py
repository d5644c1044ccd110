"""`missionctl agent run`: which agent it makes, or takes from a module."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from missioncontrol.cli import exit_codes
from missioncontrol.cli.agent import AgentOptions, load_agent
from missioncontrol.cli.failures import RefusedInputError
from missioncontrol.cli.main import run

MODULE = """
from missioncontrol import Agent

worker = Agent("of-a-file", slots=3)
number = 7
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module in the current folder."""
    path = tmp_path / "agents_of_a_test.py"
    path.write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))
    return path


def test_an_agent_is_found_in_a_file_and_in_a_module(module: Path) -> None:
    assert load_agent(f"{module}:worker").agent_id == "of-a-file"
    assert load_agent("agents_of_a_test:worker").slots == 3


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("agents_of_a_test", "pkg.module:name"),
        ("agents_of_a_test:number", "int"),
        ("agents_of_a_test:other", "no Agent"),
        ("nowhere:worker", "nowhere"),
        ("nowhere.py:worker", "no file"),
    ],
)
def test_what_is_no_agent_is_refused_with_what_was_looked_for(module: Path, where: str, said: str) -> None:
    with pytest.raises(RefusedInputError, match=said):
        load_agent(where)


def test_options_become_what_the_agent_says_of_itself() -> None:
    agent = AgentOptions(agent_id="a", slots=2, label=["zone=eu"], capability=["gpu"], resource=["gpu=1"]).make()

    assert (agent.agent_id, agent.slots) == ("a", 2)


def test_keys_that_an_agent_is_warm_for_are_said_once_each_and_bounded() -> None:
    agent = AgentOptions(agent_id="a", warm_key=["repo-1", "repo-2", "repo-1"]).make()

    assert list(agent._hello.warm_keys) == ["repo-1", "repo-2"]
    with pytest.raises(ValueError, match="from 0 to 64"):
        AgentOptions(agent_id="a", warm_key=[f"repo-{number}" for number in range(65)]).make()


def test_a_number_of_slots_that_cannot_be_is_a_wrong_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["agent", "run", "--slots", "10001"]) == exit_codes.USAGE
    assert "slots is 10001" in capsys.readouterr().err
