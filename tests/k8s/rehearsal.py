"""What goes on while pods are replaced: clients that submit and ask, a reader of the feed, and the books on both."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
from missioncontrol import Client
from missioncontrol.command import CommandOutput
from missioncontrol.handle import TaskHandle
from missioncontrol.v1 import task_pb2

PAUSE_SECONDS = 0.2
# Beyond a lease that is handed over, and shorter than the drain of an agent: alive while several things are replaced.
LONG_WORK = ["sleep", "12"]
SHORT_WORK = ["sleep", "0.2"]
LONG_EVERY = 20


@dataclass
class Books:
    """What was asked for, and what came of it. A call that failed is one that the shipped retries did not save."""

    handles: list[TaskHandle[CommandOutput]] = field(default_factory=list)
    failed_calls: list[str] = field(default_factory=list)
    calls: int = 0
    longest_call_seconds: float = 0.0


@asynccontextmanager
async def working(client: Client, books: Books) -> AsyncIterator[None]:
    """Submits and asks, again and again, until left."""
    leaving = asyncio.Event()
    clients = [asyncio.create_task(each(client, books, leaving)) for each in (_submit, _ask)]
    try:
        yield
    finally:
        leaving.set()
        await asyncio.gather(*clients)


async def _submit(client: Client, books: Books, leaving: asyncio.Event) -> None:
    while not leaving.is_set():
        async with _call(books, "submit"):
            work = SHORT_WORK if len(books.handles) % LONG_EVERY else LONG_WORK
            books.handles.append(await client.submit_command(work))
        await asyncio.sleep(PAUSE_SECONDS)


async def _ask(client: Client, books: Books, leaving: asyncio.Event) -> None:
    while not leaving.is_set():
        if books.handles:
            async with _call(books, "get"):
                await books.handles[-1].get()
        await asyncio.sleep(PAUSE_SECONDS)


@asynccontextmanager
async def _call(books: Books, name: str) -> AsyncIterator[None]:
    began = time.monotonic()
    books.calls += 1
    try:
        yield
    except Exception as error:  # Whatever it is, it is what a caller would have got.
        books.failed_calls.append(f"{name}: {error!r}")
    books.longest_call_seconds = max(books.longest_call_seconds, time.monotonic() - began)


async def outcomes(books: Books) -> Counter[str]:
    """How every attempt of every task ended, once all tasks have; those given back unstarted are told apart."""
    counted: Counter[str] = Counter()
    for handle in books.handles:
        task = await handle.wait()
        counted[f"task {task_pb2.TaskState.Name(task.state)}"] += 1
        for attempt in await handle.attempts():
            started = "" if attempt.HasField("start_time") else " unstarted"
            counted[task_pb2.AttemptOutcome.Name(attempt.outcome) + started] += 1
    return counted


class Reader:
    """Follows the feed over HTTP at whichever gateway takes it, each time after the last position that it saw."""

    def __init__(self, gateways: Sequence[str]) -> None:
        self._gateways = list(gateways)
        self.position = ""
        self.sequences: list[int] = []
        self.resets = 0
        self.connections = 0

    async def run(self) -> None:
        """Follows until cancelled."""
        async with httpx.AsyncClient(timeout=httpx.Timeout(30, connect=2)) as http:
            while True:
                for gateway in self._gateways:
                    await self._follow(http, gateway)
                    await asyncio.sleep(PAUSE_SECONDS)

    async def until(self, sequence: int) -> None:
        """Returns when it has seen this one."""
        while not self.sequences or self.sequences[-1] < sequence:
            await asyncio.sleep(PAUSE_SECONDS)

    async def _follow(self, http: httpx.AsyncClient, gateway: str) -> None:
        asked = {"format": "ndjson", "namespace": "*", **({"after": self.position} if self.position else {})}
        try:
            async with http.stream("GET", f"http://{gateway}/v1/events", params=asked) as answer:
                self.connections += answer.status_code == httpx.codes.OK
                async for line in answer.aiter_lines():
                    self._take(line)
        except httpx.TransportError:
            return

    def _take(self, line: str) -> None:
        if line.startswith('{"reset"'):
            self.resets += 1
        elif line:
            self.position = line.partition('"id":"')[2].partition('"')[0]
            self.sequences.append(int(self.position.rpartition(":")[2]))
