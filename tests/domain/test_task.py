"""The life of a task, as a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.domain.diagram import diagram
from services.domain.task import HELD, TERMINAL, TRANSITIONS, IllegalTransition, Task, TaskState, advance

ROOT = Path(__file__).parents[2]


def task(state: TaskState) -> Task:
    return Task(
        id="t",
        namespace="default",
        queue="default",
        kind="work",
        priority=0,
        needs_id="n",
        affinity_key="",
        state=state,
        version=1,
        create_time=1,
    )


@pytest.mark.parametrize("before", list(TaskState))
@pytest.mark.parametrize("after", list(TaskState))
def test_an_edge_is_in_the_table_or_raises(before: TaskState, after: TaskState) -> None:
    if (before, after) in TRANSITIONS:
        assert advance(task(before), after).version == 2
    else:
        with pytest.raises(IllegalTransition):
            advance(task(before), after)


def test_nothing_leaves_a_terminal_state_and_every_other_state_can_be_cancelled() -> None:
    assert {before for before, _ in TRANSITIONS} == set(TaskState) - TERMINAL
    assert {before for before, after in TRANSITIONS if after is TaskState.CANCELLED} == set(TaskState) - TERMINAL


def test_only_a_held_task_succeeds() -> None:
    assert {before for before, after in TRANSITIONS if after is TaskState.SUCCEEDED} <= HELD


def test_the_diagram_in_the_docs_is_drawn_from_the_table() -> None:
    assert diagram() in (ROOT / "ARCHITECTURE.md").read_text()
