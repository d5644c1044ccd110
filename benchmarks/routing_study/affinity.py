"""What waiting for a warm agent gains, and what it costs.

Each task is of one repository, and an agent keeps its checkouts of the last few. A task that starts where its
repository is not takes longer by a checkout. If all starts were cold the fleet would be nearly saturated.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from benchmarks.routing_study import theory
from benchmarks.routing_study.cell import Cell, Expected, Figures, exactly
from benchmarks.routing_study.estimate import Estimate, batch_means, batch_quantiles
from benchmarks.routing_study.fleet import FleetPlan
from benchmarks.routing_study.simulation import UNIT_MICROS, Workload, simulate
from benchmarks.routing_study.workload import Zipf, poisson
from services.domain.policy import Affinity, AffinityWait, QueuePolicy

AGENTS, KEYS, EXPONENT, KEYS_MAX = 100, 200, 0.9, 5
LOAD, COLD_COST = 0.5, 0.8
SEED = 20_261_128
TASKS = 40_000
# Tasks that wait however long it takes pile up behind the one agent that is warm for the commonest key, without end.
TASKS_UNSETTLED = 6_000


class Wait(NamedTuple):
    """A policy, by how long tasks wait; in units of the mean service time."""

    name: str
    mode: AffinityWait | None
    wait: float = 0.0

    @property
    def settles(self) -> bool:
        """Whether there is a steady state to measure."""
        return self.mode is not AffinityWait.ALWAYS

    @property
    def policy(self) -> QueuePolicy:
        """The queue's policy. None: no affinity at all, which is that no task says its repository."""
        if self.mode is None:
            return QueuePolicy()
        return QueuePolicy(affinity=Affinity(self.mode, wait_micros=round(self.wait * UNIT_MICROS)))


WAITS = (
    Wait("no affinity", None),
    Wait("never", AffinityWait.NEVER),
    *(Wait(f"{wait:g}", AffinityWait.BOUNDED, wait) for wait in (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)),
    Wait("always", AffinityWait.ALWAYS),
)


def cells() -> Iterator[Cell]:
    """All of this part."""
    for wait in WAITS:
        tasks = TASKS if wait.settles else TASKS_UNSETTLED
        yield Cell(
            f"affinity/{wait.name}", SEED, tasks // 10, tasks, partial(measure, wait), expected(wait), not wait.settles
        )


def expected(wait: Wait) -> dict[str, Expected]:
    """Without affinity each agent sees a stream like all tasks: a cache of independent requests."""
    if wait.mode is not None:
        return {}
    hits = theory.least_recently_used_hits(Zipf(KEYS, EXPONENT).probabilities, KEYS_MAX)
    return {"hits": exactly(hits, "Che's approximation")}


def measure(wait: Wait, cell: Cell) -> Figures:
    """The part of starts that are warm, mean time in the system, mean and 99th percentile of the wait."""
    workload = Workload(
        poisson(AGENTS * LOAD, cell.seed, key=Zipf(KEYS, EXPONENT)),
        cold_cost=COLD_COST,
        keys_told=wait.mode is not None,
    )
    observed = simulate(FleetPlan(AGENTS, keys_max=KEYS_MAX), wait.policy, workload, skip=cell.skip, tasks=cell.tasks)
    return {
        "hits": batch_means([1.0 - cold for cold in observed.cold]),
        "time": batch_means(observed.times),
        "wait": batch_means(observed.waits),
        "wait p99": batch_quantiles(observed.waits, 0.99),
        "utilisation": Estimate(observed.busy / AGENTS, 0.0),
    }
