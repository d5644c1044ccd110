"""`python -m benchmarks.transports`: agents by stream and by calls beside each other, on SQLite, in turns.

Two fleets that differ in nothing but how their agents talk; each round measures one and then the other, so that the
machine's pace is in both.
"""

from __future__ import annotations

import sys
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import grpc
import uvloop
from missioncontrol.transports import TRANSPORTS
from rich.console import Console
from rich.table import Table

from benchmarks.__main__ import AGENT_SLOTS, process_ids, start_follower
from benchmarks.follower import Counter
from benchmarks.load import Loader
from benchmarks.machine import cpu_seconds
from demo.report import percentile
from services.fleet.launcher import AgentPlan, Fleet, FleetPlan

WARM_UP_TASKS = 2_000
ROUNDS = 3
THROUGHPUT_TASKS, SINGLE_TASKS = 10_000, 2_000
LATENCY_TASKS, LATENCY_TASKS_PER_SECOND = 400, 50.0


@dataclass
class Side:
    """One fleet, and what was measured on it."""

    loader: Loader
    watched: dict[str, int]
    throughput: list[float] = field(default_factory=list)
    single: list[float] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    cpu_seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    async def measure(self) -> None:
        """One round of each load; processor time is counted over the one with single tasks, where messages are many."""
        self.throughput.append((await self.loader.batches(THROUGHPUT_TASKS)).tasks_per_second)
        before = {name: cpu_seconds(pid) for name, pid in self.watched.items()}
        self.single.append((await self.loader.singles(SINGLE_TASKS)).tasks_per_second)
        for name, pid in self.watched.items():
            self.cpu_seconds[name] += cpu_seconds(pid) - before[name]
        latencies = await self.loader.start_latencies(LATENCY_TASKS, per_second=LATENCY_TASKS_PER_SECOND)
        self.latencies_ms += [seconds * 1000 for seconds in latencies]

    def microseconds_per_task(self, name: str) -> float:
        """Processor time of one process for one of the single tasks."""
        return self.cpu_seconds[name] * 1e6 / (SINGLE_TASKS * len(self.single))


async def measure(folder: Path) -> dict[str, Side]:
    """Both fleets, in turns."""
    async with AsyncExitStack() as stack:
        sides = {name: await stack.enter_async_context(_side(folder, name)) for name in TRANSPORTS}
        for side in sides.values():
            await side.loader.batches(WARM_UP_TASKS)
        for _ in range(ROUNDS):
            for side in sides.values():
                await side.measure()
        return sides


@asynccontextmanager
async def _side(folder: Path, transport: str) -> AsyncIterator[Side]:
    folder /= transport
    arguments = ("-m", "benchmarks.noop_agent")
    agents = tuple(AgentPlan(f"agent-{n}", slots=AGENT_SLOTS, arguments=arguments, transport=transport) for n in (1, 2))
    plan = FleetPlan(folder=folder, agents=agents, gateway_listen="", log_level="warning")
    async with Fleet(plan) as fleet, grpc.aio.insecure_channel(fleet.address) as channel:
        follower = start_follower(fleet, folder)
        try:
            yield Side(Loader(channel, Counter(folder / "count")), process_ids(fleet, follower))
        finally:
            follower.kill()


def table(sides: dict[str, Side]) -> Table:
    """The figures, a column for each transport."""
    rows = Table("", *sides, title="Agents by stream and by calls, SQLite", title_justify="left")
    found = sides.values()
    rows.add_row("throughput, batches of 100", *(f"{median(side.throughput):,.0f} tasks/s" for side in found))
    rounds = (", ".join(f"{rate:,.0f}" for rate in side.throughput) for side in found)
    rows.add_row("its rounds, of which it is the median", *rounds)
    rows.add_row("one task a call, 8 in flight", *(f"{median(side.single):,.0f} tasks/s" for side in found))
    for percent in (50, 95, 99):
        latencies = (percentile(side.latencies_ms, percent) for side in found)
        rows.add_row(f"submit to start p{percent}", *(f"{latency:.2f} ms" for latency in latencies))
    for name in ("coordinator", "agent-1"):
        spent = (side.microseconds_per_task(name) for side in found)
        rows.add_row(f"CPU a single task: {name}", *(f"{microseconds:.0f} µs" for microseconds in spent))
    return rows


def main() -> int:
    """Measures and prints; returns the exit code."""
    with tempfile.TemporaryDirectory(prefix="missioncontrol-bench-") as folder:
        sides = uvloop.run(measure(Path(folder)))
    Console(highlight=False, soft_wrap=True).print(table(sides))
    return 0


if __name__ == "__main__":
    sys.exit(main())
