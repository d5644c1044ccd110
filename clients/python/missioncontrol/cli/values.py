"""What people type, as values: pairs, durations, instants, payloads. RefusedInputError says which form would do."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from missioncontrol.cli.failures import RefusedInputError
from missioncontrol.cli.interrupt import interruptible
from missioncontrol.selectors import parse_selector
from missioncontrol.v1 import task_pb2

_DURATION = re.compile(
    r"(?:(?P<days>\d+)d)?(?:(?P<hours>\d+)h)?(?:(?P<minutes>\d+)m)?(?:(?P<seconds>\d+(?:\.\d+)?)s?)?"
)


def parse_pairs(texts: Iterable[str], *, option: str) -> dict[str, str]:
    """["zone=eu", "tier="] as a dictionary."""
    pairs = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise RefusedInputError(f'{option} "{text}" is not key=value')
        pairs[key] = value
    return pairs


def parse_amounts(texts: Iterable[str], *, option: str) -> dict[str, float]:
    """["gpu=1", "memory_bytes=4e9"] as a dictionary of numbers."""
    amounts = {}
    for key, value in parse_pairs(texts, option=option).items():
        try:
            amounts[key] = float(value)
        except ValueError:
            raise RefusedInputError(f'{option} "{key}={value}": "{value}" is no number') from None
    return amounts


def parse_duration(text: str, *, option: str) -> timedelta:
    """ "90", "90s", "1.5", "5m", "1h30m" or "2d" as a duration."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or not text.strip():
        raise RefusedInputError(f'{option} "{text}" is no duration; write seconds ("90", "1.5") or "5m", "1h30m", "2d"')
    try:
        return timedelta(**{unit: float(number) for unit, number in match.groupdict().items() if number is not None})
    except OverflowError:
        raise RefusedInputError(f'{option} "{text}" is longer than any duration') from None


def duration_text(duration: timedelta) -> str:
    """A duration as `parse_duration` reads it: "1h30m", "0.5s", "0s"."""
    seconds, micros = divmod(duration // timedelta(microseconds=1), 1_000_000)
    text = ""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        count, seconds = divmod(seconds, size)
        text += f"{count}{unit}" if count else ""
    rest = f"{seconds}.{micros:06d}".rstrip("0").rstrip(".")
    return text if text and rest == "0" else f"{text}{rest}s"


def parse_instant(text: str, *, now: datetime, option: str) -> datetime:
    """An RFC 3339 instant, or "+5m" from now. One without an offset is in this machine's time zone."""
    try:
        if text.startswith("+"):
            return now + parse_duration(text[1:], option=option)
        return datetime.fromisoformat(text).astimezone(UTC)
    except RefusedInputError:
        raise
    except (ValueError, OverflowError):
        raise RefusedInputError(
            f'{option} "{text}" is no instant; write "2026-01-31T08:30:00Z" or, from now, "+5m"'
        ) from None


def read_selector(text: str) -> task_pb2.LabelSelector:
    """A --selector, such as "zone=eu" or "zone in (eu, us)"."""
    try:
        return parse_selector(text)
    except ValueError as error:
        raise RefusedInputError(f"--selector {error}") from None


def read_payload(text: str) -> tuple[bytes, str]:
    """The bytes and the content type of --payload: JSON or other text as given, a file after "@", stdin for "-"."""
    data = _payload_bytes(text)
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        pass
    else:
        return data, "application/json"
    try:
        data.decode()
    except UnicodeDecodeError:
        return data, "application/octet-stream"
    return data, "text/plain; charset=utf-8"


def read_text(text: str, *, option: str) -> str:
    """The same as text."""
    try:
        return _payload_bytes(text).decode()
    except UnicodeDecodeError:
        raise RefusedInputError(f"{option} must be UTF-8 text") from None


def _payload_bytes(text: str) -> bytes:
    if text == "-":
        with interruptible():
            return sys.stdin.buffer.read()
    if text.startswith("@"):
        return Path(text[1:]).read_bytes()
    return text.encode()
