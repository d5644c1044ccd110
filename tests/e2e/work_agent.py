"""An agent for the end-to-end tests: "echo" gives its payload back, "nap" sleeps for so many seconds first."""

from __future__ import annotations

import asyncio
import os
import sys
import time

from missioncontrol import Agent

agent = Agent(
    os.environ["MISSIONCONTROL_AGENT_ID"],
    slots=int(os.environ["MISSIONCONTROL_AGENT_SLOTS"]),
    capabilities=sys.argv[1:],
)


@agent.handler("echo")
async def echo(payload: bytes) -> bytes:
    """The payload."""
    return payload


@agent.handler("nap")
async def nap(seconds: float) -> float:
    """Sleeps."""
    await asyncio.sleep(seconds)
    return seconds


@agent.handler("block")
def block(seconds: float) -> float:
    """Holds the interpreter for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(10_000))
    return seconds


if __name__ == "__main__":
    agent.run_forever()
