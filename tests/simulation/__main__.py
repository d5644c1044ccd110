"""The simulation from the command line.

python -m tests.simulation --seed 7 --trace     one seed, and everything that happens in it
python -m tests.simulation --seeds 10000        many, on all cores; the first is --first
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.run import explained, simulate

CHUNK = 50
FAILURES_SHOWN_MAX = 3


def failures(first: int, count: int) -> list[tuple[int, str]]:
    """The seeds of a part that fail, with what they say."""
    outcomes = (simulate(seed) for seed in range(first, first + count))
    return [(outcome.seed, outcome.failure) for outcome in outcomes if outcome.failure]


def run_many(first: int, count: int, jobs: int) -> Iterator[tuple[int, str]]:
    """The seeds that fail, in order."""
    starts = range(first, first + count, CHUNK)
    with ProcessPoolExecutor(jobs) as pool:
        for found in pool.map(failures, starts, [min(CHUNK, first + count - start) for start in starts]):
            yield from found


def main() -> int:
    """Exits 1 if a seed fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, help="one seed")
    parser.add_argument("--trace", action="store_true", help="print what happens in it")
    parser.add_argument("--seeds", type=int, default=10_000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of many")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        return run_one(arguments.seed, tracing=arguments.trace)
    begin, failed = time.monotonic(), 0
    for seed, failure in run_many(arguments.first, arguments.seeds, arguments.jobs):
        failed += 1
        print(explained(seed) if failed <= FAILURES_SHOWN_MAX else f"seed {seed}: {failure}", flush=True)
    seconds = time.monotonic() - begin
    print(
        f"simulation: {arguments.seeds - failed} of {arguments.seeds} seeds passed, {arguments.seeds / seconds:.0f}/s"
    )
    return 1 if failed else 0


def run_one(seed: int, *, tracing: bool) -> int:
    """One seed, with its trace."""
    outcome = simulate(seed, tracing=tracing)
    if tracing:
        print("\n".join(outcome.trace))
        print(f"digest {outcome.digest}")
    print(f"seed {seed}: {outcome.failure or 'passed'} after {outcome.seconds:.1f} s, {outcome.events} events")
    return 1 if outcome.failure else 0


if __name__ == "__main__":
    sys.exit(main())
