"""`compose.yaml` without an engine: Docker Compose itself reads it, and its services keep to the rules of the house."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from services.config import CoordinatorSettings, EventGatewaySettings, SchedulerSettings, unknown_names
from tests.image.compose_file import FILE, ComposeService, in_starting_order, read_compose_file
from tests.image.tools import REPOSITORY

SERVICES = read_compose_file()
OURS = [each for each in SERVICES.values() if each.ours]
EXPOSED = {
    "missioncontrol-coordinator": {7070},
    "missioncontrol-scheduler": {7071},
    "missioncontrol-event-gateway": {7080, 7081},
    "missionctl": set[int](),
}
SETTINGS = {
    "missioncontrol-coordinator": CoordinatorSettings,
    "missioncontrol-scheduler": SchedulerSettings,
    "missioncontrol-event-gateway": EventGatewaySettings,
}
ours = pytest.mark.parametrize("service", OURS, ids=lambda each: each.name)
listening = pytest.mark.parametrize(
    "service", [each for each in OURS if each.command[0] in SETTINGS], ids=lambda each: each.name
)
every = pytest.mark.parametrize("service", SERVICES.values(), ids=lambda each: each.name)


def _read_by_docker_compose(*options: str) -> Any:
    """The file as Docker Compose understands it."""
    compose = Path(sys.executable).with_name("docker-compose")
    command = [str(compose), "--file", str(FILE), *options, "config", "--format", "json"]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    if "Exec format error" in ended.stderr:
        pytest.skip("NO DOCKER COMPOSE: its package has a program for x86-64 only")
    assert (ended.returncode, ended.stderr) == (0, "")
    return json.loads(ended.stdout)


def test_docker_compose_starts_the_small_fleet_by_default() -> None:
    assert set(_read_by_docker_compose()["services"]) == {"scheduler", "coordinator", "gateway", "agent"}


def test_docker_compose_reads_every_service_as_the_tests_do() -> None:
    services = _read_by_docker_compose("--profile", "*")["services"]

    assert set(services) == set(SERVICES)
    for name, service in SERVICES.items():
        assert tuple(services[name]["command"] or ()) == service.command
        assert services[name].get("environment", {}) == service.environment


@pytest.mark.parametrize(("names", "fleet"), [(("gateway", "agent"), ()), (("ha-gateway", "ha-agent"), ("ha",))])
def test_a_fleet_waits_for_nothing_of_the_other_one(names: tuple[str, ...], fleet: tuple[str, ...]) -> None:
    assert {each.profiles for each in in_starting_order(names)} == {fleet}
    assert len(in_starting_order(names)) == sum(each.profiles == fleet for each in SERVICES.values())


@every
def test_no_service_has_more_rights_than_it_needs(service: ComposeService) -> None:
    told = service.told

    assert told["read_only"] is True
    assert told["cap_drop"] == ["ALL"]
    assert told["security_opt"] == ["no-new-privileges:true"]
    assert "/tmp" in told["tmpfs"]
    assert not {"privileged", "cap_add", "network_mode", "pid", "devices"} & told.keys()


@every
def test_ports_are_those_of_this_machine_only(service: ComposeService) -> None:
    assert all(outside.startswith("127.0.0.1:") for outside in service.published.values())


def test_no_two_services_want_the_same_port_of_the_machine() -> None:
    wanted = [outside for service in SERVICES.values() for outside in service.published.values()]

    assert len(wanted) == len(set(wanted))


@ours
def test_its_command_is_one_that_the_packages_install(service: ComposeService) -> None:
    files = (REPOSITORY / "pyproject.toml", REPOSITORY / "clients" / "python" / "pyproject.toml")
    installed = {name for file in files for name in tomllib.loads(file.read_text())["project"]["scripts"]}

    assert service.command[0] in installed
    assert not service.probe or service.probe[0] in installed


@ours
def test_every_variable_is_one_that_a_service_knows(service: ComposeService) -> None:
    assert unknown_names(service.environment) == []


@listening
def test_its_settings_are_right_and_it_listens_on_the_ports_that_others_use(
    service: ComposeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in service.environment.items():
        monkeypatch.setenv(name, value)

    settings = SETTINGS[service.command[0]]().model_dump()

    listens = {name: str(value) for name, value in settings.items() if name.endswith("_listen") and value}
    ports = {int(value.rpartition(":")[2]) for name, value in listens.items() if name != "metrics_listen"}
    outside = {int(value.rpartition(":")[2]) for value in listens.values() if value.startswith("0.0.0.0:")}
    assert ports == EXPOSED[service.command[0]]
    assert set(service.published) <= outside
    assert int(service.probe[-1].rpartition(":")[2]) in ports


@ours
def test_what_it_dials_is_a_service_that_listens_there(service: ComposeService) -> None:
    dialled = [
        each.strip()
        for name in ("MISSIONCONTROL_SCHEDULER", "MISSIONCONTROL_COORDINATORS", "MISSIONCONTROL_ADDRESS")
        for each in service.environment.get(name, "").split(",")
        if each
    ]

    for host, _, port in (each.rpartition(":") for each in dialled):
        assert host in service.waits_for
        assert int(port) in EXPOSED[SERVICES[host].command[0]]


def test_each_coordinator_on_one_database_has_an_id_and_an_address_of_its_own() -> None:
    coordinators = [each for each in OURS if "ha-migration" in each.waits_for]

    for name in ("MISSIONCONTROL_COORDINATOR_ID", "MISSIONCONTROL_COORDINATOR_ADVERTISE"):
        assert len({each.environment[name] for each in coordinators}) == len(coordinators) == 2
    assert len({each.environment["MISSIONCONTROL_DATABASE_URL"] for each in coordinators}) == 1
    assert len({each.environment["MISSIONCONTROL_SCHEDULER"] for each in coordinators}) == 1
