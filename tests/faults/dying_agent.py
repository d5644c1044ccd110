"""An agent that passes all of its failpoints: it lets leases wait, writes live output, and drains on SIGTERM.

It has itself for a capability, so that a test decides what it works on.
"""

from __future__ import annotations

import asyncio
import os
import time

from missioncontrol import Agent, TaskContext

# While the loop is held, a lease that comes waits for its handler: its receipt is then said by itself.
HELD_SECONDS, FREE_SECONDS = 0.1, 0.02
AGENT_ID = os.environ["MISSIONCONTROL_AGENT_ID"]
agent = Agent(AGENT_ID, slots=4, capabilities=[AGENT_ID], commands=None)


@agent.handler("nap")
async def nap(seconds: float, context: TaskContext) -> float:
    """Takes so long, says so all the time, and is no good neighbour."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        context.log("asleep")
        time.sleep(HELD_SECONDS)  # noqa: ASYNC251 - that is the point
        await asyncio.sleep(FREE_SECONDS)
    return seconds


if __name__ == "__main__":
    agent.run_forever()
