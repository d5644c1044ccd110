"""The demo with agents in five languages side by side, on one queue: `python -m demo polyglot`.

A part of the work needs a certain language, the rest may be done in any. Two agents are killed and started again.
The programs are built first; a language whose toolchain is missing is left out, loudly.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterable
from itertools import cycle
from pathlib import Path

import orjson
from missioncontrol.v1 import task_pb2

from demo.job import Job, spread
from demo.languages import LANGUAGES, PYTHON, Language
from demo.scenario import Scenario
from demo.work import source_files
from services.fleet.launcher import AgentPlan

KIND = "example.digest"
QUEUE = "polyglot"
TEXTS_MAX, TEXT_BYTES_MAX = 400, 16_384
# Work that runs for a while, so that an agent that is killed surely holds some: so many, for so long.
LONG_JOBS, LONG_SECONDS = 40, 2.0
# One task in so many needs a certain language.
ONE_LANGUAGE_EVERY = 3
SLOTS = 2


def polyglot(root: Path) -> Scenario:
    """The scenario, over the texts of the tree at `root`. Asserts that CI has every language."""
    present = [language for language in LANGUAGES if _is_there(language)]
    for language in present:
        _build(language)
    return Scenario(
        jobs_over(list(texts(root)), present),
        agents=[agent(language) for language in present],
        victims=[agent(language).id for language in present[1:3]],
        revive=True,
    )


def agent(language: Language) -> AgentPlan:
    """The agent of a language; what it can do is its language."""
    program, *arguments = language.command("agent")
    return AgentPlan(
        f"agent-{language.name}",
        slots=SLOTS,
        capabilities=(language.name,),
        program=program,
        arguments=tuple(arguments),
    )


def texts(root: Path) -> Iterable[tuple[str, str]]:
    """Names and contents of the tree's small text files, at most so many."""
    files = sorted(file for file in source_files(root) if file.stat().st_size <= TEXT_BYTES_MAX)
    for file in files[:TEXTS_MAX]:
        try:
            yield str(file.relative_to(root)), file.read_bytes().decode()
        except UnicodeDecodeError:
            continue


def jobs_over(named_texts: list[tuple[str, str]], languages: list[Language]) -> list[Job]:
    """A digest of each text, every third in a certain language; those that take long evenly among the others."""
    turn = cycle(languages)
    short = [
        digest_job(name, text, next(turn) if number % ONE_LANGUAGE_EVERY == 0 else None)
        for number, (name, text) in enumerate(named_texts)
    ]
    long = [
        digest_job(f"{name}, slowly", text, next(turn), seconds=LONG_SECONDS) for name, text in named_texts[:LONG_JOBS]
    ]
    return spread(long, short)


def digest_job(name: str, text: str, language: Language | None, *, seconds: float = 0.0) -> Job:
    """The digest of a text, by an agent in this language, or in any."""
    work = {"text": text, "seconds": seconds}
    capabilities = (language.name,) if language else ()
    return Job(name, KIND, work, judge(text, language), QUEUE, capabilities=capabilities, long=seconds > 0)


def judge(text: str, language: Language | None) -> Callable[[task_pb2.Payload], str]:
    """Judges the output by what must come out, and in which language."""
    content = text.encode()
    expected = {"sha256": hashlib.sha256(content).hexdigest(), "length": len(content)}
    allowed = {language.name} if language else {each.name for each in LANGUAGES}

    def verdict(output: task_pb2.Payload) -> str:
        found = orjson.loads(output.data)
        spoken = found.pop("language", None)
        if found != expected:
            return f"expected {expected}, found {found}"
        return "" if spoken in allowed else f"done in {spoken}, which is none of {sorted(allowed)}"

    return verdict


def _build(language: Language) -> None:
    if language is not PYTHON:
        print(f"demo: building clients/{language.name}", flush=True)
        language.make("build")


def _is_there(language: Language) -> bool:
    if not language.missing:
        return True
    if os.environ.get("CI"):
        raise AssertionError(f"CI must have {', '.join(language.missing)} for {language.name}")
    print(f"demo: NO {language.name.upper()}: {', '.join(language.missing)} not found", file=sys.stderr)
    return False
