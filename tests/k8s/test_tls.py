"""The component `tls` with real processes, and certificates such as cert-manager would issue for its objects."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import grpc
import httpx
import pytest
from missioncontrol import Client, tls

from tests.certificates import Authority
from tests.k8s.cluster import Cluster
from tests.k8s.conftest import MakeCluster
from tests.k8s.rendering import Combination, of_kind, render

pytestmark = pytest.mark.k8s
COMBINATION: Combination = ("local", "tls")


def issued(authority: Authority) -> dict[str, dict[str, bytes]]:
    """The secrets that cert-manager makes of the rendered Certificates."""
    secrets = {}
    for each in of_kind(render(COMBINATION), "Certificate"):
        spec = each["spec"]
        certificate, key = authority.issue(spec["secretName"], *spec.get("dnsNames", [spec["commonName"]]))
        secrets[spec["secretName"]] = {
            "tls.crt": certificate.read_bytes(),
            "tls.key": key.read_bytes(),
            "ca.crt": authority.ca.read_bytes(),
        }
    return secrets


async def start(cluster: Cluster) -> None:
    for component, name in (
        ("scheduler", "missioncontrol-scheduler-0"),
        ("coordinator", "missioncontrol-coordinator-0"),
        ("event-gateway", "missioncontrol-event-gateway-0"),
        ("agents", "missioncontrol-agents-0"),
    ):
        await cluster.pod(name, component).start()


async def test_work_goes_through_by_tls_and_not_without(
    make_cluster: MakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "authority").mkdir()
    authority = Authority(tmp_path / "authority")
    cluster = make_cluster(COMBINATION, secrets=issued(authority))
    await start(cluster)
    address = cluster.resolve("missioncontrol-coordinator-0.missioncontrol-coordinator:7070")
    with monkeypatch.context() as trusting:
        trusting.setenv(tls.CA_FILE, str(authority.ca))
        trusting.setenv(tls.SERVER_NAME, "missioncontrol-coordinator")
        async with Client(address, call_seconds=60) as client:
            handle = await client.submit_command(["true"])
            assert (await asyncio.wait_for(handle.result(), 120)).exit_code == 0
    assert await read_feed(cluster, authority) == 200
    with pytest.raises(grpc.aio.AioRpcError):
        await plain_call(address)


async def read_feed(cluster: Cluster, authority: Authority) -> int:
    """The status of a page of the feed, by HTTPS, for the name in the gateway's certificate."""
    context = ssl.create_default_context(cafile=str(authority.ca))
    gateway = cluster.pod("missioncontrol-event-gateway-0", "event-gateway")
    async with httpx.AsyncClient(verify=context, timeout=60) as http:
        page = await http.get(
            f"https://{gateway.ip}:7080/v1/events?format=json",
            extensions={"sni_hostname": "missioncontrol-event-gateway"},
        )
    return page.status_code


async def plain_call(address: str) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        await channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=5)


async def test_a_scheduler_lets_in_only_who_has_a_certificate(make_cluster: MakeCluster, tmp_path: Path):
    (tmp_path / "authority").mkdir()
    authority = Authority(tmp_path / "authority")
    cluster = make_cluster(COMBINATION, secrets=issued(authority))
    scheduler = cluster.pod("missioncontrol-scheduler-0", "scheduler")
    await scheduler.start()
    credentials = grpc.ssl_channel_credentials(authority.ca.read_bytes())
    options = [("grpc.ssl_target_name_override", "missioncontrol-scheduler")]
    async with grpc.aio.secure_channel(f"{scheduler.ip}:7071", credentials, options=options) as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=5)
