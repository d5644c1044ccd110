"""What the rendered objects must keep among themselves: no field of them is wrong alone, and together they may be."""

from __future__ import annotations

import re
from typing import Any

from missioncontrol import agent_limits

from services.config import EventGatewaySettings, split_address
from services.scheduler import limits as scheduler_limits
from services.store.away import START_SECONDS_MAX
from tests.k8s.rendering import (
    COMBINATIONS,
    COMPONENTS,
    K8S,
    Combination,
    Object,
    every_combination,
    name_of,
    of_kind,
    render,
)
from tests.k8s.workloads import SETTINGS, Place, Workload, matches, workload, workloads

# The last traces, the journal's last flush, and a node that is busy.
MARGIN_SECONDS = 10


def labels(thing: Workload) -> dict[str, str]:
    return dict(thing.template["metadata"]["labels"])


@every_combination
def test_selectors_match_the_labels_of_pods_and_of_those_of_one_kind_only(combination: Combination):
    objects = render(combination)
    for each in workloads(objects):
        if each.whole["kind"] != "Job":
            assert matches(each.whole["spec"]["selector"], labels(each)), each.name
    for thing in of_kind(objects, "Service", "PodDisruptionBudget"):
        selector = thing["spec"]["selector"]
        selector = selector if "matchLabels" in selector else {"matchLabels": selector}
        found = [each.component for each in workloads(objects) if matches(selector, labels(each))]
        assert len(found) == 1, f"{name_of(thing)} selects {found}"


@every_combination
def test_what_is_named_is_there(combination: Combination):
    objects = render(combination)
    names = {kind: {each["metadata"]["name"] for each in of_kind(objects, kind)} for kind in ("Service", "ConfigMap")}
    for each in workloads(objects):
        assert set(each.config_names()) <= names["ConfigMap"]
        if each.whole["kind"] == "StatefulSet":
            assert each.whole["spec"]["serviceName"] in names["Service"]
        mounted = {volume["name"] for volume in each.pod["volumes"]} | claims(each)
        assert all(mount["name"] in mounted for container in each.containers for mount in container["volumeMounts"])
    for scaler in of_kind(objects, "HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        assert f"{target['kind']}/{target['name']}" in [name_of(thing) for thing in objects]


def claims(each: Workload) -> set[str]:
    return {claim["metadata"]["name"] for claim in each.whole["spec"].get("volumeClaimTemplates", [])}


@every_combination
def test_every_secret_is_made_by_a_certificate_or_explained(combination: Combination):
    objects = render(combination)
    made = {each["spec"]["secretName"] for each in of_kind(objects, "Certificate")}
    page = (K8S / "overlays" / combination[0] / "README.md").read_text()
    explained = set(re.findall(r"kubectl create secret generic (\S+)|$", page))
    needed = {name for each in workloads(objects) for name in each.secret_names()}
    assert needed <= made | explained


@every_combination
def test_ports_are_those_that_the_program_listens_on(combination: Combination):
    objects = render(combination)
    for each in workloads(objects):
        declared = {port["containerPort"] for port in each.container.get("ports", [])}
        assert declared == listens(each), each.name


def listens(each: Workload) -> set[int]:
    """The ports in the environment of its program."""
    environment = each.environment(each.container, Place(f"{each.name}-0"))
    return {split_address(value)[1] for name, value in environment.items() if name.endswith("_LISTEN")}


@every_combination
def test_services_and_monitors_send_to_ports_that_are_there(combination: Combination):
    objects = render(combination)
    for service in of_kind(objects, "Service"):
        (target,) = [each for each in workloads(objects) if service["spec"]["selector"].items() <= labels(each).items()]
        names = {port["name"] for port in target.container.get("ports", [])}
        assert {port["targetPort"] for port in service["spec"].get("ports", [])} <= names
    for monitor in of_kind(objects, "ServiceMonitor"):
        wanted = {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]}
        scraped = [each for each in of_kind(objects, "Service") if wanted <= port_names(each)]
        assert {each["metadata"]["name"].removeprefix("missioncontrol-") for each in scraped} == {
            "coordinator",
            "scheduler",
            "event-gateway",
        }
        assert all(matches(monitor["spec"]["selector"], each["metadata"]["labels"]) for each in scraped)


def port_names(service: Object) -> set[str]:
    return {port["name"] for port in service["spec"].get("ports", [])}


@every_combination
def test_probes_ask_in_plain_text_under_three_names(combination: Combination):
    for each in services(render(combination)):
        probes = {name: each.container[f"{name}Probe"]["grpc"] for name in ("startup", "liveness", "readiness")}
        health = {port["name"]: port["containerPort"] for port in each.container["ports"]}["health"]
        assert {name: probe["service"] for name, probe in probes.items()} == {name: name for name in probes}
        assert {probe["port"] for probe in probes.values()} == {health}


def services(objects: list[Object]) -> list[Workload]:
    return [each for each in workloads(objects) if each.program in SETTINGS]


def test_a_coordinator_that_waits_for_its_database_is_not_ended_by_its_probe():
    probe = workload(render(("production",)), "coordinator").container["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] > START_SECONDS_MAX + MARGIN_SECONDS


@every_combination
def test_the_grace_is_longer_than_what_comes_before_the_drain_and_the_drain(combination: Combination):
    for each in workloads(render(combination)):
        if each.whole["kind"] == "Job":
            continue
        needed = pre_stop_seconds(each) + drain_seconds(each) + MARGIN_SECONDS
        assert each.pod["terminationGracePeriodSeconds"] >= needed, each.name


def pre_stop_seconds(each: Workload) -> float:
    return float(each.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0))


