"""S11: what a consumer sees over any number of disconnects is exactly the log after its position."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest

from tests.event_gateway.conftest import Fleet, ScriptedFeed, fleet
from tests.event_gateway.http_client import PATIENCE_SECONDS, open_reader

CONSUMERS = 12
CUTS = 25
EVENTS = 3000
IDLE_SECONDS = 0.2


class Consumer:
    """Reads, is cut after a random number of bytes, and comes back after its last id."""

    def __init__(self, address: str, chance: random.Random) -> None:
        self.address = address
        self.chance = chance
        self.seen: list[int] = []
        self.last_id = ""

    async def run(self) -> None:
        for _ in range(CUTS):
            await self.read(self.chance.randrange(1, 100_000))
        while not self.seen or self.seen[-1] < EVENTS:
            await self.read(10_000_000)

    async def read(self, byte_count: int) -> None:
        headers = {"Last-Event-ID": self.last_id} if self.last_id else {}
        stream = await open_reader(self.address, "/v1/events", headers=headers)
        raw = b""
        with contextlib.suppress(TimeoutError):
            while len(raw) < byte_count:
                piece = await asyncio.wait_for(stream.reader.read(byte_count - len(raw)), IDLE_SECONDS)
                if not piece:
                    break
                raw += piece
        await stream.close()
        for frame in dechunked(raw).split(b"\n\n")[:-1]:
            fields = dict(line.split(b": ", 1) for line in frame.split(b"\n"))
            assert fields.get(b"event") != b"reset"
            if b"id" in fields:
                self.last_id = fields[b"id"].decode()
                self.seen.append(int(self.last_id.split(":")[1]))


def dechunked(raw: bytes) -> bytes:
    """The body of as much of a chunked response as there is."""
    body = b""
    while b"\r\n" in raw:
        size, raw = raw.split(b"\r\n", 1)
        body += raw[: int(size, 16)]
        raw = raw[int(size, 16) + 2 :]
    return body


@pytest.mark.parametrize("ring_events", [256, 100_000])
async def test_cuts_in_mid_frame_lose_and_double_nothing(feed: ScriptedFeed, ring_events: int):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    async with fleet(feed, event_gateway_ring_events=ring_events) as running:
        consumers = [Consumer(running.address, random.Random(seed + number)) for number in range(CONSUMERS)]
        feed.append(EVENTS // 3)
        async with asyncio.TaskGroup() as group:
            for consumer in consumers:
                group.create_task(consumer.run())
            group.create_task(append_the_rest(running))
        for consumer in consumers:
            assert consumer.seen == list(range(1, EVENTS + 1))


async def append_the_rest(running: Fleet) -> None:
    while running.feed.head < EVENTS:
        running.feed.append(min(20, EVENTS - running.feed.head))
        await running.seen(running.feed.head)


async def test_live_readers_that_are_cut_come_back_to_the_very_next_event(running: Fleet):
    chance = random.Random(7)
    seen: list[int] = []
    last_id = "e1:0"
    for _ in range(40):
        stream = await running.read("/v1/events", Last_Event_ID=last_id)
        running.feed.append(chance.randrange(1, 30))
        frames = await stream.take(chance.randrange(1, running.feed.head - len(seen) + 1))
        seen += [frame.sequence for frame in frames]
        last_id = frames[-1].fields["id"]
        await stream.close()
    assert seen == list(range(1, len(seen) + 1))


async def test_a_reader_that_is_cut_before_its_first_event_comes_back_to_where_the_head_was(running: Fleet):
    running.feed.append(5)
    await running.seen(5)
    stream = await running.read("/v1/events?after=head")
    opening = await asyncio.wait_for(anext(stream.frames()), PATIENCE_SECONDS)
    await stream.close()
    running.feed.append(2)

    again = await running.read("/v1/events?after=head", Last_Event_ID=opening.fields["id"])

    assert opening.fields["id"] == "e1:5"
    assert [frame.sequence for frame in await again.take(2)] == [6, 7]
