"""An agent of the SDK whose "nap" prints when its work ended: "ended", the task, the token and the monotonic time."""

from __future__ import annotations

import asyncio
import os
import time

from missioncontrol import Agent, TaskContext

agent = Agent(os.environ["MISSIONCONTROL_AGENT_ID"], slots=int(os.environ["MISSIONCONTROL_AGENT_SLOTS"]))


@agent.handler("nap")
async def nap(seconds: float, context: TaskContext) -> float:
    """Sleeps."""
    try:
        await asyncio.sleep(seconds)
    finally:
        print("ended", context.task_id, context.attempt, time.monotonic(), flush=True)
    return seconds


if __name__ == "__main__":
    agent.run_forever()
