"""How measurements become figures, and figures rows."""

from __future__ import annotations

from tests.faults.figures import Measurement
from tests.faults.report import BEGIN, END, row, summarize, with_rows


def test_counts_are_added_up_and_times_are_the_largest() -> None:
    figures = summarize(
        [
            Measurement("kill_lost", 0, runs=60, seed=8),
            Measurement("kill_lost", 1, runs=60, seed=7),
            Measurement("dead_agent", 2.5, runs=4, seed=7),
            Measurement("dead_agent", 3.25, runs=4, seed=8),
        ]
    )

    lost, again = figures["kill_lost"], figures["dead_agent"]
    assert (lost["reached"], lost["runs"], lost["seeds"], lost["met"]) == (1, 120, [7, 8], False)
    assert (again["reached"], again["runs"], again["met"]) == (3.25, 8, True)
    assert "| ≤ 4 s | 3.25 s | 8 kills | 7, 8 |" in row("dead_agent", again)


def test_a_test_that_failed_or_was_skipped_shows_in_the_row() -> None:
    figures = summarize(
        [
            Measurement("power_lost", 0, runs=10, seed=1),
            Measurement("power_lost", 0, runs=0, seed=1, failed="TimeoutError"),
            Measurement("power_findings", 0, runs=0, seed=1, skipped="only root may mount"),
        ]
    )

    assert not figures["power_lost"]["met"]
    assert "| 0; 1 tests FAILED | 10 cuts |" in row("power_lost", figures["power_lost"])
    assert "| —; 1 tests skipped: only root may mount | 0 cuts |" in row("power_findings", figures["power_findings"])


def test_rows_that_a_run_did_not_measure_stay() -> None:
    page = f"before\n{BEGIN}\n{END}\nafter\n"

    once = with_rows(page, {"power_lost": "| <!-- power_lost --> old |", "kill_lost": "| <!-- kill_lost --> old |"})
    twice = with_rows(once, {"power_lost": "| <!-- power_lost --> new |"})

    assert [line for line in twice.splitlines() if "lost" in line] == [
        "| <!-- kill_lost --> old |",
        "| <!-- power_lost --> new |",
    ]
    assert twice.startswith("before\n")
    assert twice.endswith("after\n")
