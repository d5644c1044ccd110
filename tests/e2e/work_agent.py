"""An agent for the end-to-end tests: "echo" gives its payload back, "nap" sleeps for so many seconds first."""

from __future__ import annotations

import asyncio
import os
import sys

from missioncontrol import Agent

agent = Agent(
    os.environ["MISSIONCONTROL_AGENT_ID"],
    slots=int(os.environ["MISSIONCONTROL_SLOTS"]),
    capabilities=sys.argv[1:],
)


@agent.task("echo")
async def echo(payload: bytes) -> bytes:
    """The payload."""
    return payload


@agent.task("nap")
async def nap(seconds: float) -> float:
    """Sleeps."""
    await asyncio.sleep(seconds)
    return seconds


if __name__ == "__main__":
    agent.run()
