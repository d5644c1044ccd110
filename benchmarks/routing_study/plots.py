"""The study's plots, as SVG. The same results give the same files, byte by byte."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.routing_study import affinity, lanes, theory
from benchmarks.routing_study.cell import Results
from benchmarks.routing_study.estimate import Estimate
from benchmarks.routing_study.spread import HEAVY, Scene, Spread

# Text stays text, and ids are not drawn at random.
STYLE = {"svg.fonttype": "none", "svg.hashsalt": "routing-study", "font.size": 10, "axes.grid": True, "grid.alpha": 0.3}
COLOURS = {
    Spread.RANDOM: "tab:red",
    Spread.ROUND_ROBIN: "tab:orange",
    Spread.TWO: "tab:blue",
    Spread.SHORTEST: "tab:green",
    Spread.CENTRAL: "black",
}
LOADS = [0.5 + 0.005 * step for step in range(99)]


class Series(NamedTuple):
    """Points with their intervals."""

    label: str
    at: Sequence[float]
    estimates: Sequence[Estimate]
    colour: str


def draw_all(results: Results, folder: Path) -> None:
    """Draw what there are results for."""
    folder.mkdir(parents=True, exist_ok=True)
    draw_exponential(results, folder / "exponential.svg")
    draw_heavy(results, folder / "heavy.svg")
    draw_affinity(results, folder / "affinity.svg")
    draw_lanes(results, folder / "lanes.svg")


def draw_exponential(results: Results, path: Path) -> None:
    """Mean time against load: lines by theory, points by the scheduler."""
    lines: dict[Spread, Callable[[float], float]] = {
        Spread.RANDOM: theory.random_time,
        Spread.ROUND_ROBIN: lambda load: theory.round_robin_time(100, load),
        Spread.TWO: theory.supermarket_time,
        Spread.CENTRAL: lambda load: 1 + theory.central_queue_wait(100, load),
    }
    with canvas(path) as axes:
        for spread, line in lines.items():
            axes.plot(LOADS, [line(load) for load in LOADS], color=COLOURS[spread], linewidth=1)
        for spread in COLOURS:
            points(axes, exponential_series(results, spread))
        axes.set(xlabel="load", ylabel="mean time in the system, in service times", yscale="log")
        axes.set_yticks([1, 2, 5, 10, 20, 50, 100], labels=["1", "2", "5", "10", "20", "50", "100"])
        legend(axes)


def exponential_series(results: Results, spread: Spread) -> Series:
    """One strategy with a hundred agents; of the two kinds of two choices, the scheduler's."""
    loads = [load for load in (0.5, 0.7, 0.8, 0.9, 0.95, 0.99) if Scene(100, load).name(spread) in results]
    estimates = [results[Scene(100, load).name(spread)].figures["time"] for load in loads]
    return Series(str(spread), loads, estimates, COLOURS[spread])


def draw_heavy(results: Results, path: Path) -> None:
    """Mean time of each strategy with heavy-tailed service, beside exponential service."""
    shown = [
        spread
        for spread in COLOURS
        if Scene(100, 0.8, HEAVY).name(spread) in results and Scene(100, 0.8).name(spread) in results
    ]
    with canvas(path) as axes:
        for offset, label, service in ((-0.2, "exponential", None), (0.2, "bounded Pareto", HEAVY)):
            scene = Scene(100, 0.8, service) if service else Scene(100, 0.8)
            estimates = [results[scene.name(spread)].figures["time"] for spread in shown]
            axes.bar(
                [place + offset for place in range(len(shown))],
                [estimate.mean for estimate in estimates],
                width=0.4,
                yerr=[estimate.half_width for estimate in estimates],
                label=label,
            )
        axes.set(ylabel="mean time in the system, in service times", yscale="log")
        axes.set_xticks(range(len(shown)), labels=[str(spread).replace(", ", ",\n") for spread in shown])
        legend(axes)


def draw_affinity(results: Results, path: Path) -> None:
    """Warm starts and times against how long tasks wait for a warm agent, where there is a steady state."""
    shown = [wait for wait in affinity.WAITS if wait.settles and f"affinity/{wait.name}" in results]
    figures = [results[f"affinity/{wait.name}"].figures for wait in shown]
    at = list(range(len(shown)))
    with canvas(path) as axes:
        for figure, label, colour in (("time", "mean time", "tab:blue"), ("wait", "mean wait", "tab:orange")):
            points(axes, Series(label, at, [found[figure] for found in figures], colour), line="-")
        axes.set(
            xlabel="how long a task waits for a warm agent, in service times", ylabel="service times", ylim=(0, None)
        )
        axes.set_xticks(at, labels=[wait.name for wait in shown], rotation=30)
        hits = axes.twinx()
        points(hits, Series("warm starts (right)", at, [found["hits"] for found in figures], "tab:green"), line="--")
        hits.set(ylim=(0, 1))
        hits.grid(visible=False)
        legend(axes, hits)


def draw_lanes(results: Results, path: Path) -> None:
    """The urgent tasks' wait against the size of the reserved pool."""
    kinds = (
        ("kept idle", "tab:blue", {"short_tasks": False, "lends": False}),
        ("kept idle, short tasks in the flood", "tab:orange", {"short_tasks": True, "lends": False}),
        ("lent to short tasks", "tab:green", {"short_tasks": True, "lends": True}),
    )
    with canvas(path) as axes:
        for label, colour, kind in kinds:
            pools = [lanes.Pool(agents, **kind) for agents in lanes.RESERVED]
            pools = [pool for pool in pools if pool.name in results]
            estimates = [results[pool.name].figures["wait"] for pool in pools]
            points(axes, Series(label, [pool.agents for pool in pools], estimates, colour), line="")
        sizes = range(max(lanes.RESERVED) + 1)
        known = [theory.reserved_wait(lanes.AGENTS, reserved=size, arrivals=lanes.URGENT_RATE).mean for size in sizes]
        axes.plot(sizes, known, color="tab:blue", linewidth=1)
        axes.set(xlabel=f"agents reserved, of {lanes.AGENTS}", ylabel="mean wait of urgent tasks, in service times")
        axes.set(ylim=(0, None))
        legend(axes)


def points(axes: Axes, series: Series, *, line: str = "") -> None:
    """Draw points with error bars."""
    if series.at:
        axes.errorbar(
            series.at,
            [estimate.mean for estimate in series.estimates],
            yerr=[estimate.half_width for estimate in series.estimates],
            fmt="o" + line, color=series.colour, label=series.label, markersize=4, capsize=3,
        )  # fmt: skip


def legend(*both: Axes) -> None:
    """Say what is what, if there is anything."""
    entries = [entry for axes in both for entry in zip(*axes.get_legend_handles_labels(), strict=True)]
    if entries:
        both[-1].legend([handle for handle, _ in entries], [label for _, label in entries])


@contextmanager
def canvas(path: Path) -> Iterator[Axes]:
    """Axes of a figure that is written in the end."""
    with style.context(STYLE):
        figure = Figure(figsize=(7.5, 4.5), layout="constrained")
        yield figure.add_subplot()
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
