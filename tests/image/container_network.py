"""A network as containers have it: a namespace with an address for each, all on one bridge, where the test is, too.

An ordinary context manager that removes everything whatever happens inside. What runs in there must have ended before.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.image.tools import ToolError, run

# Link-local, so nothing of it can be mistaken for a machine elsewhere.
_PREFIX = f"169.254.{os.getpid() % 254}"
# A cable outlives its namespace for a moment: no name is used twice.
_NUMBERS = itertools.count()


@dataclass
class ContainerNetwork:
    """Made by `container_network`."""

    bridge: str
    addresses: dict[str, str] = field(default_factory=dict)
    _namespaces: dict[str, str] = field(default_factory=dict)

    @property
    def host_address(self) -> str:
        """Where containers reach what the test itself runs."""
        return f"{_PREFIX}.1"

    def namespace(self, name: str) -> str:
        """The network namespace of a container that has joined."""
        return self._namespaces[name]

    def join(self, name: str) -> None:
        """Gives a container of this name its namespace and its address."""
        number = next(_NUMBERS)
        namespace, cable = f"mcc{os.getpid()}-{number}", f"mcv{os.getpid()}-{number}"
        run("ip", "netns", "add", namespace)
        self._namespaces[name] = namespace
        self.addresses[name] = f"{_PREFIX}.{len(self._namespaces) + 1}"
        run("ip", "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        run("ip", "link", "set", cable, "master", self.bridge, "up")
        run("ip", "-n", namespace, "address", "add", f"{self.addresses[name]}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            run("ip", "-n", namespace, "link", "set", device, "up")

    def remove(self) -> None:
        """Removes what is there of it; cables go with their namespaces."""
        for namespace in self._namespaces.values():
            with suppress(ToolError):
                run("ip", "netns", "delete", namespace)
        run("ip", "link", "delete", self.bridge)


@contextmanager
def container_network() -> Iterator[ContainerNetwork]:
    """A bridge without containers. Raises ToolError."""
    network = ContainerNetwork(f"mcb{os.getpid()}-{next(_NUMBERS)}")
    run("ip", "link", "add", network.bridge, "type", "bridge")
    try:
        run("ip", "address", "add", f"{network.host_address}/24", "dev", network.bridge)
        run("ip", "link", "set", network.bridge, "up")
        yield network
    finally:
        network.remove()
