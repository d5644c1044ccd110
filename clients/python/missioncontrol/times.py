"""Instants and durations between Python and the contract. Instants are never naive; a bare number is seconds."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp


def to_duration(value: float | timedelta) -> Duration:
    """Seconds or a timedelta as a Duration, to the microsecond. Raises ValueError for what is not finite."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if not math.isfinite(seconds):
        raise ValueError(f"{seconds} is no duration")
    duration = Duration()
    duration.FromMicroseconds(round(seconds * 1_000_000))
    return duration


def to_timestamp(value: datetime) -> Timestamp:
    """An aware datetime as a Timestamp. Raises ValueError for a naive one: it would mean another instant elsewhere."""
    if value.tzinfo is None:
        raise ValueError(f"{value.isoformat()} has no time zone; write datetime.now(UTC) or give a tzinfo")
    timestamp = Timestamp()
    timestamp.FromDatetime(value)
    return timestamp


def to_datetime(value: Timestamp) -> datetime:
    """A Timestamp as an aware datetime in UTC."""
    return value.ToDatetime(tzinfo=UTC)


def rfc3339(value: Timestamp) -> str:
    """A Timestamp as RFC 3339 in UTC with microseconds: "2026-01-31T08:30:00.250000Z"."""
    return to_datetime(value).isoformat(timespec="microseconds").replace("+00:00", "Z")


def duration_seconds(value: Duration) -> float:
    """A Duration in seconds."""
    return value.seconds + value.nanos / 1_000_000_000
