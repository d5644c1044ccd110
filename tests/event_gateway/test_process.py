"""The gateway as operators run it: a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.event_gateway.conftest import ScriptedFeed, start_coordinator
from tests.event_gateway.http_client import PATIENCE_SECONDS, open_reader


@asynccontextmanager
async def gateway_process(tmp_path: Path, **settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MISSIONCONTROL_")}
    values = {
        "EVENT_GATEWAY_LISTEN": "127.0.0.1:0",
        "EVENT_GATEWAY_GRPC_LISTEN": "127.0.0.1:0",
        "METRICS_LISTEN": "127.0.0.1:0",
        "ADDRESS_FILE": str(tmp_path / "address.json"),
        "STOP_GRACE_SECONDS": "60",
        **settings,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.event_gateway",
        env=environment | {f"MISSIONCONTROL_{name}": value for name, value in values.items()},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def addresses(tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "address.json"
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not path.exists():
            await asyncio.sleep(0.02)
    content: dict[str, Any] = json.loads(path.read_text())
    return content


async def logged(process: asyncio.subprocess.Process, field: str) -> str:
    """The first value that this field has in its log."""
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        while line := await process.stdout.readline():
            if field in (content := json.loads(line)):
                return str(content[field])
    raise AssertionError(f"it ended without a word of its {field}")


async def test_a_process_serves_and_drains_at_sigterm(feed: ScriptedFeed, tmp_path: Path):
    coordinator = await start_coordinator(feed)
    feed.append(3)
    async with gateway_process(tmp_path, COORDINATORS=coordinator.address) as process:
        written = await addresses(tmp_path)
        assert (written["service"], written["pid"]) == ("event_gateway", process.pid)
        stream = await open_reader(written["address"], "/v1/events")
        assert len(await stream.take(3)) == 3
        metrics = await open_reader(written["metrics_address"], "/metrics")
        assert b"missioncontrol_event_gateway_readers" in await metrics.body()
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert [frame async for frame in stream.frames()] == []
            output, errors = await process.communicate()
        assert (process.returncode, errors) == (0, b"")
        assert [json.loads(line)["event"] for line in output.splitlines()][-1] == "stopped"
        for reader in (stream, metrics):
            await reader.close()
    await coordinator.stop(grace_seconds=0)


async def test_an_address_in_use_is_one_clear_line(feed: ScriptedFeed, tmp_path: Path):
    coordinator = await start_coordinator(feed)
    settings = {"COORDINATORS": coordinator.address, "EVENT_GATEWAY_LISTEN": coordinator.address}
    async with gateway_process(tmp_path, **settings) as process:
        _, errors = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
        assert process.returncode == 1
        expected = f"missioncontrol: event_gateway cannot listen on {coordinator.address}: Address already in use\n"
        assert errors.decode() == expected
    await coordinator.stop(grace_seconds=0)


async def test_its_health_by_grpc_is_its_readiness(tmp_path: Path):
    coordinator = await start_coordinator(ScriptedFeed())
    async with gateway_process(tmp_path, COORDINATORS=coordinator.address) as process:
        grpc_address = await logged(process, "grpc_address")
        async with grpc.aio.insecure_channel(grpc_address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest(service="readiness")
            async with asyncio.timeout(PATIENCE_SECONDS):
                while (await stub.Check(request)).status != health_pb2.HealthCheckResponse.SERVING:
                    await asyncio.sleep(0.02)
            await coordinator.stop(grace_seconds=0)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while (await stub.Check(request)).status != health_pb2.HealthCheckResponse.NOT_SERVING:
                    await asyncio.sleep(0.02)
            alive = await stub.Check(health_pb2.HealthCheckRequest(service="liveness"))
            assert alive.status == health_pb2.HealthCheckResponse.SERVING
