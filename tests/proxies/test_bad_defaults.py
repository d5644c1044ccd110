"""What the proxies do by themselves, unless they are told otherwise: streams break, and all is well all the same.

Where a default takes long to strike (they wait for 50 s to 5 minutes of silence, and heartbeats come every 5 s), its
time is shorter here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import StartFleet
from tests.proxies.conftest import judge
from tests.proxies.journey import STREAMING, travel
from tests.proxies.proxy_process import ENVOY, HAPROXY, NGINX, Kind, port_of, running

pytestmark = pytest.mark.proxies


def envoy_defaults(config: str) -> str:
    """An answer may take 15 s, here 5, and streams from the coordinator are answers. 5 minutes of silence end any
    stream, here 3 s.
    """
    config, changed = re.subn(r"(?<!_)timeout: 0s", "timeout: 5s", config)
    assert changed == 2
    config, changed = re.subn(r"stream_idle_timeout: \w+", "stream_idle_timeout: 3s", config)
    assert changed == 2
    return config


def nginx_defaults(config: str) -> str:
    """A stream ends after 1 MB from the client, and after 60 s of silence: here after 3. Answers are buffered."""
    told = r"client_max_body_size|client_body_timeout|send_timeout|grpc_\w+_timeout|proxy_\w+_timeout|proxy_buffering"
    config, removed = re.subn(rf"^ *({told}) .*\n", "", config, flags=re.MULTILINE)
    assert removed == 8
    config = config.replace("grpc_pass ", "grpc_read_timeout 3s; grpc_pass ")
    return config.replace("proxy_pass ", "proxy_read_timeout 3s; proxy_pass ")


def haproxy_defaults(config: str) -> str:
    """What most write who copy from its manual: 50 s of silence end a stream; here 3."""
    config, changed = re.subn(r"timeout (client|server) \w+", r"timeout \1 3s", config)
    assert changed == 4
    return config


@pytest.mark.parametrize(
    ("kind", "defaults"),
    [(ENVOY, envoy_defaults), (NGINX, nginx_defaults), (HAPROXY, haproxy_defaults)],
    ids=[ENVOY.name, NGINX.name, HAPROXY.name],
)
async def test_what_breaks_is_mended_and_nothing_is_lost(
    start_fleet: StartFleet, tmp_path: Path, kind: Kind, defaults: Callable[[str], str], seconds: float
) -> None:
    fleet = await start_fleet(agents=(), lease_ttl_seconds=30.0)
    gateway = f"127.0.0.1:{port_of(fleet.gateway_url)}"
    config = defaults(kind.shipped())
    async with running(kind, config, tmp_path / kind.name, coordinator=fleet.address, gateway=gateway) as proxy:
        journey = await travel(fleet, proxy, seconds=seconds)

    judge(journey)
    assert journey.sessions[STREAMING] > 1, "the defaults struck"
    assert journey.feed.connections > 1
