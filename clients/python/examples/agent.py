"""An agent that runs tasks of the kind "example.digest", as clients/README.md describes them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import sys

from missioncontrol import Agent, AgentRefused, AgentSuperseded, HandlerError, PermanentError, TaskContext
from pydantic import BaseModel, ValidationError

KIND = "example.digest"
STEPS = 5
SUPERSEDED, REFUSED = 70, 78


class Work(BaseModel):
    """The input."""

    text: str
    seconds: float = 0.0
    fail: str = ""


class Digest(BaseModel):
    """The output."""

    sha256: str
    length: int
    language: str = "python"


def main() -> int:
    """Runs the agent until it is told to stop; returns the exit code."""
    capabilities = os.environ.get("MISSIONCONTROL_AGENT_CAPABILITIES", "")
    agent = Agent(
        os.environ.get("MISSIONCONTROL_AGENT_ID") or socket.gethostname(),
        slots=int(os.environ.get("MISSIONCONTROL_AGENT_SLOTS", "4")),
        capabilities=[name for name in capabilities.split(",") if name],
        drain_time_limit=float(os.environ.get("MISSIONCONTROL_AGENT_DRAIN_SECONDS", "30")),
        commands=None,
    )
    agent.handler(KIND)(digest)
    try:
        agent.run_forever()
    except AgentSuperseded as error:
        return told(error, SUPERSEDED)
    except AgentRefused as error:
        return told(error, REFUSED)
    return 0


async def digest(payload: bytes, ctx: TaskContext) -> Digest:
    """Works for as long as it is asked to, and digests the text."""
    work = read(payload)
    for step in range(STEPS if work.seconds else 0):
        await asyncio.sleep(work.seconds / STEPS)
        ctx.progress((step + 1) / STEPS)
    if work.fail:
        raise HandlerError(work.fail, code="asked-for")
    content = work.text.encode()
    return Digest(sha256=hashlib.sha256(content).hexdigest(), length=len(content))


def read(payload: bytes) -> Work:
    """The input. A handler that takes a `Work` gets it read by the SDK; here the failure has a code of our own."""
    try:
        return Work.model_validate_json(payload)
    except ValidationError as error:
        raise PermanentError(str(error), code="bad-input") from error


def told(error: Exception, exit_code: int) -> int:
    """Says why the agent ends."""
    print(error, file=sys.stderr)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
