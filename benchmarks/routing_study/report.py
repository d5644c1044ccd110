"""The tables of `docs/routing-study.md`: what is between its markers is written here, the rest by hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks.routing_study import affinity, lanes, spread
from benchmarks.routing_study.cell import Cell, Expected, Result, Results
from benchmarks.routing_study.estimate import Estimate

NOT_RUN = "not run"


def write_tables(document: Path, results: Results) -> None:
    """Put the tables into the document, each between its own markers."""
    text = document.read_text()
    for name, lines in tables(results):
        begin, end = f"<!-- {name}: written by `make routing-study` -->", f"<!-- {name}: end -->"
        before, _, rest = text.partition(begin)
        _, found, after = rest.partition(end)
        assert found, f"{document} has no place for {name}"
        text = "\n".join([before + begin, "", *lines, "", end + after])
    document.write_text(text)


def tables(results: Results) -> Iterator[tuple[str, list[str]]]:
    """Each table by its name."""
    cells = list(spread.cells())
    yield "exponential", spread_table([cell for cell in cells if cell.name.startswith("exponential")], results)
    yield "heavy", spread_table([cell for cell in cells if cell.name.startswith("heavy")], results)
    yield "affinity", affinity_table(results)
    yield "lanes", lanes_table(results)
    yield "runs", runs_table([*cells, *affinity.cells(), *lanes.cells()], results)


def spread_table(cells: Iterable[Cell], results: Results) -> list[str]:
    """Strategies by load."""
    rows = []
    for cell in sorted(cells, key=_scene_order):
        _, load, agents, strategy = cell.name.split("/")
        result = results.get(cell.name)
        rows.append(
            [
                load,
                agents,
                strategy,
                *_compared(cell, result, "time"),
                _shown(result, "wait"),
                _shown(result, "wait p99"),
            ]
        )
    return table(["load", "agents", "strategy", "mean time", "theory", "off by", "mean wait", "wait p99"], rows)


def _scene_order(cell: Cell) -> tuple[float, int]:
    _, load, agents, _ = cell.name.split("/")
    return float(load), int(agents)


def affinity_table(results: Results) -> list[str]:
    """Policies by how long they wait."""
    rows = []
    for cell in affinity.cells():
        result = results.get(cell.name)
        shown = (_shown(result, figure) for figure in ("wait", "wait p99", "time"))
        used = _shown(result, "utilisation")
        rows.append([cell.name.split("/")[1], *_compared(cell, result, "hits"), *shown, used])
    return table(
        ["wait for a warm agent", "warm starts", "theory", "off by", "mean wait", "wait p99", "mean time", "busy"], rows
    )


def lanes_table(results: Results) -> list[str]:
    """Pools by their size."""
    rows = []
    for pool, cell in zip(lanes.POOLS, lanes.cells(), strict=True):
        result = results.get(cell.name)
        flood = "long and short" if pool.short_tasks else "long"
        waits = [*_compared(cell, result, "wait"), *_compared(cell, result, "wait p99")]
        idle = "lent" if pool.lends else "kept idle" if pool.agents else ""
        rows.append([flood, str(pool.agents), idle, *waits, _shown(result, "wait max"), _shown(result, "utilisation")])
    columns = [
        "flood",
        "reserved",
        "is",
        "mean wait",
        "theory",
        "off by",
        "wait p99",
        "theory",
        "off by",
        "longest",
        "busy",
    ]
    return table(columns, rows)


def runs_table(cells: Iterable[Cell], results: Results) -> list[str]:
    """The runs behind the figures."""
    rows = []
    for cell in cells:
        result = results.get(cell.name)
        if result is None:
            rows.append([cell.name, NOT_RUN, "", "", ""])
            continue
        first = next(iter(result.figures.values()))
        rows.append([cell.name, str(result.seed), f"{result.skip:,}", f"{result.tasks:,}", f"{first.correlation:.2f}"])
    return table(["run", "seed", "warm-up", "tasks", "correlation"], rows)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of Markdown."""
    cells = [columns, ["---"] * len(columns), *rows]
    return ["| " + " | ".join(row) + " |" for row in cells]


def _shown(result: Result | None, figure: str) -> str:
    return NOT_RUN if result is None else _figure(result.figures[figure])


def _figure(estimate: Estimate) -> str:
    return str(estimate) if estimate.half_width else f"{estimate.mean:.3g}"


def _compared(cell: Cell, result: Result | None, figure: str) -> tuple[str, str, str]:
    """What was measured, what it must be, by how much it is off, and whether only its interval makes it agree."""
    expected: Expected | None = cell.expected.get(figure)
    shown = _shown(result, figure)
    if expected is None:
        return shown, "", ""
    if result is None or expected.low != expected.high:
        return shown, str(expected), ""
    off = result.figures[figure].mean / expected.low - 1
    return shown, str(expected), f"{off:+.1%}" if abs(off) <= expected.within else f"{off:+.1%}, interval"
