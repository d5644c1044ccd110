from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from services.config import (
    ConfigurationError,
    CoordinatorSettings,
    EventGatewaySettings,
    SchedulerSettings,
    read,
    split_address,
    unknown_names,
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("MISSIONCONTROL_"):
            monkeypatch.delenv(name)


def test_the_defaults_bind_to_loopback_on_the_documented_ports():
    assert read(CoordinatorSettings).coordinator_listen == "127.0.0.1:7070"
    assert read(SchedulerSettings).scheduler_listen == "127.0.0.1:7071"
    assert read(EventGatewaySettings).event_gateway_listen == "127.0.0.1:7080"
    metrics = [read(kind).metrics_listen for kind in (CoordinatorSettings, SchedulerSettings, EventGatewaySettings)]
    assert metrics == ["127.0.0.1:9464", "127.0.0.1:9465", "127.0.0.1:9466"]


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    file = tmp_path / "mission.toml"
    file.write_text('coordinator_id = "from-file"\nlease_ttl_seconds = 5\n')
    monkeypatch.setenv("MISSIONCONTROL_CONFIG_FILE", str(file))
    monkeypatch.setenv("MISSIONCONTROL_COORDINATOR_ID", "from-environment")
    settings = read(CoordinatorSettings)
    assert (settings.coordinator_id, settings.lease_ttl_seconds) == ("from-environment", 5.0)


def test_a_secret_is_read_from_the_file_that_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    secret = tmp_path / "url"
    secret.write_text("postgresql://u:p@db/mission\n")
    monkeypatch.setenv("MISSIONCONTROL_DATABASE_URL_FILE", str(secret))
    settings = read(CoordinatorSettings)
    assert settings.database_url == "postgresql://u:p@db/mission"
    assert "u:p" not in repr(settings)


def test_a_secret_given_twice_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("MISSIONCONTROL_DATABASE_URL_FILE", str(tmp_path / "url"))
    monkeypatch.setenv("MISSIONCONTROL_DATABASE_URL", "sqlite://")
    with pytest.raises(ConfigurationError, match="MISSIONCONTROL_DATABASE_URL_FILE: set either this or"):
        read(CoordinatorSettings)


def test_a_missing_file_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MISSIONCONTROL_CONFIG_FILE", "/nowhere/mission.toml")
    with pytest.raises(ConfigurationError, match=r"MISSIONCONTROL_CONFIG_FILE: /nowhere/mission\.toml: No such file"):
        read(CoordinatorSettings)


def test_a_file_that_is_not_toml_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    file = tmp_path / "broken.toml"
    file.write_text("a = = b")
    monkeypatch.setenv("MISSIONCONTROL_CONFIG_FILE", str(file))
    with pytest.raises(ConfigurationError, match=r"broken\.toml"):
        read(CoordinatorSettings)


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        (
            "LOG_LEVEL",
            "loud",
            "MISSIONCONTROL_LOG_LEVEL: input should be 'debug', 'info', 'warning' or 'error', not 'loud'",
        ),
        ("METRICS_LISTEN", "9464", "MISSIONCONTROL_METRICS_LISTEN: must be host:port, not '9464'"),
        (
            "COORDINATOR_LISTEN",
            "h:99999",
            "MISSIONCONTROL_COORDINATOR_LISTEN: the port of 'h:99999' must be a number from 0 to",
        ),
        ("SCHEDULER", "h:0", "MISSIONCONTROL_SCHEDULER: 'h:0' is dialled, so its port cannot be 0"),
        ("LEASE_TTL_SECONDS", "soon", "MISSIONCONTROL_LEASE_TTL_SECONDS: input should be a valid number"),
        (
            "LEASE_TTL_SECONDS",
            "-1",
            "MISSIONCONTROL_LEASE_TTL_SECONDS: input should be greater than or equal to 0.2, not '-1'",
        ),
    ],
)
def test_a_wrong_value_is_explained(monkeypatch: pytest.MonkeyPatch, name: str, value: str, complaint: str):
    monkeypatch.setenv(f"MISSIONCONTROL_{name}", value)
    with pytest.raises(ConfigurationError) as caught:
        read(CoordinatorSettings)
    assert complaint in str(caught.value)


def test_lists_are_comma_separated(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MISSIONCONTROL_COORDINATORS", "a:7070, b:7070,")
    assert read(EventGatewaySettings).coordinators == ("a:7070", "b:7070")


def test_an_empty_list_of_coordinators_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MISSIONCONTROL_COORDINATORS", ",")
    with pytest.raises(ConfigurationError, match="MISSIONCONTROL_COORDINATORS"):
        read(EventGatewaySettings)


def test_settings_are_frozen():
    with pytest.raises(ValidationError):
        read(SchedulerSettings).log_level = "debug"  # type: ignore[misc] # that is the point


def test_typing_errors_are_warned_about_with_the_nearest_name(tmp_path: Path):
    file = tmp_path / "mission.toml"
    file.write_text("lease_ttl = 3\n")
    environment = {
        "MISSIONCONTROL_LOGLEVEL": "info",
        "MISSIONCONTROL_ADDRESS": "is the SDK's",
        "MISSIONCONTROL_CONFIG_FILE": str(file),
        "HOME": "/root",
    }
    warnings = unknown_names(environment)
    assert warnings == [
        "unknown variable MISSIONCONTROL_LOGLEVEL, ignored (did you mean MISSIONCONTROL_LOG_LEVEL?)",
        f"unknown key in {file}, lease_ttl, ignored (did you mean lease_ttl_seconds?)",
    ]


def test_a_process_with_a_wrong_setting_says_one_line_and_exits_2():
    program = "from services.config import *; load(CoordinatorSettings)"
    environment = {**os.environ, "MISSIONCONTROL_LOG_LEVEL": "loud", "MISSIONCONTROL_DATABASE_URI": "x"}
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert result.returncode == 2
    assert result.stderr.startswith("missioncontrol: MISSIONCONTROL_LOG_LEVEL: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("address", "parts"), [("h:1", ("h", 1)), ("[::1]:7070", ("::1", 7070)), ("0.0.0.0:0", ("0.0.0.0", 0))]
)
def test_an_address_is_host_and_port(address: str, parts: tuple[str, int]):
    assert split_address(address) == parts


@pytest.mark.parametrize("address", ["", ":1", "h", "h:", "h:x", "h:70000", "::1:7070", "h:-1", "h:²"])
def test_what_is_no_address_is_refused(address: str):
    with pytest.raises(ValueError):
        split_address(address)


def test_every_setting_is_documented() -> None:
    page = (Path(__file__).parents[1] / "docs" / "settings.md").read_text()
    fields = {
        name
        for settings in (CoordinatorSettings, SchedulerSettings, EventGatewaySettings)
        for name in settings.model_fields
    }
    assert [name for name in sorted(fields) if f"`MISSIONCONTROL_{name.upper()}`" not in page] == []