def drain_seconds(each: Workload) -> float:
    """How long its program may take after SIGTERM, by what it is told or by its own bounds."""
    environment = each.environment(each.container, Place(each.name))
    if each.program == "missionctl":
        (limit,) = [argument for argument in each.container["args"] if argument.startswith("--drain-time-limit=")]
        minutes = int(limit.removeprefix("--drain-time-limit=").removesuffix("m"))
        return 60 * minutes + agent_limits.LEAVE_SECONDS + agent_limits.GOODBYE_SECONDS + agent_limits.EXIT_SECONDS
    if each.program == "missioncontrol-scheduler":
        return scheduler_limits.STOP_GRACE_SECONDS
    default = EventGatewaySettings.model_fields["stop_grace_seconds"].default
    return float(environment.get("MISSIONCONTROL_STOP_GRACE_SECONDS", default))


@every_combination
def test_whoever_is_found_by_name_goes_on_while_the_name_is_forgotten(combination: Combination):
    """Of readers and clients; coordinators dial schedulers one by one, and know at once when one goes."""
    for component in ("coordinator", "event-gateway"):
        assert pre_stop_seconds(workload(render(combination), component)) >= 5


@every_combination
def test_every_pod_is_restricted(combination: Combination):
    objects = render(combination)
    (namespace,) = of_kind(objects, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for each in workloads(objects):
        assert not unrestricted_pod(each.pod), each.name
        assert all(not unrestricted(container) for container in each.containers), each.name


def unrestricted_pod(pod: Object) -> list[str]:
    """What the Pod Security Standard "restricted" does not allow, and what more is asked of our pods."""
    context = pod["securityContext"]
    kinds = {kind for volume in pod["volumes"] for kind in volume if kind != "name"}
    found = {
        "runs as root": not context.get("runAsNonRoot") or context.get("runAsUser") != 65532,
        "seccomp": context.get("seccompProfile", {}).get("type") != "RuntimeDefault",
        "host": any(pod.get(name) for name in ("hostNetwork", "hostPID", "hostIPC")),
        "volumes": not kinds <= {"emptyDir", "secret", "configMap", "persistentVolumeClaim"},
        "token": pod.get("automountServiceAccountToken") is not False,
        "service links": pod.get("enableServiceLinks") is not False,
        "unbounded scratch": any(not v["emptyDir"].get("sizeLimit") for v in pod["volumes"] if "emptyDir" in v),
    }
    return [what for what, so in found.items() if so]


def unrestricted(container: Object) -> list[str]:
    context: Any = container["securityContext"]
    found = {
        "escalation": context.get("allowPrivilegeEscalation") is not False,
        "capabilities": context.get("capabilities") != {"drop": ["ALL"]},
        "writable root": context.get("readOnlyRootFilesystem") is not True,
        "privileged": bool(context.get("privileged")),
        "host ports": any("hostPort" in port for port in container.get("ports", [])),
        "no scratch": "/tmp" not in [mount["mountPath"] for mount in container["volumeMounts"]],
    }
    return [what for what, so in found.items() if so]


@every_combination
def test_every_container_says_what_it_needs(combination: Combination):
    for each in workloads(render(combination)):
        for container in each.containers:
            assert set(container["resources"]["requests"]) == {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]


@every_combination
def test_pods_are_spread_and_go_one_at_a_time(combination: Combination):
    objects = render(combination)
    for each in workloads(objects):
        if each.whole["kind"] == "Job":
            continue
        spread = each.pod["topologySpreadConstraints"]
        assert {s["topologyKey"] for s in spread} == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
        assert all(matches(s["labelSelector"], labels(each)) for s in spread)
        budgets = [b for b in of_kind(objects, "PodDisruptionBudget") if matches(b["spec"]["selector"], labels(each))]
        # With one replica a budget that keeps one alive would never let a node be emptied.
        assert [budget["spec"]["maxUnavailable"] for budget in budgets] == [1], each.name


def test_selectors_and_claims_which_cannot_be_changed_hold_no_version():
    for each in workloads(render(("local",))):
        fixed = [each.whole["spec"].get("selector"), each.whole["spec"].get("volumeClaimTemplates", [])]
        assert "version" not in str(fixed)


def test_on_sqlite_there_is_one_coordinator_with_a_volume():
    coordinator = workload(render(("local",)), "coordinator")
    assert coordinator.whole["kind"] == "StatefulSet"
    assert coordinator.replicas == 1
    assert claims(coordinator) == {"data"}


def test_in_production_there_are_several_of_everything():
    objects = render(("production",))
    counts = {each.component: each.replicas for each in workloads(objects) if each.whole["kind"] != "Job"}
    assert counts == {"coordinator": 3, "scheduler": 2, "event-gateway": 2, "agents": 3}
    assert "replicas" not in workload(objects, "event-gateway").whole["spec"]  # the autoscaler's


def test_combinations_are_all_that_there_are():
    assert len(COMBINATIONS) == 2 * 2 ** len(COMPONENTS)
