"""Services of `compose.yaml` as processes from the image: their commands, environments, names, volumes and probes.

Each has a network namespace of its own, a root that it cannot write to, and the user of the image. What an engine would
do beside that (limits, restarts, ports of the host) is not here.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from services.fleet.process import ManagedProcess, ProcessSpec
from tests.e2e.waiting import eventually
from tests.image.built_image import BuiltImage
from tests.image.compose_file import ComposeService, in_starting_order
from tests.image.container_network import ContainerNetwork
from tests.image.tools import path_of

EXEC_SECONDS = 60.0
START_SECONDS = 60.0
_ENTER = Path(__file__).with_name("enter.sh")
_NUMBERS = itertools.count()


@dataclass(frozen=True)
class Ended:
    """What a command in a container came to."""

    code: int
    output: str


class ContainerFleet:
    """Starts services in order, each when what it waits for is so; runs commands in them; stops them."""

    def __init__(self, image: BuiltImage, network: ContainerNetwork, folder: Path) -> None:
        self.processes: dict[str, ManagedProcess] = {}
        self.network = network
        self._image = image
        self._folder = folder
        self._services: dict[str, ComposeService] = {}
        self._hosts = folder / "hosts"

    async def start(self, *names: str, elsewhere: Mapping[str, str] | None = None) -> None:
        """Starts these services and what they wait for; returns when all with a probe are healthy.

        `elsewhere` has the addresses of services that the test runs itself.
        """
        outside = elsewhere or {}
        services = [each for each in in_starting_order(names) if each.name not in outside]
        self._services.update({each.name: each for each in services})
        for service in services:
            self.network.join(service.name)
        known = {"localhost": "127.0.0.1", **self.network.addresses, **outside}
        self._hosts.write_text("".join(f"{address} {name}\n" for name, address in known.items()))
        for service in services:
            await self._start_one(service)

    async def execute(self, name: str, *command: str) -> Ended:
        """Runs a command beside a service, as `docker compose exec` does."""
        spec = replace(self._spec(self._services[name], command), name=f"{name}-{next(_NUMBERS)}")
        process = ManagedProcess(spec, log_folder=self._folder)
        process.start()
        try:
            code = await process.wait_exit(EXEC_SECONDS)
        finally:
            process.kill()
        return Ended(code, process.log_file.read_text())

    async def stop(self) -> dict[str, int | None]:
        """SIGTERM to each, last started first, each when the one before is gone; the exit codes."""
        return {name: await process.stop() for name, process in reversed(self.processes.items())}

    def kill(self) -> None:
        """SIGKILL for whatever is still there."""
        for process in self.processes.values():
            process.kill()

    async def _start_one(self, service: ComposeService) -> None:
        process = ManagedProcess(self._spec(service, service.command), log_folder=self._folder)
        process.start()
        if service.told["restart"] == "no":
            assert await process.wait_exit(EXEC_SECONDS) == 0, process.log_tail()
            return
        self.processes[service.name] = process
        if service.probe:
            await eventually(lambda: self._healthy(service), within=START_SECONDS)

    async def _healthy(self, service: ComposeService) -> bool:
        self.processes[service.name].assert_running()
        return (await self.execute(service.name, *service.probe)).code == 0

    def _spec(self, service: ComposeService, command: tuple[str, ...]) -> ProcessSpec:
        config = self._image.config
        volume, mounted_at = next(((self._volume(name), at) for name, at in service.volumes.items()), ("", ""))
        arguments = (
            "netns", "exec", self.network.namespace(service.name),
            path_of("unshare"), "--mount", "--propagation", "private",
            "sh", str(_ENTER), str(self._image.root), config["User"], config["WorkingDir"], str(self._hosts),
            volume, mounted_at, *command,
        )  # fmt: skip
        environment = {**self._image.environment, **service.environment}
        return ProcessSpec(service.name, arguments, environment, program=path_of("ip"))

    def _volume(self, name: str) -> str:
        """A new volume takes over the owner of the folder that it is mounted on."""
        folder = self._folder / f"volume-{name}"
        if not folder.exists():
            folder.mkdir()
            user, group = self._image.config["User"].split(":")
            os.chown(folder, int(user), int(group))
        return str(folder)
