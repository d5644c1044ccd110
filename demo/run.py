"""The run of a demo: start the fleet, submit the work, kill agents in the middle, gather evidence at the end.

What the work is, and who is killed, is in a `Scenario`; what is right and wrong, in `verdict`.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from missioncontrol.client import Client
from missioncontrol.requests import task_request
from missioncontrol.v1.task_service_pb2 import CreateTaskRequest
from rich.console import Console

from demo.board import Board
from demo.display import Display
from demo.job import Job
from demo.scenario import Scenario
from demo.verdict import Evidence
from services.fleet.audit import Acknowledged
from services.fleet.feed import FeedFollower
from services.fleet.launcher import Fleet, FleetPlan
from services.fleet.observe import Observer
from services.fleet.process import wait_until

LEASE_TTL_SECONDS = 5.0
# The first kill comes when so much of the work has ended and the victim is in the middle of something long; at the
# latest with the second number.
KILL_FRACTION, KILL_FRACTION_MAX = 0.3, 0.8
SUBMIT_BATCH = 40
WORK_SECONDS_MAX = 120.0
FEED_SECONDS_MAX = 60.0


@dataclass(frozen=True)
class Finished:
    """A run that came to its end: the evidence, how long it took, and what was redelivered."""

    evidence: Evidence
    seconds: float
    redelivered: int
    connections: int


async def run(scenario: Scenario, folder: Path, console: Console) -> Finished:
    """The whole run. Raises FleetError if a process fails or the work does not end in time."""
    started = time.monotonic()
    plan = FleetPlan(folder=folder, agents=tuple(scenario.agents), lease_ttl_seconds=LEASE_TTL_SECONDS)
    async with Fleet(plan) as fleet:
        observer, board = Observer(fleet.address), Board()
        follower = FeedFollower(fleet.gateway_url, on_event=board.take)
        display = Display(console, board, total=len(scenario.jobs), observer=observer)
        display.say(f"{len(fleet.processes)} processes run; the feed is at {fleet.gateway_url}/v1/events")
        try:
            async with asyncio.TaskGroup() as group:
                following = group.create_task(follower.run())
                showing = group.create_task(display.run())
                ledger, job_of = await _work(fleet, scenario, board, display)
                showing.cancel()
                evidence = await _gather(observer, follower, ledger, job_of)
                following.cancel()
        finally:
            await observer.close()
    seconds = time.monotonic() - started
    return Finished(evidence, seconds, len(board.redelivered), follower.connections)


async def _work(
    fleet: Fleet, scenario: Scenario, board: Board, display: Display
) -> tuple[list[Acknowledged], dict[str, Job]]:
    ledger, job_of = await _submit(fleet.address, scenario.jobs)
    display.say(f"{len(ledger)} tasks are acknowledged")
    for victim in scenario.victims:
        await _in_the_middle(victim, board, job_of)
        _kill(victim, fleet, board, display)
        if scenario.revive:
            await asyncio.sleep(LEASE_TTL_SECONDS)
            await fleet.restart(victim)
            display.say(f"{victim} is started again")
    await _all_ended(board, job_of)
    return ledger, job_of


async def _submit(address: str, jobs: Sequence[Job]) -> tuple[list[Acknowledged], dict[str, Job]]:
    """Submits in batches; the ledger, and the job of each task. The name of a job is its request id."""
    ledger: list[Acknowledged] = []
    job_of: dict[str, Job] = {}
    waiting = iter(jobs)
    async with Client(address) as client:
        while batch := list(islice(waiting, SUBMIT_BATCH)):
            handles = await client.submit_many(map(_request, range(len(ledger), len(jobs)), batch))
            ledger += [
                Acknowledged(_request_id(len(ledger) + index), handle.id) for index, handle in enumerate(handles)
            ]
            job_of |= {handle.id: job for handle, job in zip(handles, batch, strict=True)}
    return ledger, job_of


def _request(number: int, job: Job) -> CreateTaskRequest:
    return task_request(
        job.kind,
        job.payload,
        queue=job.queue,
        priority=job.priority,
        capabilities=job.capabilities,
        labels={"job": job.name[:256]},
        request_id=_request_id(number),
    )


def _request_id(number: int) -> str:
    return f"demo-{number}"


async def _in_the_middle(victim: str, board: Board, job_of: Mapping[str, Job]) -> None:
    """Returns when the victim has work in hand, if it can be something long."""

    def ready() -> bool:
        if board.ended < KILL_FRACTION * len(job_of):
            return False
        in_the_middle = any(job_of[task_id].long for task_id in board.running_on(victim) & job_of.keys())
        return in_the_middle or board.ended >= KILL_FRACTION_MAX * len(job_of)

    await wait_until(ready, WORK_SECONDS_MAX, "the middle of the work")


def _kill(victim: str, fleet: Fleet, board: Board, display: Display) -> None:
    process, held = fleet.agents[victim], len(board.running_on(victim))
    process.kill()
    display.say(
        f"{victim} (pid {process.pid}) killed with {signal.SIGKILL.name} while it ran {held} task(s); "
        f"its leases end within {LEASE_TTL_SECONDS:g} s"
    )


async def _all_ended(board: Board, job_of: Mapping[str, Job]) -> None:
    def ended() -> bool:
        return board.ended >= len(job_of)

    with suppress(TimeoutError):
        # What has not ended then is named by the checks.
        await wait_until(ended, WORK_SECONDS_MAX, "all tasks to end")


async def _gather(
    observer: Observer, follower: FeedFollower, ledger: list[Acknowledged], job_of: Mapping[str, Job]
) -> Evidence:
    """Reads everything through the API, and waits until the feed has told as much as the API knows."""
    listed, sequence = await observer.tasks()
    tasks = await observer.whole_tasks(task.id for task in listed)
    attempts = await observer.attempts(tasks)
    async with asyncio.timeout(FEED_SECONDS_MAX):
        await follower.wait_sequence(sequence)
    return Evidence(jobs=job_of, ledger=ledger, tasks=tasks, attempts=attempts, events=tuple(follower.events))
