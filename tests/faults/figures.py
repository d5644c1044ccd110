"""What the fault suite measures: each figure with its goal, and the measurements that make it up.

A test records measurements; `report` adds them up over all tests and seeds of a run. In the short forms of `make test`
nothing is recorded, the tests only judge.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

# `make faults SEED=…` replays a run; otherwise every run of a long form goes somewhere new.
SEED = int(os.environ.get("FAULTS_SEED") or int.from_bytes(os.urandom(3)))
# Set by `make faults`: the file that measurements are appended to.
RECORD_VARIABLE = "FAULTS_RECORD"


@dataclass(frozen=True)
class Figure:
    """A figure: the largest value that is right, and what is counted as a run.

    A figure with a unit is the largest of all measurements, one without is their sum.
    """

    title: str
    goal: float
    runs: str
    unit: str = ""


@dataclass(frozen=True)
class Measurement:
    """What one test found of one figure. `skipped` says why there is nothing to tell."""

    figure: str
    reached: float
    runs: int
    seed: int
    skipped: str = ""


FIGURES: Mapping[str, Figure] = {
    "kill_lost": Figure("acknowledged tasks lost over kill -9 of every process", 0, "kills"),
    "kill_findings": Figure("anything else that the checkers found after those kills", 0, "kills"),
}


def record(figure: str, reached: float, *, runs: int, seed: int, skipped: str = "") -> None:
    """Prints a measurement, and keeps it if this is a run of the long forms."""
    measurement = Measurement(figure, reached, runs, seed, skipped)
    print(f"{FIGURES[figure].title}: {measurement}")
    if path := os.environ.get(RECORD_VARIABLE):
        with Path(path).open("a") as file:
            file.write(json.dumps(asdict(measurement)) + "\n")
