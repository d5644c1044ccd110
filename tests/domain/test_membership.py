"""When a coordinator counts as dead: by its row, and the clock of whoever looks."""

from __future__ import annotations

import msgspec

from services.domain.membership import (
    DEAD_SECONDS,
    LOOK_GAP_SECONDS,
    START_SECONDS,
    Coordinator,
    CoordinatorState,
    Watch,
)

OTHER = Coordinator("other", 3, 7, CoordinatorState.LIVE, "host:7070")


def looks(coordinator: Coordinator, seconds: float, *, watch: Watch | None = None, start: float = 0.0) -> list[bool]:
    """Looks every half second, for so long: whether it was dead each time."""
    watch = watch or Watch()
    count = int(seconds * 2) + 1
    return [bool(watch.look([coordinator], now=start + number / 2)) for number in range(count)]


def test_one_whose_row_does_not_change_is_dead_after_its_time() -> None:
    seen = looks(OTHER, DEAD_SECONDS)
    assert seen == [False] * (len(seen) - 1) + [True]


def test_one_that_has_written_nothing_yet_is_still_starting() -> None:
    seen = looks(msgspec.structs.replace(OTHER, flush=0), START_SECONDS)
    assert seen == [False] * (len(seen) - 1) + [True]


def test_every_change_of_its_row_counts_as_life() -> None:
    watch = Watch()
    for number in range(100):
        assert watch.look([msgspec.structs.replace(OTHER, flush=number)], now=number * (LOOK_GAP_SECONDS - 0.5)) == []


def test_whoever_has_not_looked_for_long_begins_anew() -> None:
    watch = Watch()
    looks(OTHER, DEAD_SECONDS - 1, watch=watch)
    assert watch.look([OTHER], now=100.0) == []
    assert looks(OTHER, DEAD_SECONDS, watch=watch, start=100.0)[-1]


def test_one_that_has_stopped_in_order_is_not_dead() -> None:
    assert not any(looks(msgspec.structs.replace(OTHER, state=CoordinatorState.STOPPED), 2 * DEAD_SECONDS))
