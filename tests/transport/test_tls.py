"""TLS with real certificates and real sockets: who gets in, who is believed, and what happens when one is renewed."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from missioncontrol.channel import open_channel
from missioncontrol.tls import trust_from
from prometheus_client import CollectorRegistry

from services.config import ConfigurationError, SchedulerSettings, read
from services.transport.server import create_server
from services.transport.tls import Dialling, ServerFiles, server_files
from services.transport.tls_context import following_context
from tests.certificates import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@asynccontextmanager
async def serving(files: ServerFiles) -> AsyncIterator[str]:
    server = create_server("coordinator", listen="127.0.0.1:0", registry=CollectorRegistry(), tls=files)
    try:
        yield await server.start()
    finally:
        await server.stop(grace_seconds=0)


async def ask(channel: grpc.aio.Channel) -> int:
    """Whether the server behind a channel says that it lives. Raises AioRpcError."""
    async with channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service="liveness"), timeout=60)
        return int(answer.status)


async def test_who_trusts_the_ca_gets_in(authority: Authority):
    async with serving(authority.server("127.0.0.1")) as address:
        assert await ask(Dialling(authority.ca).open(address, [])) == 1


async def test_plain_text_is_not_answered(authority: Authority):
    async with serving(authority.server("127.0.0.1")) as address:
        with pytest.raises(grpc.aio.AioRpcError):
            await ask(Dialling().open(address, []))


async def test_a_server_of_another_ca_is_not_believed(authority: Authority, tmp_path: Path):
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    async with serving(other.server("127.0.0.1")) as address:
        with pytest.raises(grpc.aio.AioRpcError):
            await ask(Dialling(authority.ca).open(address, []))


async def test_a_name_in_place_of_the_address_is_what_is_checked(authority: Authority):
    async with serving(authority.server("coordinator")) as address:
        assert await ask(Dialling(authority.ca, server_name="coordinator").open(address, [])) == 1
        with pytest.raises(grpc.aio.AioRpcError):
            await ask(Dialling(authority.ca).open(address, []))


async def test_with_a_client_ca_only_who_shows_a_certificate_gets_in(authority: Authority):
    shown = authority.issue("client", "agent")
    async with serving(authority.server("127.0.0.1", client_ca=authority.ca)) as address:
        assert await ask(Dialling(authority.ca, *shown).open(address, [])) == 1
        with pytest.raises(grpc.aio.AioRpcError):
            await ask(Dialling(authority.ca).open(address, []))


async def test_a_renewed_certificate_is_taken_without_a_restart(authority: Authority):
    async with serving(authority.server("first")) as address:
        assert await ask(Dialling(authority.ca, server_name="first").open(address, [])) == 1
        authority.issue("server", "second")
        assert await ask(Dialling(authority.ca, server_name="second").open(address, [])) == 1
        with pytest.raises(grpc.aio.AioRpcError):
            await ask(Dialling(authority.ca, server_name="first").open(address, []))


async def test_half_of_a_renewal_is_left_aside(authority: Authority):
    files = authority.server("first")
    async with serving(files) as address:
        files.certificate.write_bytes(authority.issue("other", "second")[0].read_bytes())
        assert await ask(Dialling(authority.ca, server_name="first").open(address, [])) == 1


async def test_the_sdk_takes_its_ca_from_the_environment(authority: Authority, monkeypatch: pytest.MonkeyPatch):
    async with serving(authority.server("coordinator")) as address:
        monkeypatch.setenv("MISSIONCONTROL_TLS_CA_FILE", str(authority.ca))
        monkeypatch.setenv("MISSIONCONTROL_TLS_SERVER_NAME", "coordinator")
        assert await ask(open_channel(address)) == 1


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"MISSIONCONTROL_TLS_CA_FILE": "/no/such"}, "MISSIONCONTROL_TLS_CA_FILE: /no/such: No such file"),
        ({"MISSIONCONTROL_TLS_CERTIFICATE_FILE": "x"}, "needs MISSIONCONTROL_TLS_CA_FILE"),
        ({"MISSIONCONTROL_TLS_CA_FILE": "x", "MISSIONCONTROL_TLS_KEY_FILE": "x"}, "go together"),
    ],
)
def test_the_sdk_says_what_is_wrong(environment: dict[str, str], said: str):
    with pytest.raises(ValueError, match=said):
        trust_from(environment)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("CERTIFICATE",), "MISSIONCONTROL_TLS_KEY_FILE: is needed with"),
        (("KEY",), "MISSIONCONTROL_TLS_KEY_FILE: needs MISSIONCONTROL_TLS_CERTIFICATE_FILE"),
        (("CLIENT_CA",), "MISSIONCONTROL_TLS_CLIENT_CA_FILE: needs"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], said: str
):
    for name in names:
        monkeypatch.setenv(f"MISSIONCONTROL_TLS_{name}_FILE", str(authority.ca))
    with pytest.raises(ConfigurationError, match=said):
        read(SchedulerSettings)


def test_a_file_that_is_not_there_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MISSIONCONTROL_TLS_CA_FILE", "/no/such/file")
    with pytest.raises(ConfigurationError, match="MISSIONCONTROL_TLS_CA_FILE: there is no file /no/such/file"):
        read(SchedulerSettings)


def test_settings_become_files(authority: Authority, monkeypatch: pytest.MonkeyPatch):
    certificate, key = authority.issue("server", "a")
    assert server_files(read(SchedulerSettings)) is None
    monkeypatch.setenv("MISSIONCONTROL_TLS_CERTIFICATE_FILE", str(certificate))
    monkeypatch.setenv("MISSIONCONTROL_TLS_KEY_FILE", str(key))
    assert server_files(read(SchedulerSettings)) == ServerFiles(certificate, key)


async def test_a_key_of_another_certificate_ends_the_start_with_the_names_of_the_files(authority: Authority):
    files = ServerFiles(authority.issue("a", "a")[0], authority.issue("b", "b")[1])
    with pytest.raises(OSError, match=r"a\.crt, .*b\.key"):
        await create_server("x", listen="127.0.0.1:0", registry=CollectorRegistry(), tls=files).start()


def test_connections_of_other_servers_get_the_newest_certificate_too(authority: Authority):
    files = authority.server("first")
    context = following_context(files)
    assert "first" in name_shown(context, authority.ca)
    authority.issue("server", "second")
    assert "second" in name_shown(context, authority.ca)


def name_shown(context: ssl.SSLContext, ca: Path) -> str:
    """The names in the certificate that a server with this context shows, by a handshake in memory."""
    trusting = ssl.create_default_context(cafile=str(ca))
    trusting.check_hostname = False
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(to_client, to_server, server_hostname="any")
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server, client):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return str(client.getpeercert())
