"""A network of a test's own: a namespace at the end of a cable, whose packets can be dropped. Root, ip(8) and nft(8).

An ordinary context manager that removes namespace and cable whatever happens inside. Packets are dropped only by rules
in that namespace; those of the host are neither read nor written. What runs in there must have ended before.

`python network.py NAMESPACE ARGUMENT…` becomes a Python in the namespace with these arguments.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path

# Link-local networks of four addresses each: so many different ones are there at the same time.
NETWORKS = 1 << 14
_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
_TABLE = "inet partition"
_NUMBERS = itertools.count()


class Cut(Enum):
    """Which packets of the namespace are dropped: the names of nft's hooks."""

    OUTPUT = ("output",)
    INPUT = ("input",)
    BOTH = ("output", "input")


class NetworkImpossible(Exception):
    """This machine does not let us: says why."""


class Namespace:
    """A namespace, and the addresses of both ends of its cable. Made by `network_namespace`."""

    def __init__(self, name: str, host_address: str, address: str) -> None:
        self.name = name
        self.host_address = host_address
        self.address = address

    def arguments(self, *arguments: str) -> tuple[str, ...]:
        """What a Python is to be given, so that one with these arguments runs in the namespace."""
        return (str(Path(__file__)), self.name, *arguments)

    def cut(self, cut: Cut) -> None:
        """From here on these packets are dropped, without a word to their senders."""
        rules = [f"add table {_TABLE}"]
        for hook in cut.value:
            rules.append(f"add chain {_TABLE} {hook} {{ type filter hook {hook} priority 0; policy drop; }}")
        self._nft("; ".join(rules))

    def heal(self) -> None:
        """From here on everything gets through again."""
        self._nft(f"delete table {_TABLE}")

    def _nft(self, rules: str) -> None:
        _run("ip", "netns", "exec", self.name, "nft", rules)


@contextmanager
def network_namespace() -> Iterator[Namespace]:
    """A namespace with a cable to the host. Raises NetworkImpossible."""
    _require("ip", "nft")
    number = next(_NUMBERS)
    name, outside, inside = (f"{prefix}{os.getpid()}-{number}" for prefix in ("mc-", "mco", "mci"))
    network = (37 * os.getpid() + number) % NETWORKS
    address = f"169.254.{network >> 6}.{network % 64 * 4}"
    host, guest = (f"{address.rpartition('.')[0]}.{network % 64 * 4 + offset}" for offset in (1, 2))
    _run("ip", "netns", "add", name)
    try:
        _run("ip", "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name)
        _run("ip", "address", "add", f"{host}/30", "dev", outside)
        _run("ip", "link", "set", outside, "up")
        _run("ip", "-n", name, "address", "add", f"{guest}/30", "dev", inside)
        _run("ip", "-n", name, "link", "set", inside, "up")
        _run("ip", "-n", name, "link", "set", "lo", "up")
        yield Namespace(name, host, guest)
    finally:
        # The other end goes with it; a namespace alone would keep the cable for a moment longer.
        with suppress(NetworkImpossible):
            _run("ip", "link", "delete", outside)
        _run("ip", "netns", "delete", name)


def _require(*programs: str) -> None:
    if os.geteuid() != 0:
        raise NetworkImpossible("only root may make network namespaces")
    if missing := [program for program in programs if not shutil.which(program, path=_PATH)]:
        raise NetworkImpossible(f"there is no {', no '.join(missing)} (Debian: iproute2, nftables)")


def _run(program: str, *arguments: str) -> None:
    ended = subprocess.run(
        [program, *arguments], capture_output=True, text=True, check=False, env={**os.environ, "PATH": _PATH}
    )
    if ended.returncode:
        raise NetworkImpossible(f"{program} {' '.join(arguments)}: {ended.stderr.strip()}")


def main() -> None:
    """Becomes the command: the process id, and the death with the launcher, stay."""
    namespace, *arguments = sys.argv[1:]
    program = shutil.which("ip", path=_PATH)
    assert program is not None
    os.execv(program, [program, "netns", "exec", namespace, sys.executable, *arguments])


if __name__ == "__main__":
    main()
