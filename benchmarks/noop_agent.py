"""An agent whose tasks do nothing but say when they started. Run as `python -m benchmarks.noop_agent`."""

from __future__ import annotations

import os
import time

from missioncontrol import Agent

agent = Agent(os.environ["MISSIONCONTROL_AGENT_ID"], slots=int(os.environ["MISSIONCONTROL_AGENT_SLOTS"]))


@agent.handler("noop")
async def noop(_: bytes) -> bytes:
    """The instant of its start, by the machine's monotonic clock in nanoseconds."""
    return str(time.monotonic_ns()).encode()


if __name__ == "__main__":
    agent.run_forever()
