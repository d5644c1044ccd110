"""Runs the `submit` program of a language, and says what the work of the examples is and what must come out of it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from missioncontrol.requests import task_request
from missioncontrol.v1.task_service_pb2 import CreateTaskRequest

from demo.languages import Language

KIND = "example.digest"
SUBMIT_SECONDS_MAX = 60.0


@dataclass(frozen=True)
class Ran:
    """A program that has ended."""

    exit_code: int
    lines: Sequence[dict[str, Any]]
    errors: str


async def submit(language: Language, address: str, *inputs: object, **settings: str) -> Ran:
    """Runs the language's `submit`, with inputs that are text already or become JSON."""
    process = await asyncio.create_subprocess_exec(
        *language.command("submit"),
        *(each if isinstance(each, str) else json.dumps(each) for each in inputs),
        env={**os.environ, "MISSIONCONTROL_ADDRESS": address, **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(SUBMIT_SECONDS_MAX):
        output, errors = await process.communicate()
    lines = [json.loads(line) for line in output.decode().splitlines()]
    return Ran(process.returncode or 0, lines, errors.decode(errors="replace"))


def digest(text: str, language: Language) -> dict[str, object]:
    """What a task over this text must end with."""
    content = text.encode()
    return {"sha256": hashlib.sha256(content).hexdigest(), "length": len(content), "language": language.name}


def request(number: int, *, seconds: float = 0.0, **options: Any) -> CreateTaskRequest:
    """A task with a text and a request id of its own."""
    work = {"text": text(number), "seconds": round(seconds, 3)}
    return task_request(KIND, work, request_id=f"interop-{number}", **options)


def text(number: int) -> str:
    """The text of a task: not only ASCII, of any length."""
    return f"task {number}: {'ü→🚀' * (number % 50)}"
