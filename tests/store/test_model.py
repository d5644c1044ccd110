"""A stateful property test of the whole store: whatever is asked for, in whatever order and company, real journals on a
real database answer what a small model answers, and leave behind what it has.

Commands go out one at a time, or several at once, so that they share a flush or ride on one that is not written yet;
among them some that the database does not take, and some whose caller goes away.
`make faults SEED=… TESTS=tests/store/test_model.py` replays a long run.
"""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.store import flush, journal
from tests.faults.figures import SEED
from tests.store.journals import Journals
from tests.store.script import Clock, Run, orders


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Time goes on when the test says so; a flush is prepared on top of another whenever there is one."""
    made = Clock()
    monkeypatch.setattr(flush, "time", made)
    monkeypatch.setattr(journal, "PIPELINED_ITEMS_MIN", 1)
    return made


@pytest.fixture
def journals(database_url: str, clock: Clock) -> Iterator[Journals]:
    with structlog.testing.capture_logs():  # what no database takes is told at length
        made = Journals(database_url)
        yield made
        made.close()


def test_an_order_keeps_what_each_journal_was_told_in_its_order() -> None:
    assert list(orders([0, 0, 0])) == [[0, 1, 2]]
    assert sorted(orders([0, 1, 0])) == [[0, 1, 2], [0, 2, 1], [1, 0, 2]]


def play(journals: Journals, clock: Clock, *, steps: int, scripts: int, seed: int) -> None:
    """Plays scripts until one fails, which is then made as short as it can be."""

    @settings(max_examples=scripts, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @hypothesis.seed(seed)
    @given(script=st.binary(min_size=2 * steps, max_size=2 * steps))
    def play_one(script: bytes) -> None:
        Run(journals, clock).play(script)

    play_one()


@pytest.mark.timeout(300)
def test_the_store_answers_and_keeps_what_the_model_does(journals: Journals, clock: Clock) -> None:
    """The same scripts each time."""
    play(journals, clock, steps=60, scripts=50, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_store_answers_and_keeps_what_the_model_does_for_long(journals: Journals, clock: Clock) -> None:
    print(f"\nseed {SEED}: make faults SEED={SEED} TESTS=tests/store/test_model.py")
    play(journals, clock, steps=120, scripts=300, seed=SEED)
