"""Plays what Kubernetes does with the rendered pods, with real processes on this machine.

A pod's container is started with exactly the rendered command, arguments and environment. What a cluster provides is
provided here, and is all that is changed on the way: each pod has an IP address, one of 127.0.0.0/8, in place of a
network of its own, so programs listen on it instead of on 0.0.0.0; names of Services and pods are replaced by such
addresses, as the DNS would; and what is mounted are folders. Ports stay as they are.

Two simplifications: a pod that is replaced keeps its address, and everybody knows at once which pods there are.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.fleet.process import DeadlineError, ManagedProcess, ProcessSpec
from tests.k8s.rendering import BIN, Object
from tests.k8s.workloads import Place, Workload, workloads

SERVING = health_pb2.HealthCheckResponse.SERVING
# A machine that runs other tests is far slower than the nodes that the probes are meant for, and starts all at once.
PATIENCE = 2.0
READY_SECONDS_MAX = 240.0
POLL_SECONDS = 0.05
_ANY = re.compile(r"^0\.0\.0\.0:")
# The content of a secret, by its name: written into the folder that plays the volume.
Secrets = Mapping[str, Mapping[str, bytes]]


@dataclass
class Cluster:
    """The pods of one combination. `network` is the beginning of their addresses, such as 127.7.1."""

    objects: list[Object]
    folder: Path
    network: str
    secrets: Secrets = field(default_factory=dict)
    pods: dict[str, Pod] = field(default_factory=dict)

    def workload(self, component: str) -> Workload:
        """The one that is this."""
        (found,) = [each for each in workloads(self.objects) if each.component == component]
        return found

    def pod(self, name: str, component: str) -> Pod:
        """The pod of this name; made, and not started, if there is none."""
        if name not in self.pods:
            self.pods[name] = Pod(self, self.workload(component), name)
        return self.pods[name]

    def ip(self, name: str) -> str:
        """The address of a pod; every name has one of its own, whether there is such a pod or not."""
        known = sorted(pod for each in workloads(self.objects) for pod in each.pod_names())
        # Pods of a Deployment get further ones, in the order in which they come.
        extra = [pod for pod in self.pods if pod not in known] + [name]
        number = known.index(name) if name in known else len(known) + extra.index(name)
        return f"{self.network}.{number + 1}"

    def resolve(self, text: str) -> str:
        """Replaces names of Services and of their pods, as the DNS would."""
        parts = [self._resolved(part) for part in text.split(",")]
        return ",".join(parts)

    def _resolved(self, address: str) -> str:
        host, colon, port = address.rpartition(":")
        labels = host.split(".")
        by_name = {each.name: each for each in workloads(self.objects) if each.whole["kind"] == "StatefulSet"}
        if colon and len(labels) == 2 and labels[1] in by_name:
            return f"{self.ip(labels[0])}:{port}"
        if colon and len(labels) == 1 and labels[0] in by_name:
            return ",".join(f"{self.ip(name)}:{port}" for name in by_name[labels[0]].pod_names())
        return address

    def kill(self) -> None:
        """Ends whatever still runs."""
        for pod in self.pods.values():
            pod.kill()


class Pod:
    """One pod: its containers one after another, its probes, and its end as the kubelet brings it about."""

    def __init__(self, cluster: Cluster, workload: Workload, name: str) -> None:
        self.name = name
        self.workload = workload
        self._cluster = cluster
        self._place = Place(name, cluster.ip(name))
        self._folder = cluster.folder / name
        self._process: ManagedProcess | None = None

    @property
    def ip(self) -> str:
        """Its address."""
        return self._place.ip

    @property
    def process(self) -> ManagedProcess:
        """The process of its container, once it was started."""
        assert self._process is not None, f"{self.name} was not started"
        return self._process

    def environment(self, container: Object) -> dict[str, str]:
        """What the container gets, with what the cluster provides filled in. Nothing is inherited but the PATH."""
        rendered = self.workload.environment(container, self._place)
        provided = {name: self._provide(name, value, container) for name, value in rendered.items()}
        return {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(self._folder), **provided}

    def begin(self) -> None:
        """Starts its container, and waits for nothing."""
        self._process = self.run(self.workload.container)

    async def start(self) -> None:
        """Runs what comes first, then its container, and returns when it is ready to work."""
        for container in self.workload.pod.get("initContainers", []):
            first = self.run(container)
            assert await first.wait_exit(120) == 0, first.log_tail()
        self.begin()
        if "startupProbe" in self.workload.container:
            await self.passes("startup")
            await self.passes("readiness")

    async def passes(self, name: str) -> None:
        """Returns when the probe does."""
        probe = self.workload.container[f"{name}Probe"]
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not await self.asks(probe):
            self.process.assert_running()
            if time.monotonic() > deadline:
                raise DeadlineError(f"{self.name} does not pass its {name} probe:\n{self.process.log_tail()}")
            await asyncio.sleep(POLL_SECONDS)

    async def answers(self) -> dict[str, bool]:
        """What its three probes say now."""
        names = ("startup", "liveness", "readiness")
        return {name: await self.asks(self.workload.container[f"{name}Probe"]) for name in names}

    async def asks(self, probe: Object) -> bool:
        """One question as the kubelet asks it: in plain text, on a connection of its own."""
        asked = probe["grpc"]
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(f"{self.ip}:{asked['port']}", options=options) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest(service=asked["service"])
            try:
                answer = await stub.Check(request, timeout=PATIENCE * probe["timeoutSeconds"])
            except grpc.aio.AioRpcError:
                return False
        return bool(answer.status == SERVING)

    async def end(self) -> float:
        """preStop, SIGTERM, and the wait for the end; how long that took. An error if it had to be killed or failed."""
        grace = self.workload.pod["terminationGracePeriodSeconds"]
        began = time.monotonic()
        sleep = self.workload.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        await asyncio.sleep(sleep)
        self.process.signal(signal.SIGTERM)
        code = await self.process.wait_exit(grace - sleep)
        assert code == 0, f"{self.name} ended with {code}:\n{self.process.log_tail()}"
        return time.monotonic() - began

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()

    def run(self, container: Object) -> ManagedProcess:
        """Starts a container in this pod, and waits for nothing."""
        self._fill_volumes()
        command = [*container["command"], *container.get("args", [])]
        # The program as it is on the PATH of the image; it is a script of Python's.
        arguments = (str(BIN / command[0]), *command[1:])
        spec = ProcessSpec(f"{self.name}.{container['name']}", arguments, self.environment(container))
        process = ManagedProcess(spec, log_folder=self._folder)
        process.start()
        return process

    def _provide(self, name: str, value: str, container: Object) -> str:
        if name.endswith("_LISTEN"):
            return _ANY.sub(f"{self.ip}:", value)
        return self._mounted(self._cluster.resolve(value), container)

    def _mounted(self, value: str, container: Object) -> str:
        volumes = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        paths = "|".join(re.escape(path) for path in volumes)
        return re.sub(rf"({paths})(?=/)", lambda path: str(self._volume(volumes[path[1]])), value)

    def _volume(self, name: str) -> Path:
        return self._folder / "volumes" / name

    def _fill_volumes(self) -> None:
        claims = [claim["metadata"]["name"] for claim in self.workload.whole["spec"].get("volumeClaimTemplates", [])]
        for name in [*claims, *(volume["name"] for volume in self.workload.pod.get("volumes", []))]:
            self._volume(name).mkdir(parents=True, exist_ok=True)
        for volume in self.workload.pod.get("volumes", []):
            for key, content in self._cluster.secrets.get(volume.get("secret", {}).get("secretName", ""), {}).items():
                (self._volume(volume["name"]) / key).write_bytes(content)


async def roll(pods: list[Pod], *, told: Callable[[str], Awaitable[None]] | None = None) -> list[float]:
    """Replaces the pods of a StatefulSet, the last one first, each when the one before is ready. How long ends took."""
    ends = []
    for pod in reversed(pods):
        ends.append(await pod.end())
        await pod.start()
        if told is not None:
            await told(pod.name)
    return ends


async def roll_surging(old: list[Pod], new: list[Pod]) -> list[float]:
    """Replaces the pods of a Deployment with maxSurge 1, maxUnavailable 0: a new one is ready, then an old one goes."""
    ends = []
    for gone, come in zip(old, new, strict=True):
        await come.start()
        ends.append(await gone.end())
    return ends
