"""Runs the study, compares it with theory, and writes docs/routing-study.md.

python -m benchmarks.routing_study            what runs with every change (some minutes)
python -m benchmarks.routing_study --full     all of it (an hour and more)
python -m benchmarks.routing_study --only exponential/0.9 --full     the runs whose names begin so
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from pathlib import Path

from benchmarks.routing_study import affinity, lanes, spread
from benchmarks.routing_study.cell import Cell, load_results, save_results
from benchmarks.routing_study.plots import draw_all
from benchmarks.routing_study.report import write_tables

DOCS = Path(__file__).parents[2] / "docs"


def all_cells() -> list[Cell]:
    """Every measurement."""
    return [*spread.cells(), *affinity.cells(), *lanes.cells()]


def main() -> int:
    """Exits 1 if simulation and theory part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="also what takes long")
    parser.add_argument("--only", default="", metavar="BEGINNING", help="only runs whose names begin so")
    arguments = parser.parse_args()
    chosen = [
        cell for cell in all_cells() if cell.name.startswith(arguments.only) and (arguments.full or not cell.full)
    ]
    disagreements = [line for cell in chosen for line in run(cell)]
    results = load_results()
    write_tables(DOCS / "routing-study.md", results)
    draw_all(results, DOCS / "routing-study")
    for line in disagreements:
        print(f"routing-study: {line}")
    print(f"routing-study: {len(chosen)} runs, {len(disagreements)} disagreements; written to docs/routing-study.md")
    return 1 if disagreements else 0


def run(cell: Cell) -> list[str]:
    """Run a cell and remember its result at once; what it disagrees with."""
    begin = time.process_time()
    gc.freeze()
    result = cell.run()
    results = load_results()
    results[cell.name] = result
    save_results(results)
    shown = ", ".join(f"{figure} {estimate}" for figure, estimate in result.figures.items())
    print(f"routing-study: {cell.name}: {shown} ({time.process_time() - begin:.0f} s)", flush=True)
    return list(cell.disagreements(result))


if __name__ == "__main__":
    sys.exit(main())
