"""With the network policies what has to reach something does, and nothing else does."""

from __future__ import annotations

import pytest

from services.config import split_address
from tests.k8s.network import Peer, allowed
from tests.k8s.rendering import Combination, Object, every_combination, of_kind, render
from tests.k8s.workloads import Place, Workload, workload, workloads

POLICIES: list[Combination] = [("local", "network-policies"), ("production", "network-policies")]
with_policies = pytest.mark.parametrize("combination", POLICIES, ids="+".join)
DATABASE, WEB, PROMETHEUS, TRACES = (
    Peer(namespace=name) for name in ("databases", "web", "monitoring", "observability")
)
DNS = Peer(namespace="kube-system")
LABELLED = Peer({"missioncontrol.dev/client": "true"}, "builds")


def peer(objects: list[Object], component: str) -> Peer:
    return Peer(workload(objects, component).template["metadata"]["labels"])


@every_combination
def test_every_address_that_a_program_dials_lets_it_through(combination: Combination):
    objects = render(combination)
    for each in workloads(objects):
        for host, port in dialled(each):
            target = next(other for other in workloads(objects) if other.name in host)
            assert allowed(objects, peer(objects, each.component), peer(objects, target.component), port), (
                f"{each.name} -> {host}:{port}"
            )


def dialled(each: Workload) -> list[tuple[str, int]]:
    """The addresses in the environment of its program that are not its own."""
    names = ("MISSIONCONTROL_SCHEDULER", "MISSIONCONTROL_COORDINATORS", "MISSIONCONTROL_ADDRESS")
    environment = each.environment(each.container, Place(each.pod_names()[0]))
    return [split_address(part) for name in names if name in environment for part in environment[name].split(",")]


@with_policies
def test_everything_else_within_the_namespace_is_refused(combination: Combination):
    objects = render(combination)
    ways = {
        (a.component, b.component, port["containerPort"])
        for a in workloads(objects)
        for b in workloads(objects)
        for port in b.container.get("ports", [])
        if allowed(objects, peer(objects, a.component), peer(objects, b.component), port["containerPort"])
    }
    assert ways == {
        ("agents", "coordinator", 7070),
        ("event-gateway", "coordinator", 7070),
        ("coordinator", "scheduler", 7071),
    }


@with_policies
def test_who_comes_from_outside_gets_to_what_is_meant_for_it(combination: Combination):
    objects = render(combination)
    assert allowed(objects, WEB, peer(objects, "event-gateway"), 7080)
    assert allowed(objects, LABELLED, peer(objects, "coordinator"), 7070)
    assert not allowed(objects, WEB, peer(objects, "coordinator"), 7070)
    assert not allowed(objects, LABELLED, peer(objects, "scheduler"), 7071)
    for component, port in (("coordinator", 9464), ("scheduler", 9465), ("event-gateway", 9466)):
        assert allowed(objects, PROMETHEUS, peer(objects, component), port)
        assert not allowed(objects, WEB, peer(objects, component), port)


@with_policies
def test_who_needs_the_database_or_sends_traces_gets_out_and_agents_do_not(combination: Combination):
    objects = render(combination)
    assert allowed(objects, peer(objects, "coordinator"), DATABASE, 5432)
    assert not allowed(objects, peer(objects, "agents"), DATABASE, 5432)
    assert not allowed(objects, peer(objects, "agents"), WEB, 443)
    for each in workloads(objects):
        assert allowed(objects, peer(objects, each.component), DNS, 53, protocol="UDP")
    for component in ("coordinator", "scheduler", "event-gateway"):
        assert allowed(objects, peer(objects, component), TRACES, 4318)
    if combination[0] == "production":
        assert allowed(objects, peer(objects, "migrate"), DATABASE, 5432)


@with_policies
def test_a_new_pod_of_the_namespace_gets_nothing_but_names(combination: Combination):
    objects = render(combination)
    stranger = Peer({"app": "stranger"})
    assert not allowed(objects, stranger, peer(objects, "coordinator"), 7070)
    assert not allowed(objects, stranger, WEB, 443)
    assert not allowed(objects, WEB, stranger, 80)


def test_the_traces_go_where_the_policy_lets_them():
    objects = render(("production", "opentelemetry"))
    for config in of_kind(objects, "ConfigMap"):
        for name, value in config["data"].items():
            if name == "OTEL_EXPORTER_OTLP_ENDPOINT":
                assert value.endswith(f".{TRACES.namespace}:4318")
