"""The short form of the simulation: 160 seeds, each of which must keep every promise.

`make simulate` runs ten thousand, and SEEDS=… as many as you like.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.run import explained, simulate

ROOT = Path(__file__).parents[2]
PARTS, SEEDS_PER_PART = 4, 40


@pytest.mark.parametrize("part", range(PARTS))
def test_every_promise_is_kept_whatever_goes_wrong(part: int) -> None:
    for seed in range(part * SEEDS_PER_PART, (part + 1) * SEEDS_PER_PART):
        if simulate(seed).failure:
            pytest.fail(explained(seed), pytrace=False)


def test_a_seed_is_the_same_run_every_time() -> None:
    once, again, other = simulate(1, tracing=True), simulate(1, tracing=True), simulate(2, tracing=True)

    assert once == again
    assert once.digest != other.digest


def test_a_run_does_not_depend_on_the_order_of_hashes() -> None:
    code = "from tests.simulation.run import simulate; print([simulate(s, tracing=True).digest for s in range(16)])"

    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }

    assert len(digests) == 1, digests
