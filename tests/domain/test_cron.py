"""Which instants an expression names, with the days on which clocks are changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain import cron

BERLIN = "Europe/Berlin"
SPRING = "2026-03-29"  # 02:00 CET becomes 03:00 CEST
AUTUMN = "2026-10-25"  # 03:00 CEST becomes 02:00 CET


def micros(text: str) -> int:
    """An instant from RFC 3339."""
    return (datetime.fromisoformat(text) - cron.EPOCH) // cron.MICROSECOND


def on_the_day(expression: str, day: str, zone: str = BERLIN) -> list[str]:
    """The instants of one local day, as its clocks show them."""
    start = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    shown = []
    for instant in cron.instants(expression, zone, after=(start - cron.EPOCH) // cron.MICROSECOND - 1):
        moment = (cron.EPOCH + timedelta(microseconds=instant)).astimezone(ZoneInfo(zone))
        if moment.date() != datetime.fromisoformat(day).date():
            return shown
        shown.append(moment.isoformat()[11:])
    return shown


@pytest.mark.parametrize(
    ("expression", "spring", "autumn"),
    [
        # Fixed times: once for the hour that is left out, once for the hour that comes twice.
        ("30 2 * * *", ["03:00:00+02:00"], ["02:30:00+02:00"]),
        ("0 30 2 * * *", ["03:00:00+02:00"], ["02:30:00+02:00"]),
        ("15,45 2 * * *", ["03:00:00+02:00"], ["02:15:00+02:00", "02:45:00+02:00"]),
        ("0 2,3 * * *", ["03:00:00+02:00"], ["02:00:00+02:00", "03:00:00+01:00"]),
        ("30 2,3 * * *", ["03:00:00+02:00", "03:30:00+02:00"], ["02:30:00+02:00", "03:30:00+01:00"]),
        ("0 3 * * *", ["03:00:00+02:00"], ["03:00:00+01:00"]),
        # Every so often: by the time that passes.
        ("*/30 2 * * *", [], ["02:00:00+02:00", "02:30:00+02:00", "02:00:00+01:00", "02:30:00+01:00"]),
    ],
)
def test_days_with_a_change_of_the_clocks(expression: str, spring: list[str], autumn: list[str]) -> None:
    assert on_the_day(expression, SPRING) == spring
    assert on_the_day(expression, AUTUMN) == autumn


def test_the_table_in_the_documentation_is_true() -> None:
    text = (Path(__file__).parents[2] / "docs" / "schedules.md").read_text()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:3] == "| `"]
    rows = [row for row in rows if row[0].endswith("*`")]
    assert len(rows) == 7
    for expression, *days in rows:
        for told, day in zip(days, (SPRING, AUTUMN), strict=True):
            found = [
                f"{each[:5]}{each[8:]}" for each in on_the_day(expression.strip("`"), day) if "01:3" <= each < "04"
            ]
            assert told == (", ".join(found) or "nothing"), expression


def test_every_hour_fires_each_hour_that_passes() -> None:
    assert len(on_the_day("30 * * * *", SPRING)) == 23
    assert len(on_the_day("30 * * * *", AUTUMN)) == 25
    assert on_the_day("30 * * * *", AUTUMN)[2:4] == ["02:30:00+02:00", "02:30:00+01:00"]


def test_in_the_second_of_the_two_hours_a_fixed_time_of_it_has_passed() -> None:
    """The wall shows 02:10, and yet 02:30 was half an hour ago."""
    after = micros("2026-10-25T02:10:00+01:00")
    assert cron.next_instant("30 2 * * *", BERLIN, after=after) == micros("2026-10-26T02:30:00+01:00")


def test_half_an_hour_may_be_left_out() -> None:
    assert on_the_day("15 2 * * *", "2026-10-04", "Australia/Lord_Howe") == ["02:30:00+11:00"]


def test_a_whole_day_may_be_left_out() -> None:
    """Samoa went over the date line: there was no 30 December 2011."""
    after = micros("2011-12-29T12:00:00-10:00")
    first = cron.next_instant("0 12 30 12 *", "Pacific/Apia", after=after)
    assert first == micros("2011-12-31T00:00:00+14:00")


def test_leap_days() -> None:
    found = islice(cron.instants("0 12 29 2 *", "UTC", after=micros("2026-01-01T00:00:00Z")), 3)
    assert list(found) == [micros(f"{year}-02-29T12:00:00Z") for year in (2028, 2032, 2036)]


def test_the_century_without_a_leap_day() -> None:
    assert cron.next_instant("0 0 29 2 *", "UTC", after=micros("2097-01-01T00:00:00Z")) == micros(
        "2104-02-29T00:00:00Z"
    )


def test_an_instant_is_after_and_not_at() -> None:
    at = micros("2026-05-01T12:00:00Z")
    assert cron.next_instant("* * * * * *", "UTC", after=at - 1) == at
    assert cron.next_instant("* * * * * *", "UTC", after=at) == at + 1_000_000


@pytest.mark.parametrize(
    ("expression", "zone", "field", "said"),
    [
        ("61 * * * *", "UTC", "cron", "minute"),
        ("* * * *", "UTC", "cron", "has 4 fields"),
        ("@daily", "UTC", "cron", "has 1 fields"),
        ("* * * * * * *", "UTC", "cron", "has 7 fields"),
        ("0 0 31 2 *", "UTC", "cron", "day-of-month"),
        ("0 0 */40 * 1#5", "UTC", "cron", "never fires"),
        ("*/0 * * * *", "UTC", "cron", "minute"),
        ("0 0 * * *", "europe/berlin", "time_zone", 'did you mean "Europe/Berlin"?'),
        ("0 0 * * *", "berlin", "time_zone", 'did you mean "Europe/Berlin"?'),
        ("0 0 * * *", "../etc/passwd", "time_zone", "is no IANA time zone"),
        ("0 0 * * *", "localtime", "time_zone", "is no IANA time zone"),
        ("0 0 * * *", "right/UTC", "time_zone", "is no IANA time zone"),
    ],
)
def test_what_cannot_be_carried_out_is_refused_with_the_field(
    expression: str, zone: str, field: str, said: str
) -> None:
    [(named, reason)] = cron.faults(expression, zone, now=micros("2026-01-01T00:00:00Z"))
    assert named == field
    assert said in reason


def test_both_faults_are_told() -> None:
    assert [field for field, _ in cron.faults("x", "nowhere", now=0)] == ["time_zone", "cron"]


numbers = {"second": 59, "minute": 59, "hour": 23, "day": 28, "month": 12, "weekday": 6}


def cron_field(name: str) -> st.SearchStrategy[str]:
    """One field of an expression."""
    least = 1 if name in ("day", "month") else 0
    number = st.integers(least, numbers[name])
    listed = st.lists(number, min_size=1, max_size=3).map(lambda values: ",".join(map(str, values)))
    step = st.integers(1, numbers[name]).map(lambda value: f"*/{value}")
    return st.one_of(st.just("*"), listed, step)


five = st.tuples(*(cron_field(name) for name in list(numbers)[1:])).map(" ".join)
six = st.tuples(*(cron_field(name) for name in numbers)).map(" ".join)
zones = st.sampled_from([BERLIN, "UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut", "America/Havana"])
moments = st.integers(micros("2026-01-01T00:00:00Z"), micros("2027-12-31T00:00:00Z"))


@settings(deadline=None, max_examples=200)
@given(five | six, zones, moments)
def test_instants_rise_and_each_is_the_next_of_the_one_before(expression: str, zone: str, after: int) -> None:
    found = list(islice(cron.instants(expression, zone, after=after), 8))
    assert found == sorted(set(found))
    assert all(instant > after and instant % 1_000_000 == 0 for instant in found)
    steps = [after]
    for _ in found:
        steps.append(cron.next_instant(expression, zone, after=steps[-1]))
    assert steps[1:] == found


@settings(deadline=None, max_examples=100)
@given(five | six, moments)
def test_in_utc_it_is_what_the_library_says(expression: str, after: int) -> None:
    begin = cron.EPOCH + timedelta(microseconds=after)
    library = [(m - cron.EPOCH) // cron.MICROSECOND for m in islice(CronSim(expression, begin), 5)]
    assert list(islice(cron.instants(expression, "UTC", after=after), 5)) == library


@settings(deadline=None)
@given(st.text(max_size=30) | st.text("0123456789*/,-#LW ", max_size=30))
def test_whatever_is_written_is_judged_and_does_not_break(expression: str) -> None:
    list(cron.faults(expression, "UTC", now=0))
