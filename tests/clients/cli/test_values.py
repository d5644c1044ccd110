"""What people type, as values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from missioncontrol.cli.failures import RefusedInputError
from missioncontrol.cli.task_view import age
from missioncontrol.cli.values import parse_amounts, parse_duration, parse_instant, parse_pairs, read_payload

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("1.5", 1.5), ("5m", 300), ("1h30m", 5400), ("2d", 172800), ("1m0.5s", 60.5)],
)
def test_durations_are_seconds_or_have_units(text: str, seconds: float) -> None:
    assert parse_duration(text, option="--x") == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", " ", "5x", "-1", "1m5h", "nan"])
def test_what_is_no_duration_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(RefusedInputError, match="1h30m"):
        parse_duration(text, option="--x")


def test_instants_are_rfc3339_or_count_from_now() -> None:
    assert parse_instant("2026-01-31T08:30:00Z", now=NOW, option="--x") == datetime(2026, 1, 31, 8, 30, tzinfo=UTC)
    assert parse_instant("+5m", now=NOW, option="--x") == NOW + timedelta(minutes=5)


@pytest.mark.parametrize("text", ["+3000000d", "0001-01-01T00:00:00+14:00"])
def test_an_instant_that_no_calendar_has_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(RefusedInputError, match="2026-01-31T08:30:00Z"):
        parse_instant(text, now=NOW, option="--x")


def test_pairs_and_amounts() -> None:
    assert parse_pairs(["a=b=c", "d="], option="--x") == {"a": "b=c", "d": ""}
    assert parse_amounts(["gpu=1", "memory=4e9"], option="--x") == {"gpu": 1, "memory": 4e9}


def test_a_payload_is_json_text_or_bytes_as_it_looks(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\x00")

    assert read_payload('{"a": 1}') == (b'{"a": 1}', "application/json")
    assert read_payload("hello") == (b"hello", "text/plain; charset=utf-8")
    assert read_payload(f"@{tmp_path / 'binary'}") == (b"\xff\x00", "application/octet-stream")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "200ms"), (12, "12s"), (200, "3m20s"), (18120, "5h02m"), (370800, "4d07h")]
)
def test_ages_are_short(seconds: float, text: str) -> None:
    assert age(seconds) == text
