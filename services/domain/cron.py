"""Cron expressions: which instants they name in a time zone.

Five fields (minute, hour, day of the month, month, day of the week), or six with seconds before them. Daylight saving
is treated as Debian's cron does: an expression with fixed times (neither the minute nor the hour begins with "*") goes
by the clock on the wall, and fires once for an hour that is left out or comes twice; any other goes by the time that
really passes. Instants are microseconds since 1970 UTC, always whole seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
# What is found among the zones but means something else on each machine.
NOT_ZONES = frozenset({"localtime", "Factory"})


def faults(expression: str, zone: str, *, now: int) -> Iterator[tuple[str, str]]:
    """What is wrong with a schedule's times: (field, reason). None: it fires after `now`."""
    known = zone in zones()
    if not known:
        near = similar_zone(zone)
        advice = f'did you mean "{near}"?' if near else 'write one such as "Europe/Berlin", or nothing for UTC'
        yield "time_zone", f'"{zone}" is no IANA time zone; {advice}'
    fault = expression_fault(expression)
    if fault:
        yield "cron", fault
    elif known and not next_instant(expression, zone, after=now):
        yield "cron", f'"{expression}" never fires: there is no such day within the next 50 years'


def expression_fault(expression: str) -> str:
    """What is wrong with an expression by itself; empty if nothing is."""
    fields = expression.split()
    if len(fields) not in (5, 6):
        return (
            f'"{expression}" has {len(fields)} fields; write five (minute, hour, day of the month, month, day of the '
            "week), or six with seconds first"
        )
    try:
        CronSim(expression, EPOCH)
    except CronSimError as error:
        return f'"{expression}" is no cron expression: {str(error).lower()}'
    return ""


@cache
def zones() -> frozenset[str]:
    """The names of time zones: those of the machine, or of the package `tzdata`."""
    return frozenset(available_timezones() - NOT_ZONES)


def similar_zone(name: str) -> str:
    """The zone that somebody may have meant, by its spelling or its city; empty if none is near."""
    cities = (zone for zone in sorted(zones()) if zone.rpartition("/")[2].lower() == name.lower())
    return next(cities, "") or next(iter(get_close_matches(name, zones(), n=1)), "")


def next_instant(expression: str, zone: str, *, after: int) -> int:
    """The first instant after this one; 0 if there is none within 50 years."""
    return next(instants(expression, zone, after=after), 0)


def instants(expression: str, zone: str, *, after: int) -> Iterator[int]:
    """The instants after this one, each later than the one before. Ends if there is none for 50 years."""
    local = (EPOCH + after * MICROSECOND).astimezone(ZoneInfo(zone))
    moments = by_the_wall(expression, local) if has_fixed_times(expression) else CronSim(expression, local)
    last = after
    for moment in moments:
        instant = (moment.astimezone(UTC) - EPOCH) // MICROSECOND
        # The hour that comes twice: by the wall its second half hour begins where the first one did.
        if instant > last:
            last = instant
            yield instant


def has_fixed_times(expression: str) -> bool:
    """Whether it names times of the day, and not every so many minutes or hours."""
    minute, hour = expression.split()[-5:-3]
    return not minute.startswith("*") and not hour.startswith("*")


def by_the_wall(expression: str, local: datetime) -> Iterator[datetime]:
    """The moments that a clock on the wall shows, in the zone of `local`, which they come after.

    One that the wall never shows becomes the first one after the gap, for all of the gap; of one that comes twice it is
    the first.
    """
    zone = local.tzinfo
    wall = CronSim(expression, local.replace(tzinfo=None))
    while True:
        shown = next(wall, None)
        if shown is None:
            return
        moment = shown.replace(tzinfo=zone)
        if is_shown(moment):
            yield moment
            continue
        while not is_shown(moment):
            moment += MINUTE  # by the wall: no zone is asked
        yield moment
        wall = CronSim(expression, moment.replace(tzinfo=None))


def is_shown(moment: datetime) -> bool:
    """Whether clocks show it, and do not go forward past it."""
    return moment.astimezone(UTC).astimezone(moment.tzinfo).replace(tzinfo=None) == moment.replace(tzinfo=None)
