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
    """What one test found of one figure; `skipped` and `failed` say why it could not tell."""

    figure: str
    reached: float
    runs: int
    seed: int
    skipped: str = ""
    failed: str = ""


FIGURES: Mapping[str, Figure] = {
    "kill_lost": Figure("acknowledged tasks lost over kill -9 of every process", 0, "kills"),
    "kill_findings": Figure("anything else that the checkers found after those kills", 0, "kills"),
    "zombie_outcomes": Figure("outcomes accepted from a stale lease", 0, "zombies"),
    "power_lost": Figure("acknowledged tasks lost over power cuts (SQLite on ext4)", 0, "cuts"),
    "power_findings": Figure("anything else that the checkers found after those cuts", 0, "cuts"),
    "dead_agent": Figure("a dead agent's task is leased again; the lease's time to live is 2 s", 4, "kills", "s"),
    "coordinator_agents": Figure(
        "from kill -9 of one of two coordinators under 200 agents at work until all are back", 10, "kills", "s"
    ),
    "coordinator_requeued": Figure("live leases requeued by those kills", 0, "kills"),
    "writer_stopped": Figure("from SIGSTOP of a writer in mid-transaction to another's commit", 2, "stops", "s"),
    "scheduler_back": Figure("from the start of a killed scheduler to placements", 3, "kills", "s"),
    "standby_killed": Figure("from kill -9 of the active one of two schedulers to placements", 3, "kills", "s"),
    "standby_stopped": Figure("from SIGSTOP of the active one of two schedulers to placements", 3, "stops", "s"),
    "follower_cuts": Figure("events missing, doubled or reordered for SSE followers cut in mid-frame", 0, "cuts"),
    "full_lost": Figure("acknowledged tasks lost when the disk was full (SQLite on a small tmpfs)", 0, "fillings"),
    "full_findings": Figure("anything else that the checkers found after those fillings", 0, "fillings"),
    "failpoint_findings": Figure("anything that the checkers found after deaths around commits and sends", 0, "deaths"),
    "commit_findings": Figure("anything that the checkers found after COMMITs lost, or their answers", 0, "losses"),
    "promotion_lost": Figure("acknowledged tasks lost when a synchronous standby is promoted", 0, "promotions"),
    "promotion_findings": Figure(
        "anything but the loss itself that the checkers found when a standby that lacked commits was promoted",
        0,
        "promotions",
    ),
    "pool_leaks": Figure(
        "connections that are not free after calls were given up at random moments, with a pool of two", 0, "calls"
    ),
    "sync_findings": Figure("anything that the checkers found after errors of pwrite and fdatasync", 0, "errors"),
    "partition_findings": Figure("anything that the checkers found after partitions of the network", 0, "partitions"),
    "clock_revoked": Figure("live leases revoked when the coordinator's clock jumps by an hour", 0, "jumps"),
}


def record(figure: str, reached: float, *, runs: int, seed: int) -> None:
    """Prints a measurement, and keeps it if this is a run of the long forms."""
    print(f"{FIGURES[figure].title}: {reached:g}, {runs} {FIGURES[figure].runs}, seed {seed}")
    keep(Measurement(figure, reached, runs, seed))


def keep(measurement: Measurement) -> None:
    """Appends it to the file of the run, if there is one."""
    if path := os.environ.get(RECORD_VARIABLE):
        with Path(path).open("a") as file:
            file.write(json.dumps(asdict(measurement)) + "\n")
