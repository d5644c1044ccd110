"""The document's tables and plots."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.routing_study.cell import Result, load_results, save_results
from benchmarks.routing_study.estimate import Estimate
from benchmarks.routing_study.plots import draw_all
from benchmarks.routing_study.report import NOT_RUN, table, write_tables

NAMES = ("exponential", "heavy", "affinity", "lanes", "runs")
FIGURES = {"time": Estimate(2.7, 0.1), "wait": Estimate(1.7, 0.1), "wait p99": Estimate(7.0, 0.2)}
RESULTS = {"exponential/0.9/100/two choices": Result(1, 10, 100, FIGURES)}


def document(folder: Path) -> Path:
    path = folder / "study.md"
    begin = "<!-- {0}: written by `make routing-study` -->\nold\n<!-- {0}: end -->\n"
    path.write_text("by hand\n" + "".join(begin.format(name) for name in NAMES))
    return path


def test_tables_go_between_their_markers(tmp_path: Path) -> None:
    path = document(tmp_path)
    write_tables(path, RESULTS)
    text = path.read_text()
    assert text.startswith("by hand\n")
    assert "old" not in text
    assert "| 0.9 | 100 | two choices | 2.7 ± 0.1 | 2.614 | +3.3%, interval | 1.7 ± 0.1 | 7 ± 0.2 |" in text
    assert NOT_RUN in text


def test_writing_twice_changes_nothing(tmp_path: Path) -> None:
    path = document(tmp_path)
    write_tables(path, RESULTS)
    once = path.read_text()
    write_tables(path, RESULTS)
    assert path.read_text() == once


def test_a_document_without_a_place_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "study.md"
    path.write_text("nothing here\n")
    with pytest.raises(AssertionError, match="no place for exponential"):
        write_tables(path, RESULTS)


def test_plots_are_the_same_byte_by_byte(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        draw_all(RESULTS, tmp_path / folder)
    plots = sorted((tmp_path / "one").iterdir())
    assert len(plots) == 4
    for path in plots:
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()


def test_results_are_kept_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    assert load_results(path) == {}
    save_results(RESULTS, path)
    assert load_results(path) == RESULTS


def test_a_table_is_markdown() -> None:
    assert table(["a", "b"], [["1", "2"]]) == ["| a | b |", "| --- | --- |", "| 1 | 2 |"]
