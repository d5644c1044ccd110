"""One run: a world, faults for a while, then the time to come to rest. A run is its seed, and nothing else."""

from __future__ import annotations

from typing import NamedTuple

from tests.simulation.clock import Clock
from tests.simulation.faults import FAULT_SECONDS, Faults
from tests.simulation.world import World

# After the faults everything must come to rest in this time: leases run out, agents are avoided for 10 s, work that
# kills its agents does it four times.
REST_SECONDS = 120.0
# Of a run that fails, so many lines are shown, the last.
TRACE_LINES = 60


class Outcome(NamedTuple):
    """What became of a run. `failure` is empty if all was well."""

    seed: int
    seconds: float
    events: int
    failure: str
    trace: list[str]
    digest: str


def simulate(seed: int, *, tracing: bool = False) -> Outcome:
    """Runs one seed."""
    clock = Clock(seed, tracing=tracing)
    failure = ""
    events = 0
    try:
        world = World(clock)
        Faults(world)
        clock.run(FAULT_SECONDS + REST_SECONDS, done=world.at_rest)
        world.on_end()
        events = len(world.tables.events)
    except Exception as error:  # whatever it is, the seed finds it again
        failure = f"{type(error).__name__}: {error}"
        if tracing:
            clock.note("FAILED", failure)
    return Outcome(seed, clock.now, events, failure, clock.trace, clock.digest() if tracing else "")


def explained(seed: int) -> str:
    """Why a seed fails, and how it came to that."""
    outcome = simulate(seed, tracing=True)
    lines = "\n".join(outcome.trace[-TRACE_LINES:])
    return f"{lines}\nseed {seed}: {outcome.failure}\nreplay: python -m tests.simulation --seed {seed} --trace"
