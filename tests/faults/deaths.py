"""A storm of deaths at failpoints: in the services and in agents, which are started again with other ones."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from missioncontrol import failpoints as agents

from services import failpoints as services
from services.fleet.launcher import Fleet
from services.fleet.process import ManagedProcess
from tests.e2e.waiting import process_state

# So many passes of a point, about, until something happens there.
CHANCES = {"kill": 0.02, "stop": 0.005, "error": 0.005, "delay": 0.01}
# What an agent says once in a stream, or in a life.
RARE = ("hello.", "drain_notice.", "goodbye.")
RARE_FACTOR = 10
LOOK_SECONDS = 0.05
# It may have to connect again first, and to wait for its turn.
LEAVE_SECONDS = 90.0


def switched(points: Mapping[str, bool], seed: int) -> str:
    """Every point with an action; the next seed has other ones."""
    parts = []
    for number, (point, may_fail) in enumerate(points.items()):
        actions = [action for action in CHANCES if may_fail or action != "error"]
        action = "kill" if (seed + number) % 2 else actions[(seed + number) // 2 % len(actions)]
        chance = CHANCES[action] * (RARE_FACTOR if point.startswith(RARE) else 1)
        parts.append(f"{point}={action}:{seed}:{chance:g}")
    return ";".join(parts)


class Storm:
    """Starts again what died at a failpoint, with another seed, and wakes what was stopped."""

    def __init__(self, fleet: Fleet, seed: int) -> None:
        self._fleet = fleet
        self._seed = seed
        self.deaths = 0
        self.agent_deaths = 0

    async def run(self, deaths: int) -> None:
        """Until so many have died; afterwards there are no failpoints."""
        everything = {**self._fleet.services, **self._fleet.agents}
        for name in everything:
            await self._switch(name, self._seed)
        while self.deaths < deaths:
            await asyncio.sleep(LOOK_SECONDS)
            for name, process in everything.items():
                if process.running:
                    wake(process.pid)
                else:
                    self.deaths += 1
                    self.agent_deaths += name in self._fleet.agents
                    await self._switch(name, self._seed + 7919 * self.deaths)
        # An agent leaves when its reports are acknowledged: first of all those have to live who do that.
        for name in self._fleet.services:
            await self._switch(name, None)
        for name, agent in self._fleet.agents.items():
            await leave(agent)
            await self._switch(name, None)

    async def _switch(self, name: str, seed: int | None) -> None:
        variable, points = (
            (agents.VARIABLE, agents.POINTS) if name in self._fleet.agents else (services.VARIABLE, services.POINTS)
        )
        await restart(self._fleet, name, variable, "" if seed is None else switched(points, seed))


async def restart(fleet: Fleet, name: str, variable: str, failpoints: str) -> None:
    """The process with these failpoints. Returns when a service listens, or has died before it could."""
    process = fleet.services.get(name) or fleet.agents[name]
    process.kill()
    process.spec = replace(process.spec, environment={**process.spec.environment, variable: failpoints})
    process.start()
    file = process.spec.address_file
    while file is not None and process.running and not file.exists():
        wake(process.pid)
        await asyncio.sleep(LOOK_SECONDS)


async def leave(process: ManagedProcess) -> None:
    """Has an agent drain and say goodbye, past its failpoints, or die there."""
    process.signal(signal.SIGTERM)
    async with asyncio.timeout(LEAVE_SECONDS):
        while process.running:
            wake(process.pid)
            await asyncio.sleep(LOOK_SECONDS)


def wake(pid: int) -> None:
    """Sends SIGCONT to this process and its children if they are stopped."""
    children = [int(pid) for file in Path(f"/proc/{pid}/task").glob("*/children") for pid in read(file).split()]
    for each in (pid, *children):
        if process_state(each) == "T":
            os.kill(each, signal.SIGCONT)


def read(file: Path) -> str:
    """What is in a file of a process that may be gone."""
    try:
        return file.read_text()
    except OSError:
        return ""
