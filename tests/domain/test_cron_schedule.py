"""What is done about instants that have come: in time, late, and too many."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.cron_schedule import (
    IN_TIME_MICROS,
    LOOKED_AT_MAX,
    MADE_UP_MAX,
    Due,
    MissedPolicy,
    Schedule,
    due,
)

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
BEGIN = 1_800_000_000 * SECOND  # a whole hour
FIRINGS_MAX = 200


def schedule(**fields: Any) -> Schedule:
    values: dict[str, Any] = {
        "namespace": "default",
        "name": "s",
        "cron": "0 * * * *",
        "time_zone": "UTC",
        "missed_policy": MissedPolicy.ONE,
        "paused": False,
        "version": 1,
        "create_time": 1,
        "update_time": 1,
        "next_time": BEGIN,
        **fields,
    }
    return Schedule(**values)


def look(now: int, **fields: Any) -> Due:
    return due(schedule(**fields), now=now, firings_max=FIRINGS_MAX)


def test_nothing_is_due_before_its_time() -> None:
    assert look(BEGIN - 1) == Due((), 0, BEGIN)


@pytest.mark.parametrize("policy", MissedPolicy)
@pytest.mark.parametrize("late", [0, SECOND, MINUTE])
def test_up_to_a_minute_late_is_in_time_whatever_the_policy(policy: MissedPolicy, late: int) -> None:
    assert look(BEGIN + late, missed_policy=policy) == Due((BEGIN,), 0, BEGIN + HOUR)


@pytest.mark.parametrize(
    ("policy", "fired", "missed"),
    [
        (MissedPolicy.SKIP, (), 5),
        (MissedPolicy.ONE, (4,), 4),
        (MissedPolicy.ALL, (0, 1, 2, 3, 4), 0),
    ],
)
def test_five_hours_away(policy: MissedPolicy, fired: tuple[int, ...], missed: int) -> None:
    now = BEGIN + 4 * HOUR + 30 * MINUTE
    instants = tuple(BEGIN + number * HOUR for number in fired)
    assert look(now, missed_policy=policy) == Due(instants, missed, BEGIN + 5 * HOUR)


def test_what_is_in_time_fires_besides_what_is_made_up_for() -> None:
    found = look(BEGIN + 10 * MINUTE, cron="* * * * *", missed_policy=MissedPolicy.ONE)
    assert found.instants == tuple(BEGIN + number * MINUTE for number in (8, 9, 10))
    assert found.missed == 8


def test_of_very_many_the_newest_hundred_are_made_up_for() -> None:
    found = look(BEGIN + 1000 * HOUR, missed_policy=MissedPolicy.ALL)
    assert len(found.instants) == MADE_UP_MAX + 1  # and the one that is in time
    assert found.missed == 900


def test_a_clock_that_was_put_back_fires_nothing_twice() -> None:
    """What has fired stays fired; it goes on when the clock gets there."""
    assert look(BEGIN - 5 * HOUR) == Due((), 0, BEGIN)


def test_what_the_zone_s_new_rules_do_not_name_any_more_does_not_fire() -> None:
    assert look(BEGIN + 30 * MINUTE, cron="45 * * * *") == Due((), 0, BEGIN + 45 * MINUTE)


def test_one_that_is_paused_or_never_fires_again_is_never_due() -> None:
    assert look(BEGIN, next_time=0) == Due((), 0, 0)


@settings(deadline=None)
@given(
    policy=st.sampled_from(MissedPolicy),
    cron=st.sampled_from(["* * * * * *", "*/7 * * * * *", "* * * * *", "0 * * * *", "5,50 3 * * *"]),
    away=st.integers(0, 40 * HOUR),
    firings_max=st.integers(1, 500),
)
def test_every_instant_is_fired_or_missed_once_whatever_the_bounds(
    policy: MissedPolicy, cron: str, away: int, firings_max: int
) -> None:
    """Looks follow each other until nothing is due; what they say together is what one look at everything would say."""
    now = BEGIN + away
    value = schedule(cron=cron, missed_policy=policy)
    value = schedule(cron=cron, missed_policy=policy, next_time=due(value, now=BEGIN, firings_max=1).next_time)
    fired: list[int] = []
    missed = 0
    first = value.next_time
    while value.next_time <= now:
        found = due(value, now=now, firings_max=firings_max)
        assert found.next_time > value.next_time
        fired += found.instants
        missed += found.missed
        value = schedule(cron=cron, missed_policy=policy, next_time=found.next_time)
    everything = [instant for instant in range(first, now + 1, SECOND) if names(cron, instant)]
    late = [instant for instant in everything if instant < now - IN_TIME_MICROS]
    made_up = late[len(late) - min(len(late), policy.made_up_max) :]
    assert fired == made_up + everything[len(late) :]
    assert missed == len(late) - len(made_up)


def names(cron: str, instant: int) -> bool:
    """Whether one of the expressions above names an instant, without the library."""
    seconds = instant // SECOND
    second, minute, hour = seconds % 60, seconds // 60 % 60, seconds // 3600 % 24
    return {
        "* * * * * *": True,
        "*/7 * * * * *": second % 7 == 0,
        "* * * * *": second == 0,
        "0 * * * *": (minute, second) == (0, 0),
        "5,50 3 * * *": hour == 3 and minute in (5, 50) and second == 0,
    }[cron]


@pytest.mark.parametrize("policy", MissedPolicy)
def test_a_day_of_seconds_is_gone_through_in_bounded_looks(policy: MissedPolicy) -> None:
    value = schedule(cron="* * * * * *", missed_policy=policy)
    now = BEGIN + 24 * HOUR
    looks, told = 0, 0
    while value.next_time <= now:
        found = due(value, now=now, firings_max=FIRINGS_MAX)
        looks, told = looks + 1, told + found.missed + len(found.instants)
        value = schedule(cron="* * * * * *", missed_policy=policy, next_time=found.next_time)
    assert looks == 9
    assert told == 24 * 3600 + 1


def test_a_look_is_bounded() -> None:
    found = look(BEGIN + 100 * HOUR, cron="* * * * * *", missed_policy=MissedPolicy.ALL)
    assert found.instants == ()
    assert found.missed == LOOKED_AT_MAX + 1 - MADE_UP_MAX
