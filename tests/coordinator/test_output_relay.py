from __future__ import annotations

import asyncio

import pytest
from missioncontrol.v1.task_service_pb2 import OutputChunk

from services.coordinator import output_relay
from services.coordinator.output_relay import OutputBuffer, OutputRelay


def piece(offset: int, size: int = 10) -> OutputChunk:
    return OutputChunk(token=1, offset=offset, data=b"x" * size)


def offsets(pieces: list[OutputChunk]) -> list[int]:
    return [found.offset for found in pieces]


async def test_agents_are_told_of_the_first_and_of_the_last_follower_only() -> None:
    told: list[str] = []
    relay = OutputRelay()
    relay.on_first_follower = lambda namespace, task_id: told.append(f"first {namespace}/{task_id}")
    relay.on_last_gone = lambda namespace, task_id: told.append(f"gone {namespace}/{task_id}")

    with relay.follow("ns", "t", wake=asyncio.Event()):
        with relay.follow("ns", "t", wake=asyncio.Event()):
            assert relay.followed("ns", "t")
        assert told == ["first ns/t"]

    assert told == ["first ns/t", "gone ns/t"]
    assert not relay.followed("ns", "t")


async def test_output_goes_to_those_who_follow_that_task_in_that_namespace() -> None:
    relay = OutputRelay()
    wake = asyncio.Event()
    with relay.follow("ns", "t", wake=wake) as follower:
        relay.publish("other", "t", piece(1))
        relay.publish("ns", "u", piece(2))
        assert not wake.is_set()
        relay.publish("ns", "t", piece(3))

        assert wake.is_set()
        assert offsets(follower.take()) == [3]
        assert follower.take() == []


async def test_who_comes_later_gets_what_others_got_lately() -> None:
    relay = OutputRelay()
    with relay.follow("ns", "t", wake=asyncio.Event()) as early:
        relay.publish("ns", "t", piece(0))
        early.take()
        wake = asyncio.Event()
        with relay.follow("ns", "t", wake=wake) as late:
            assert wake.is_set()
            relay.publish("ns", "t", piece(10))
            assert offsets(late.take()) == [0, 10]
        assert offsets(early.take()) == [10]


async def test_a_slow_follower_loses_the_oldest_and_slows_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_relay, "OUTPUT_BYTES_MAX", 3 * (100 + 128))
    relay = OutputRelay()
    with relay.follow("ns", "t", wake=asyncio.Event()) as follower:
        for number in range(10):
            relay.publish("ns", "t", piece(number * 100, 100))

        assert offsets(follower.take()) == [700, 800, 900]


def test_empty_pieces_are_bounded_too() -> None:
    buffer = OutputBuffer(1_000)
    for number in range(1_000):
        buffer.put(piece(number, 0))

    assert len(buffer.take()) == 7
