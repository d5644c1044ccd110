"""The Dockerfile and what goes into it, looked at without building it."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.image.package_index import pip_settings
from tests.image.tools import REPOSITORY

DOCKERFILE = REPOSITORY / "Dockerfile"
LOCK = REPOSITORY / "container" / "requirements.txt"
PACKAGES = (REPOSITORY / "pyproject.toml", REPOSITORY / "clients" / "python" / "pyproject.toml")
OURS = {"missioncontrol"}


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")

    command = [str(hadolint), "--failure-threshold", "style", str(DOCKERFILE)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)

    assert (ended.returncode, ended.stdout + ended.stderr) == (0, "")


def test_its_version_is_that_of_the_packages() -> None:
    default = re.search(r"^ARG VERSION=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)

    assert default is not None
    assert {tomllib.loads(each.read_text())["project"]["version"] for each in PACKAGES} == {default[1]}


def test_nothing_but_what_it_copies_is_sent_to_the_engine() -> None:
    rules = [line for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    sources = re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE.read_text(), re.MULTILINE)

    sent = {Path(rule[1:]).parts[0] for rule in rules if rule.startswith("!")}
    assert rules[0] == "*"
    assert sent == {Path(path).parts[0] for line in sources for path in line.split()}


@pytest.mark.parametrize("file", PACKAGES, ids=["server", "SDK"])
def test_what_is_locked_fits_what_the_packages_ask_for(file: Path) -> None:
    locked = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", LOCK.read_text(), re.MULTILINE))
    project = tomllib.loads(file.read_text())["project"]

    wanted = [
        Requirement(each) for each in project["dependencies"] + project.get("optional-dependencies", {}).get("otlp", [])
    ]

    missing = [
        f"{each} (make lock)" for each in wanted
        if canonicalize_name(each.name) not in OURS
        and not each.specifier.contains(locked.get(canonicalize_name(each.name), "0"))
    ]  # fmt: skip
    assert missing == []


def test_the_environment_says_last_how_pip_reaches_its_index() -> None:
    listed = ":env:.cert='/a b/ca.pem'\nglobal.cert='/other.pem'\nglobal.index-url='https://index.example/simple'\n"

    assert pip_settings(listed) == {"cert": "/a b/ca.pem", "index-url": "https://index.example/simple"}
