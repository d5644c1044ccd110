"""What urgent tasks wait under a flood of batch tasks, and what a reserved pool costs and gives back.

Two lanes, agents with one slot. Batch tasks always wait, so without a reserved pool every slot is busy, and an urgent
task goes first when one becomes free. With a pool, some agents take nothing but urgent tasks, or lend themselves to
batch tasks that are short.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from benchmarks.routing_study import theory
from benchmarks.routing_study.cell import Cell, Expected, Figures, exactly
from benchmarks.routing_study.estimate import Estimate, batch_means, batch_quantiles
from benchmarks.routing_study.fleet import FleetPlan
from benchmarks.routing_study.simulation import UNIT_MICROS, Flood, TaskClass, Workload, simulate
from benchmarks.routing_study.workload import exponential, poisson
from services.domain.policy import Lane, QueuePolicy, ReservedPool

AGENTS, URGENT_RATE = 10, 2.0
URGENT_PRIORITY = 10
# Short batch tasks take no more than this, which is what the pool may be lent for.
SHORT_MAX = 0.2
SEED = 20_261_129
TASKS = 15_000
RESERVED = (0, 2, 3, 4, 6)
# Where nothing is compared with theory, only a pool of this size runs with every change.
SHOWN = 4


class Pool(NamedTuple):
    """A reserved pool, and the flood: only long tasks, or long and short ones by turns."""

    agents: int
    lends: bool = False
    short_tasks: bool = False

    @property
    def name(self) -> str:
        """The cell's name."""
        flood = "long and short" if self.short_tasks else "long"
        return f"lanes/{flood}/{'lent' if self.lends else 'kept'}/{self.agents}"

    @property
    def policy(self) -> QueuePolicy:
        """The queue's policy."""
        give_back = round(SHORT_MAX * UNIT_MICROS) if self.lends else 0
        reserved = ReservedPool(agents_max=self.agents, give_back_micros=give_back) if self.agents else None
        return QueuePolicy(
            lanes=(Lane("urgent", priority_min=URGENT_PRIORITY, reserved=reserved), Lane("batch", priority_min=-100))
        )

    @property
    def workload(self) -> Workload:
        """Urgent tasks are the first class, long batch tasks the second, short ones the third."""
        urgent, long = TaskClass(URGENT_PRIORITY), TaskClass()
        short = TaskClass(run_limit_millis=round(SHORT_MAX * 1_000))
        floods = (Flood(1, exponential, SEED + 1), Flood(2, short_service, SEED + 2))
        arrivals = poisson(URGENT_RATE, SEED)
        if self.short_tasks:
            return Workload(arrivals, (urgent, long, short), floods)
        return Workload(arrivals, (urgent, long), floods[:1])

    @property
    def expected(self) -> dict[str, Expected]:
        """Where all service is alike, and nothing is lent, the wait is known exactly."""
        if self.short_tasks:
            return {}
        known = theory.reserved_wait(AGENTS, reserved=self.agents, arrivals=URGENT_RATE)
        source = "a birth-death chain"
        return {
            "wait": exactly(known.mean, source),
            "wait p99": exactly(known.quantile(0.99), source),
        }


POOLS = (
    *(Pool(agents) for agents in RESERVED),
    *(Pool(agents, short_tasks=True) for agents in RESERVED),
    *(Pool(agents, short_tasks=True, lends=True) for agents in RESERVED if agents),
)


def cells() -> Iterator[Cell]:
    """All of this part."""
    for pool in POOLS:
        full = pool.short_tasks and pool.agents not in (0, SHOWN)
        yield Cell(pool.name, SEED, TASKS // 10, TASKS, partial(measure, pool), pool.expected, full)


def measure(pool: Pool, cell: Cell) -> Figures:
    """Mean, 99th percentile and longest wait of urgent tasks, and the part of all slots that is busy."""
    observed = simulate(FleetPlan(AGENTS), pool.policy, pool.workload, skip=cell.skip, tasks=cell.tasks)
    return {
        "wait": batch_means(observed.waits),
        "wait p99": batch_quantiles(observed.waits, 0.99),
        "wait max": Estimate(max(observed.waits), 0.0),
        "utilisation": Estimate(observed.busy / AGENTS, 0.0),
    }


def short_service(chance: random.Random) -> float:
    """A short batch task: anything up to the longest that a pool is lent for."""
    return SHORT_MAX * chance.random()
