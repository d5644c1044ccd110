from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter

from services import metrics_listener
from services.address_file import write_address_file
from services.metrics_listener import MetricsListener


async def fetch(address: str, request: bytes) -> bytes:
    host, port = address.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.fixture
async def listener() -> AsyncIterator[MetricsListener]:
    registry = CollectorRegistry()
    Counter("missioncontrol_things", "Things.", registry=registry).inc()
    listener = MetricsListener(registry, listen="127.0.0.1:0")
    await listener.start()
    yield listener
    await listener.stop()


async def test_metrics_are_served_on_the_port_that_was_bound(listener: MetricsListener):
    answer = await fetch(listener.address, b"GET /metrics?name=x HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"missioncontrol_things_total 1.0\n" in answer


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /healthz HTTP/1.1", b"200"),
        (b"GET /else HTTP/1.1", b"404"),
        (b"POST /metrics HTTP/1.1", b"405"),
        (b"?", b"405"),
    ],
)
async def test_other_requests_get_a_status(listener: MetricsListener, request_line: bytes, status: bytes):
    answer = await fetch(listener.address, request_line + b"\r\n\r\n")
    assert answer.split(b" ", 2)[1] == status


@pytest.mark.parametrize("path", [b"/metrics", b"/else"])
async def test_the_answer_to_a_head_request_is_that_to_a_get_without_its_body(listener: MetricsListener, path: bytes):
    answer = await fetch(listener.address, b"HEAD " + path + b" HTTP/1.1\r\n\r\n")

    whole = await fetch(listener.address, b"GET " + path + b" HTTP/1.1\r\n\r\n")
    head, end, body = whole.partition(b"\r\n\r\n")
    assert answer == head + end
    assert body


async def test_a_request_that_never_ends_is_cut_off(listener: MetricsListener, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(metrics_listener, "REQUEST_SECONDS_MAX", 0.05)
    async with asyncio.timeout(60):
        assert await fetch(listener.address, b"GET /metrics HT") == b""


async def test_a_request_that_is_too_long_is_cut_off(listener: MetricsListener):
    async with asyncio.timeout(60):
        # What was not read when the server closed comes back as a reset.
        with contextlib.suppress(ConnectionError):
            assert await fetch(listener.address, b"GET /" + b"x" * 100_000 + b"\r\n\r\n") == b""


async def test_a_port_in_use_is_a_clear_error(listener: MetricsListener):
    second = MetricsListener(CollectorRegistry(), listen=listener.address)
    with pytest.raises(OSError, match=f"cannot listen for metrics on {listener.address}"):
        await second.start()


def test_the_address_file_appears_whole(tmp_path: Path):
    path = tmp_path / "run" / "coordinator.json"
    write_address_file(path, "coordinator", address="127.0.0.1:1", metrics_address="127.0.0.1:2")
    assert json.loads(path.read_text()) == {
        "service": "coordinator",
        "address": "127.0.0.1:1",
        "metrics_address": "127.0.0.1:2",
        "pid": os.getpid(),
    }
    assert list(path.parent.iterdir()) == [path]


LOGGING_PROGRAM = """
import logging, structlog
from services.logs import configure_logging
configure_logging("coordinator", level="info")
secret = "payload of a user"
structlog.get_logger().debug("not shown")
structlog.get_logger().info("started", port=7070)
logging.getLogger("library").warning("from a %s", "library")
try:
    raise ValueError("bad")
except ValueError:
    structlog.get_logger().exception("failed")
"""


def test_every_log_line_is_a_json_object_on_stdout():
    result = subprocess.run(
        [sys.executable, "-c", LOGGING_PROGRAM], capture_output=True, text=True, timeout=30, check=True
    )
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["event"] for line in lines] == ["started", "from a library", "failed"]
    assert {line["service"] for line in lines} == {"coordinator"}
    assert [line["level"] for line in lines] == ["info", "warning", "error"]
    assert lines[2]["exception"][0]["exc_type"] == "ValueError"
    assert "payload of a user" not in result.stdout
