"""Fifty agents in one process, each with a channel of its own: "<prefix>-0" and so on. Each naps in its one slot."""

from __future__ import annotations

import asyncio
import os

from missioncontrol import Agent

COUNT = 50


def nap_agent(agent_id: str) -> Agent:
    """An agent with one slot."""
    agent = Agent(agent_id, slots=1, commands=None)

    @agent.handler("nap")
    async def nap(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    return agent


async def main() -> None:
    """Runs all of them until the process is told to stop."""
    prefix = os.environ["MISSIONCONTROL_AGENT_ID"]
    await asyncio.gather(*(nap_agent(f"{prefix}-{number}").run() for number in range(COUNT)))


if __name__ == "__main__":
    asyncio.run(main())
