"""`missionctl` as a process, against a scripted coordinator."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.clients.client.peer import Peer, serve


@dataclass(frozen=True)
class Ended:
    """What one command line came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class CommandLine:
    """A coordinator and the way to run `missionctl` against it."""

    peer: Peer
    address: str

    async def start(
        self, *arguments: str, stdout: int = asyncio.subprocess.PIPE, **variables: str
    ) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "missioncontrol.cli", *arguments,
            env={**os.environ, "MISSIONCONTROL_ADDRESS": self.address, **variables},
            stdin=asyncio.subprocess.DEVNULL, stdout=stdout, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    async def __call__(self, *arguments: str) -> Ended:
        process = await self.start(*arguments)
        out, err = await process.communicate()
        assert process.returncode is not None
        return Ended(process.returncode, out.decode(), err.decode())

    async def unread(self, *arguments: str) -> Ended:
        """Where whoever should read the output has gone before there is any."""
        reader, writer = os.pipe()
        os.close(reader)
        # Empty is unset: output waits for the end, as it does for people.
        process = await self.start(*arguments, stdout=writer, PYTHONUNBUFFERED="")
        os.close(writer)
        _, err = await process.communicate()
        assert process.returncode is not None
        return Ended(process.returncode, "", err.decode())


@pytest.fixture
async def missionctl() -> AsyncIterator[CommandLine]:
    peer = Peer()
    server, address = await serve(peer)
    yield CommandLine(peer, address)
    await server.stop(0)
