"""A schedule fires every second while coordinators are killed around its commits: one task for each instant."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from missioncontrol import Client
from missioncontrol.v1 import schedule_service_pb2, task_pb2, task_service_pb2

from services.failpoints import VARIABLE
from services.fleet.launcher import COORDINATOR, Fleet, names_of
from tests.conftest import StartFleet
from tests.e2e.waiting import eventually
from tests.faults.databases import database_findings

# Before a firing is written, once it is on disk, and once its coordinator knows.
POINTS = ("writer.before_commit", "writer.after_commit", "journal.after_commit")
CHANCE = 0.15
KILLS = 3
FIRINGS = 15
PREFIX = "schedule/tick/"
PATIENCE_SECONDS = 100.0


def kills() -> Iterator[str]:
    """One point after the other, where a process dies in its sixth to twelfth pass."""
    for point in itertools.cycle(POINTS):
        seeds = (seed for seed in itertools.count() if first_hit(seed, point) in range(6, 13))
        yield f"{point}=kill:{next(seeds)}:{CHANCE}"


def first_hit(seed: int, point: str) -> int:
    """The pass in which that seed kills."""
    chances = random.Random(f"{seed}/{point}")
    return next(number for number in itertools.count(1) if chances.random() < CHANCE)


class Undertaker:
    """Starts coordinators again that have died, each to be killed at the next point; without points once it is over."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.deaths = 0
        self.killing = True
        self._kills = kills()

    async def run(self) -> None:
        while True:
            await self._start_again(await eventually(self._dead, within=PATIENCE_SECONDS))

    async def _dead(self) -> str | None:
        names = names_of(COORDINATOR, self.fleet.plan.coordinators)
        return next((name for name in names if not self.fleet.services[name].running), None)

    async def _start_again(self, name: str) -> None:
        self.deaths += 1
        process = self.fleet.services[name]
        points = next(self._kills) if self.killing else ""
        process.spec = replace(process.spec, environment={**process.spec.environment, VARIABLE: points})
        await self.fleet.restart(name)


async def fired(client: Client) -> list[str]:
    """The instants of all tasks that were made, oldest first."""
    request = task_service_pb2.ListTasksRequest(page_size=1000)
    tasks = (await client.tasks.list_page(request)).tasks
    return sorted(task.request_id.removeprefix(PREFIX) for task in tasks)


@pytest.mark.timeout(240)
async def test_every_instant_has_one_task_whatever_dies(start_fleet: StartFleet, database_url: str) -> None:
    coordinators = 2 if database_url.startswith("postgresql") else 1
    fleet = await start_fleet(database_url=database_url, coordinators=coordinators, agents=(), gateway_listen="")
    undertaker = Undertaker(fleet)
    burying = asyncio.ensure_future(undertaker.run())
    async with Client(fleet.addresses, call_seconds=PATIENCE_SECONDS) as client:
        spec = task_pb2.TaskSpec(kind="nobody-has-it")
        schedule = schedule_service_pb2.Schedule(
            name="tick", cron="* * * * * *", spec=spec, missed_policy=schedule_service_pb2.MISSED_POLICY_ALL
        )
        await client.schedules.update(schedule)
        for name in names_of(COORDINATOR, coordinators):
            fleet.services[name].kill()

        async def enough() -> bool:
            return undertaker.deaths >= KILLS + coordinators and len(await fired(client)) >= FIRINGS

        await eventually(enough, within=PATIENCE_SECONDS)
        undertaker.killing = False
        after = await client.schedules.pause("tick")
        instants = await fired(client)
    burying.cancel()
    await asyncio.gather(burying, return_exceptions=True)

    first, last = (datetime.fromisoformat(instants[place]) for place in (0, -1))
    seconds = int((last - first).total_seconds())
    expected = [f"{first + timedelta(seconds=number):%Y-%m-%dT%H:%M:%SZ}" for number in range(seconds + 1)]
    assert instants == expected
    assert after.last_time.ToJsonString() == instants[-1]
    assert after.missed == 0
    assert await database_findings(fleet) == []
