from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.event import Position
from services.event_gateway.entry import Entry
from services.event_gateway.ring import Ring
from tests.event_gateway.http_client import PATIENCE_SECONDS


def entry(sequence: int, size: int = 10) -> Entry:
    return Entry(sequence, 1, "default", "", "", "", b"x" * size, 0)


def entries(first: int, count: int) -> list[Entry]:
    return [entry(number) for number in range(first, first + count)]


async def ring_at(sequence: int, *, events_max: int = 8, bytes_max: int = 10_000) -> Ring:
    ring = Ring(events_max=events_max, bytes_max=bytes_max)
    ring.begin(Position("e1", sequence))
    return ring


async def test_a_ring_without_contact_covers_nothing():
    ring = Ring(events_max=8)
    assert ring.position is None
    assert not ring.covers(Position("e1", 0))


async def test_a_new_ring_covers_its_beginning_only():
    ring = await ring_at(5)
    assert [ring.covers(Position("e1", sequence)) for sequence in (4, 5, 6)] == [False, True, False]
    assert not ring.covers(Position("e2", 5))


async def test_the_oldest_give_way():
    ring = await ring_at(0)
    ring.append(entries(1, 20))
    assert (ring.base, ring.head, len(ring)) == (12, 20, 8)
    assert [found.sequence for found in ring.after(15, 100)] == [16, 17, 18, 19, 20]


async def test_bytes_are_bounded_too():
    ring = await ring_at(0, events_max=100, bytes_max=1000)
    ring.append([entry(number, size=300) for number in range(1, 11)])
    assert (len(ring), ring.bytes_held) == (3, 900)
    ring.append([entry(11, size=5000)])
    assert (len(ring), ring.bytes_held) == (1, 5000)


async def test_a_gap_is_our_own_mistake():
    ring = await ring_at(0)
    with pytest.raises(AssertionError):
        ring.append([entry(2)])


async def test_a_new_beginning_forgets_everything():
    ring = await ring_at(0)
    ring.append(entries(1, 5))
    ring.begin(Position("e2", 100))
    assert (ring.position, len(ring), ring.bytes_held) == (Position("e2", 100), 0, 0)
    ring.append([entry(101)])
    assert [found.sequence for found in ring.after(100, 10)] == [101]


async def test_whoever_waits_is_woken_by_the_next_event():
    ring = await ring_at(0)
    waiting = [asyncio.ensure_future(ring.changed(PATIENCE_SECONDS)) for _ in range(3)]
    await asyncio.sleep(0)
    ring.append([entry(1)])
    assert await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE_SECONDS) == [True, True, True]


async def test_a_wait_has_an_end():
    ring = await ring_at(0)
    assert await ring.changed(0.01) is False


async def test_a_closed_ring_lets_nobody_wait():
    ring = await ring_at(0)
    waiting = asyncio.ensure_future(ring.changed(PATIENCE_SECONDS))
    await asyncio.sleep(0)
    ring.close()
    assert await asyncio.wait_for(waiting, PATIENCE_SECONDS)
    assert await ring.changed(PATIENCE_SECONDS)


@given(
    st.lists(st.integers(min_value=0, max_value=30), max_size=10),
    st.integers(min_value=1, max_value=12),
    st.integers(min_value=1, max_value=9),
)
def test_a_reader_sees_everything_or_is_not_covered(batches: list[int], size: int, count_max: int):
    async def scenario() -> None:
        ring = await ring_at(0, events_max=size)
        position = Position("e1", 0)
        for batch in batches:
            ring.append(entries(ring.head + 1, batch))
            while ring.covers(position) and (found := ring.after(position.sequence, count_max)):
                assert [item.sequence for item in found] == list(
                    range(position.sequence + 1, position.sequence + 1 + len(found))
                )
                position = Position("e1", found[-1].sequence)
            assert position.sequence == ring.head or position.sequence < ring.base

    asyncio.run(scenario())
