"""`missionctl health` against real servers: what a container's probe learns from its exit code."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry

from services.transport.server import RpcServer, create_server
from tests.clients.cli.conftest import CommandLine

NOBODY = "127.0.0.1:1"


@pytest.fixture
async def server() -> AsyncIterator[RpcServer]:
    server = create_server("scheduler", listen="127.0.0.1:0", registry=CollectorRegistry())
    await server.start()
    yield server
    await server.stop(grace_seconds=0)


async def test_a_process_that_serves_is_healthy(missionctl: CommandLine, server: RpcServer) -> None:
    asked = await missionctl("health", "--address", server.address, "-o", "json")

    assert (asked.code, asked.json) == (0, {"health": {server.address: "SERVING"}})


@pytest.mark.parametrize("output", ["table", "json"])
async def test_an_answer_that_nobody_reads_is_code_141(missionctl: CommandLine, server: RpcServer, output: str) -> None:
    asked = await missionctl.unread("health", "--address", server.address, "-o", output)

    assert (asked.code, asked.err) == (141, "")


async def test_a_process_that_is_not_ready_is_alive(missionctl: CommandLine, server: RpcServer) -> None:
    await server.mark_unready()

    ready = await missionctl("health", "--address", server.address, "--service", "readiness")
    alive = await missionctl("health", "--address", server.address, "--service", "liveness")

    assert (ready.code, "NOT_SERVING" in ready.out) == (1, True)
    assert alive.code == 0


async def test_one_that_does_not_answer_spoils_it_for_all(missionctl: CommandLine, server: RpcServer) -> None:
    asked = await missionctl("health", "--address", f"{server.address},{NOBODY}", "--timeout", "60", "-o", "json")

    assert (asked.code, asked.json["health"]) == (5, {server.address: "SERVING", NOBODY: "UNAVAILABLE"})


async def test_a_service_that_nobody_knows_is_not_found(missionctl: CommandLine, server: RpcServer) -> None:
    assert (await missionctl("health", "--address", server.address, "--service", "weather")).code == 3


async def test_no_address_is_a_wrong_command_line(missionctl: CommandLine) -> None:
    asked = await missionctl("health", "--address", "a:b")

    assert (asked.code, "--address" in asked.err) == (2, True)


async def test_a_file_of_tls_that_is_not_there_is_said_in_one_line(
    missionctl: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MISSIONCONTROL_TLS_CA_FILE", "/no/such")

    asked = await missionctl("health")

    assert (asked.code, asked.err) == (
        2,
        "missionctl: MISSIONCONTROL_TLS_CA_FILE: /no/such: No such file or directory\n",
    )
