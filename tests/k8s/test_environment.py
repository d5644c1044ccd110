"""The rendered environment is what the programs read: nothing that they do not know, and nothing missing."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from missioncontrol import tls

from services.config import SECRETS, read, split_address, unknown_names
from tests.k8s.rendering import Combination, every_combination, render
from tests.k8s.workloads import SETTINGS, Place, Workload, workload, workloads

AGENT = {
    "MISSIONCONTROL_ADDRESS",
    "MISSIONCONTROL_NAMESPACE",
    "MISSIONCONTROL_AGENT_ID",
    "MISSIONCONTROL_LOG_LEVEL",
    tls.CA_FILE,
    tls.SERVER_NAME,
    tls.CERTIFICATE_FILE,
    tls.KEY_FILE,
}
# What pods tell themselves, to be put into other variables.
DOWNWARD = {"POD_NAME", "POD_IP", "POD_NAMESPACE"}
# Those that the OpenTelemetry SDK for Python and its OTLP exporter over HTTP read.
TRACES = {
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_RESOURCE_ATTRIBUTES",
}


def environments(combination: Combination) -> Iterator[tuple[Workload, str, dict[str, str]]]:
    """Workload, program and environment of every container."""
    for each in workloads(render(combination)):
        for container in each.containers:
            place = Place(each.pod_names()[0])
            yield each, container["command"][0], each.environment(container, place)


def known(program: str) -> set[str]:
    """What a program reads."""
    if program not in SETTINGS:
        return AGENT | DOWNWARD
    fields = SETTINGS[program].model_fields
    files = {f"MISSIONCONTROL_{name.upper()}_FILE" for name in SECRETS & fields.keys()}
    return {f"MISSIONCONTROL_{name.upper()}" for name in fields} | files | DOWNWARD | TRACES


@every_combination
def test_no_variable_is_there_that_the_program_does_not_know(combination: Combination):
    for each, program, environment in environments(combination):
        looks_after_database = program == "missionctl" and each.component != "agents"
        reader = "missioncontrol-coordinator" if looks_after_database else program
        assert set(environment) - known(reader) == set(), each.name
        assert unknown_names(environment) == [], each.name


@every_combination
def test_the_program_takes_every_value(
    combination: Combination, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
):
    present = tmp_path_factory.mktemp("mounted") / "file"
    present.write_text("sqlite:///a.db")
    for _, program, environment in environments(combination):
        if program in SETTINGS:
            with monkeypatch.context() as patched:
                for name in [name for name in os.environ if name.startswith("MISSIONCONTROL_")]:
                    patched.delenv(name)
                for name, value in environment.items():
                    patched.setenv(name, str(present) if name.endswith("_FILE") else value)
                read(SETTINGS[program])


@every_combination
def test_every_address_is_set_and_reaches_beyond_the_pod(combination: Combination):
    """The defaults of a laptop, 127.0.0.1, would pass every test on one machine and none in a cluster."""
    for each, program, environment in environments(combination):
        needed = [name for name in needs(program, each) if not environment.get(name)]
        assert needed == [], each.name
        for name in environment:
            assert "127.0.0.1" not in environment[name], f"{each.name}: {name}"
            if name.endswith("_LISTEN"):
                assert split_address(environment[name])[0] == "0.0.0.0", name


def needs(program: str, each: Workload) -> list[str]:
    """The variables without which a program of this kind would not do its work in a cluster."""
    if program in SETTINGS:
        listens = [name for name in SETTINGS[program].model_fields if name.endswith("_listen")]
        own = {
            "missioncontrol-coordinator": ["coordinator_id", "coordinator_advertise", "scheduler"],
            "missioncontrol-event-gateway": ["coordinators"],
        }.get(program, [])
        return [f"MISSIONCONTROL_{name.upper()}" for name in (*listens, *own)]
    return ["MISSIONCONTROL_ADDRESS", "MISSIONCONTROL_AGENT_ID"] if each.component == "agents" else []


@every_combination
def test_whoever_opens_the_database_is_told_which(combination: Combination):
    for each, program, environment in environments(combination):
        if program == "missioncontrol-coordinator" or (program == "missionctl" and each.component != "agents"):
            told = [name for name in environment if name.startswith("MISSIONCONTROL_DATABASE_URL")]
            assert len(told) == 1, each.name
            mounts = [mount["mountPath"] for c in each.containers for mount in c["volumeMounts"]]
            value = environment[told[0]].removeprefix("sqlite:///")
            assert any(value.startswith(mount) for mount in mounts), each.name


@every_combination
def test_files_that_are_named_are_mounted(combination: Combination):
    for each in workloads(render(combination)):
        for container in each.containers:
            mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
            for name, value in each.environment(container, Place("x")).items():
                if name.endswith("_FILE"):
                    assert any(value.startswith(f"{mount}/") for mount in mounts), f"{each.name}: {name}"


@every_combination
def test_lists_of_addresses_name_every_pod_and_no_other(combination: Combination):
    objects = render(combination)
    for component, variable, target in (
        ("coordinator", "MISSIONCONTROL_SCHEDULER", "scheduler"),
        ("event-gateway", "MISSIONCONTROL_COORDINATORS", "coordinator"),
    ):
        each, dialled = workload(objects, component), workload(objects, target)
        hosts = [part.rpartition(":")[0] for part in value_of(each, variable).split(",")]
        assert hosts == [f"{name}.{dialled.whole['spec']['serviceName']}" for name in dialled.pod_names()]


def value_of(each: Workload, variable: str) -> str:
    return each.environment(each.container, Place(each.pod_names()[0]))[variable]


@every_combination
def test_several_coordinators_have_names_and_addresses_of_their_own(combination: Combination):
    coordinator = workload(render(combination), "coordinator")
    made = [
        coordinator.environment(coordinator.container, Place(name, f"10.0.0.{number}"))
        for number, name in enumerate(("a-0", "a-1"))
    ]
    assert [each["MISSIONCONTROL_COORDINATOR_ID"] for each in made] == ["a-0", "a-1"]
    assert [each["MISSIONCONTROL_COORDINATOR_ADVERTISE"] for each in made] == ["10.0.0.0:7070", "10.0.0.1:7070"]
