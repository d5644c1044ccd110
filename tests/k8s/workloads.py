"""The rendered objects as what Kubernetes would make of them: pods, with the environment that their containers get."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from services.config import CoordinatorSettings, EventGatewaySettings, SchedulerSettings, ServiceSettings
from tests.k8s.rendering import Object, named, of_kind

KINDS = ("StatefulSet", "Deployment", "Job")
_REFERENCE = re.compile(r"\$\(([A-Za-z0-9_]+)\)")
# The settings that each program reads; the others are no services.
SETTINGS: Mapping[str, type[ServiceSettings]] = {
    "missioncontrol-coordinator": CoordinatorSettings,
    "missioncontrol-scheduler": SchedulerSettings,
    "missioncontrol-event-gateway": EventGatewaySettings,
}


@dataclass(frozen=True)
class Place:
    """What the downward API tells a pod of itself."""

    name: str
    ip: str = "10.0.0.7"
    namespace: str = "missioncontrol"

    def field(self, path: str) -> str:
        """A field by its path."""
        return {
            "metadata.name": self.name,
            "status.podIP": self.ip,
            "metadata.namespace": self.namespace,
        }[path]


@dataclass(frozen=True)
class Workload:
    """One StatefulSet, Deployment or Job, with the objects that it was rendered with."""

    whole: Object
    objects: tuple[Object, ...]

    @property
    def name(self) -> str:
        """Its name in the cluster."""
        return str(self.whole["metadata"]["name"])

    @property
    def component(self) -> str:
        """What it is."""
        return str(self.template["metadata"]["labels"]["app.kubernetes.io/component"])

    @property
    def template(self) -> Object:
        """The pods' template."""
        return dict(self.whole["spec"]["template"])

    @property
    def pod(self) -> Object:
        """The pods' spec."""
        return dict(self.template["spec"])

    @property
    def container(self) -> Object:
        """The container that is not there for the beginning."""
        (only,) = self.pod["containers"]
        return dict(only)

    @property
    def containers(self) -> list[Object]:
        """All of them, in the order in which they run."""
        return [*self.pod.get("initContainers", []), self.container]

    @property
    def program(self) -> str:
        """The program of its container."""
        return str(self.container["command"][0])

    @property
    def replicas(self) -> int:
        """How many pods there are to begin with."""
        scaler = [each for each in of_kind(list(self.objects), "HorizontalPodAutoscaler") if _scales(each, self.name)]
        return int(scaler[0]["spec"]["minReplicas"] if scaler else self.whole["spec"].get("replicas", 1))

    def pod_names(self) -> list[str]:
        """The names that its pods have in the cluster, as far as they are known before."""
        return [f"{self.name}-{ordinal}" for ordinal in range(self.replicas)]

    def environment(self, container: Object, place: Place) -> dict[str, str]:
        """The variables of a container in this place, with what they refer to filled in as Kubernetes does it."""
        made: dict[str, str] = {}
        for source in container.get("envFrom", []):
            made.update(self._config(source["configMapRef"]["name"]))
        for variable in container.get("env", []):
            key = variable.get("valueFrom", {}).get("configMapKeyRef")
            made[variable["name"]] = self._config(key["name"])[key["key"]] if key else _value(variable, made, place)
        return made

    def config_names(self) -> Iterator[str]:
        """The config maps that its pods need."""
        for container in self.containers:
            for source in container.get("envFrom", []):
                yield source["configMapRef"]["name"]
            for variable in container.get("env", []):
                if "configMapKeyRef" in variable.get("valueFrom", {}):
                    yield variable["valueFrom"]["configMapKeyRef"]["name"]

    def secret_names(self) -> Iterator[str]:
        """The secrets that its pods need."""
        for volume in self.pod.get("volumes", []):
            if "secret" in volume:
                yield volume["secret"]["secretName"]

    def _config(self, name: str) -> dict[str, str]:
        return dict(named(list(self.objects), "ConfigMap", name)["data"])


def workloads(objects: list[Object]) -> list[Workload]:
    """Everything that has pods."""
    return [Workload(each, tuple(objects)) for each in of_kind(objects, *KINDS)]


def workload(objects: list[Object], component: str) -> Workload:
    """The one that is this."""
    (found,) = [each for each in workloads(objects) if each.component == component]
    return found


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a selector by labels takes this; an empty one takes all. Expressions are not used here."""
    assert set(selector) <= {"matchLabels"}, selector
    wanted: Mapping[str, str] = selector.get("matchLabels", {})
    return wanted.items() <= labels.items()


def _value(variable: Object, made: Mapping[str, str], place: Place) -> str:
    if "valueFrom" in variable:
        return place.field(variable["valueFrom"]["fieldRef"]["fieldPath"])

    def known(reference: re.Match[str]) -> str:
        # Kubernetes leaves what stands further down as it is written, and says nothing.
        assert reference[1] in made, f"{variable['name']} refers to {reference[1]}, which is not there before it"
        return made[reference[1]]

    return _REFERENCE.sub(known, str(variable["value"]))


def _scales(scaler: Object, name: str) -> bool:
    return bool(scaler["spec"]["scaleTargetRef"]["name"] == name)
