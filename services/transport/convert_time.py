"""Instants and durations: microseconds inside, Timestamp and Duration on the wire."""

from __future__ import annotations

from functools import lru_cache

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from services.domain.errors import InvalidArgument

MICROS = 1_000_000
# 9999-12-31T23:59:59Z, the last second that a Timestamp may name.
_LAST_SECOND = 253_402_300_799
_NANOS = 1_000_000_000


@lru_cache(maxsize=64)
def timestamp(micros: int) -> Timestamp:
    """An instant for the wire. It is shared, as all changes of a commit have the same: pass it on, never change it."""
    seconds, rest = divmod(micros, MICROS)
    return Timestamp(seconds=seconds, nanos=rest * 1_000)


def optional_timestamp(micros: int) -> Timestamp | None:
    """The same, and None for "never"."""
    return timestamp(micros) if micros else None


@lru_cache(maxsize=64)
def duration(micros: int) -> Duration:
    """A duration for the wire, shared like `timestamp`."""
    seconds, rest = divmod(micros, MICROS)
    return Duration(seconds=seconds, nanos=rest * 1_000)


def optional_duration(micros: int) -> Duration | None:
    """The same, and None for "none"."""
    return duration(micros) if micros else None


def instant_micros(value: Timestamp, *, field: str) -> int:
    """An instant from the wire. Raises InvalidArgument, which names `field`, for what is none or lies before 1970."""
    if not (0 <= value.seconds <= _LAST_SECOND and 0 <= value.nanos < _NANOS):
        reason = "must be between 1970-01-01T00:00:00Z and 9999-12-31T23:59:59Z, with nanos between 0 and 999999999"
        raise InvalidArgument(f"{field}: {reason}", fields=[(field, reason)])
    return int(value.seconds) * MICROS + value.nanos // 1_000


def duration_micros(value: Duration, *, field: str) -> int:
    """A duration from the wire, rounded up: a limit below a microsecond is not "none".

    Raises InvalidArgument, which names `field`, for what is no duration.
    """
    _check_duration(value, field)
    return int(value.seconds) * MICROS - (-value.nanos // 1_000)


def seconds_of(value: Duration, *, field: str) -> float:
    """A duration from the wire in seconds. Raises InvalidArgument, which names `field`, for what is none."""
    _check_duration(value, field)
    return float(value.seconds + value.nanos / _NANOS)


def _check_duration(value: Duration, field: str) -> None:
    """The rules that Duration states of itself and that no parser checks."""
    if not -_NANOS < value.nanos < _NANOS or value.seconds * value.nanos < 0:
        reason = "nanos must be between -999999999 and 999999999, and of the same sign as seconds"
        raise InvalidArgument(f"{field}: {reason}", fields=[(field, reason)])
