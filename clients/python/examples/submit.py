"""Submits tasks of the kind "example.digest" and waits for them, as clients/README.md describes it."""

from __future__ import annotations

import asyncio
import json
import os
import sys

from missioncontrol import Client
from missioncontrol.errors import CallError
from missioncontrol.handle import TaskHandle
from missioncontrol.v1 import task_pb2

KIND = "example.digest"
NOT_SUCCEEDED, REFUSED = 1, 2


def main() -> int:
    """Runs the command line; returns the exit code."""
    try:
        return asyncio.run(submit_and_wait(sys.argv[1:]))
    except CallError as error:
        print(f"{error.code.name}: {error.reason}: {error.message}", file=sys.stderr)
        for violation in error.field_violations:
            print(f"  {violation.field}: {violation.description}", file=sys.stderr)
        return REFUSED


async def submit_and_wait(inputs: list[str]) -> int:
    """All at once; the results in the order of the inputs."""
    async with Client() as client:
        handles = [await submit(client, each) for each in inputs]
        tasks = [await handle.wait() for handle in handles]
    for task in tasks:
        print(line(task), flush=True)
    return 0 if all(task.state == task_pb2.TASK_STATE_SUCCEEDED for task in tasks) else NOT_SUCCEEDED


async def submit(client: Client, text: str) -> TaskHandle[object]:
    """One task. The SDK makes a request id, so that a retry of the call makes no second task."""
    capabilities = os.environ.get("MISSIONCONTROL_CAPABILITIES", "")
    return await client.submit(
        KIND,
        json.loads(text),
        queue=os.environ.get("MISSIONCONTROL_QUEUE", "default"),
        capabilities=[name for name in capabilities.split(",") if name],
    )


def line(task: task_pb2.Task) -> str:
    """What became of a task, as a line of JSON."""
    return json.dumps(
        {
            "task_id": task.id,
            "state": task_pb2.TaskState.Name(task.state).removeprefix("TASK_STATE_"),
            "agent_id": task.agent_id,
            "output": json.loads(task.output.data) if task.output.data else None,
        }
    )


if __name__ == "__main__":
    sys.exit(main())
