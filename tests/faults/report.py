"""`python -m tests.faults.report MEASUREMENTS JSON TABLE`: adds a run's measurements up and writes what they come to.

The JSON file has one key a figure. In the page with the table only what is between the two marks is written, and a
figure that this run did not measure keeps its row.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.faults.figures import FIGURES, Figure, Measurement

BEGIN, END = "<!-- faults: written by `make faults` -->", "<!-- faults: end -->"
HEAD = "| figure | goal | reached | runs | seeds |\n|---|---|---|---|---|\n"


def main() -> None:
    """Reads the measurements, writes the JSON file and the table."""
    measurements, result, page = map(Path, sys.argv[1:])
    lines = measurements.read_text().splitlines() if measurements.exists() else []
    figures = summarize(Measurement(**json.loads(line)) for line in lines)
    result.write_text(json.dumps(figures, indent=2) + "\n")
    page.write_text(with_rows(page.read_text(), {key: row(key, figure) for key, figure in figures.items()}))
    for key, figure in figures.items():
        print(row(key, figure))


def summarize(measurements: Iterable[Measurement]) -> dict[str, dict[str, Any]]:
    """One entry a figure, in the order of FIGURES."""
    by_figure: dict[str, list[Measurement]] = defaultdict(list)
    for measurement in measurements:
        by_figure[measurement.figure].append(measurement)
    return {key: summary(figure, by_figure[key]) for key, figure in FIGURES.items() if by_figure[key]}


def summary(figure: Figure, measurements: Sequence[Measurement]) -> dict[str, Any]:
    """All measurements of one figure together. What was skipped or failed before it could tell is counted apart."""
    made = [each for each in measurements if not each.skipped and not each.failed]
    values = [each.reached for each in made]
    failed = sum(bool(each.failed) for each in measurements)
    reached = None if not values else max(values) if figure.unit else sum(values)
    return {
        "title": figure.title,
        "goal": figure.goal,
        "unit": figure.unit,
        "reached": reached,
        "met": reached is not None and reached <= figure.goal and not failed,
        "runs": sum(each.runs for each in made),
        "runs_are": figure.runs,
        "seeds": sorted({each.seed for each in made}),
        "tests_failed": failed,
        "tests_skipped": sum(bool(each.skipped) for each in measurements),
        "skipped_because": sorted({each.skipped for each in measurements if each.skipped}),
    }


def row(key: str, figure: Mapping[str, Any]) -> str:
    """One line of the table. The key is not shown, but is how the row is found again."""
    unit = f" {figure['unit']}" if figure["unit"] else ""
    goal = f"≤ {figure['goal']:g}{unit}" if unit else f"{figure['goal']:g}"
    number = "{:.2f}" if unit else "{:g}"
    reached = "—" if figure["reached"] is None else number.format(figure["reached"]) + unit
    if figure["tests_failed"]:
        reached += f"; {figure['tests_failed']} tests FAILED"
    if figure["tests_skipped"]:
        reached += f"; {figure['tests_skipped']} tests skipped: {'; '.join(figure['skipped_because'])}"
    runs = f"{figure['runs']} {figure['runs_are']}"
    seeds = ", ".join(map(str, figure["seeds"]))
    return f"| {figure['title']} <!-- {key} --> | {goal} | {reached} | {runs} | {seeds} |"


def with_rows(page: str, rows: Mapping[str, str]) -> str:
    """The page with these rows in its table; the others stay as they are."""
    before, _, rest = page.partition(BEGIN)
    old, end, after = rest.partition(END)
    assert end, f"the page has no {BEGIN} … {END}"
    kept = {key: line for line in old.splitlines() for key in FIGURES if f"<!-- {key} -->" in line}
    merged = [({**kept, **rows})[key] for key in FIGURES if key in kept or key in rows]
    return f"{before}{BEGIN}\n\n{HEAD}" + "\n".join(merged) + f"\n\n{END}{after}"


if __name__ == "__main__":
    main()
