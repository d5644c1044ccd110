from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from missioncontrol.v1 import event_pb2
from missioncontrol.v1 import event_service_pb2 as wire
from sqlalchemy import Connection

from services.coordinator import event_service, event_watch
from services.coordinator import feed as feed_module
from services.domain.commands import CancelTask, CreateTasks
from services.domain.event import Event
from services.store import feed as stored_feed
from services.store.transactions import begin_reading
from services.transport import convert_event
from tests.coordinator.rpc.harness import Coordinator, reading, refusal
from tests.e2e import waiting

EVERYTHING = wire.EventFilter(namespace="*")
PATIENCE = 60.0


async def all_of(call: Any) -> list[wire.WatchEventsResponse]:
    return [message async for message in call]


def sequences(messages: list[wire.WatchEventsResponse]) -> list[int]:
    return [event.sequence for message in messages for event in message.events]


def watch(coordinator: Coordinator, after: str = "", *, follow: bool = False, **wanted: Any) -> Any:
    filter_ = wire.EventFilter(**{"namespace": "*", **wanted})
    return coordinator.events.WatchEvents(wire.WatchEventsRequest(after=after, filter=filter_, follow=follow))


async def position_of(coordinator: Coordinator, sequence: int) -> str:
    return f"{coordinator.parts.feed.epoch}:{sequence}"


async def until(messages: AsyncIterator[wire.WatchEventsResponse], sequence: int) -> list[wire.WatchEventsResponse]:
    """Reads until this sequence was passed."""
    read: list[wire.WatchEventsResponse] = []
    async with asyncio.timeout(PATIENCE):
        async for message in messages:
            read.append(message)
            if int(message.position.partition(":")[2]) >= sequence:
                break
    return read


async def test_without_follow_the_stream_ends_at_the_head(coordinator: Coordinator) -> None:
    for _ in range(3):
        await coordinator.create()

    messages = await all_of(watch(coordinator))

    assert sequences(messages) == [1, 2, 3]
    assert messages[-1].caught_up
    assert messages[-1].position == await position_of(coordinator, 3)


async def test_an_empty_feed_says_at_once_that_it_has_caught_up(coordinator: Coordinator) -> None:
    [message] = await all_of(watch(coordinator))

    assert message.caught_up
    assert message.position == await position_of(coordinator, 0)


async def test_a_follower_gets_history_and_then_what_comes(coordinator: Coordinator) -> None:
    for _ in range(3):
        await coordinator.create()
    async with reading(watch(coordinator, follow=True)) as call:
        messages = aiter(call)
        before = await until(messages, 3)
        await coordinator.create()
        after = await until(messages, 4)

    assert sequences(before) == [1, 2, 3]
    assert before[-1].caught_up
    assert sequences(after) == [4]
    assert after[-1].caught_up


async def test_history_and_the_live_feed_join_without_gap_or_doubling(
    coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small ring and small pages, so that followers cross from the database to the ring while tasks come."""
    monkeypatch.setattr(feed_module, "RING_EVENTS_MAX", 60)
    monkeypatch.setattr(event_watch, "WATCH_EVENTS_MAX", 7)
    monkeypatch.setattr(feed_module, "WATCH_EVENTS_MAX", 7)
    for _ in range(100):
        await coordinator.create()

    async def follow(after: int) -> list[int]:
        async with reading(watch(coordinator, await position_of(coordinator, after), follow=True)) as call:
            return sequences(await until(aiter(call), 150))

    async def submit_more() -> None:
        for _ in range(50):
            await coordinator.create()

    *followed, _ = await asyncio.gather(*[follow(after) for after in (0, 13, 50, 93, 99, 100)], submit_more())

    for after, seen in zip((0, 13, 50, 93, 99, 100), followed, strict=True):
        assert seen == list(range(after + 1, 151))


async def test_head_means_only_what_is_to_come(coordinator: Coordinator) -> None:
    await coordinator.create()
    async with reading(watch(coordinator, "head", follow=True)) as call:
        messages = aiter(call)
        first = await anext(messages)
        await coordinator.create()
        then = await until(messages, 2)

    assert (first.events, first.caught_up, first.position) == ([], True, await position_of(coordinator, 1))
    assert sequences(then) == [2]


@pytest.mark.parametrize("after", ["nonsense", "1", "epoch:", ":5", "e:-1", "e:1.5", "e:" + "9" * 30, "headx"])
async def test_what_is_no_position_is_refused(coordinator: Coordinator, after: str) -> None:
    watched = await refusal(all_of(watch(coordinator, after)))
    listed = await refusal(coordinator.events.ListEvents(wire.ListEventsRequest(after=after)))

    for refused in (watched, listed):
        assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
        assert refused.fields.keys() == {"after"}


async def test_a_position_that_cannot_be_continued_gets_a_reset_and_then_everything(coordinator: Coordinator) -> None:
    await coordinator.create()
    await coordinator.create()
    epoch = coordinator.parts.feed.epoch

    for after, reason in (("other:1", wire.RESET_REASON_EPOCH), (f"{epoch}:99", wire.RESET_REASON_AHEAD)):
        messages = await all_of(watch(coordinator, after))
        listed = await coordinator.events.ListEvents(wire.ListEventsRequest(after=after))

        assert (messages[0].reset.reason, messages[0].reset.requested) == (reason, after)
        assert (messages[0].position, list(messages[0].events)) == (f"{epoch}:0", [])
        assert sequences(messages[1:]) == [1, 2]
        assert (listed.reset.reason, listed.next_position) == (reason, f"{epoch}:0")


async def test_events_that_are_no_longer_kept_are_a_reset(coordinator: Coordinator) -> None:
    for _ in range(4):
        await coordinator.create()
    await coordinator.store.read(trim_to(3))
    after = await position_of(coordinator, 1)

    messages = await all_of(watch(coordinator, after))
    fine = await all_of(watch(coordinator, await position_of(coordinator, 2)))

    assert messages[0].reset.reason == wire.RESET_REASON_TRIMMED
    assert sequences(messages[1:]) == [3, 4]
    assert sequences(fine) == [3, 4]


async def test_what_is_trimmed_while_a_page_is_read_is_not_missing_from_it(
    coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        await coordinator.create()

    def trimmed_after(connection: Connection) -> stored_feed.FeedBounds:
        bounds = stored_feed.read_bounds(connection)
        with coordinator.parts.storage.engine.connect() as other:
            begin_reading(other)
            trim_to(3)(other)
        return bounds

    monkeypatch.setattr(event_service, "read_bounds", trimmed_after)

    page = await coordinator.events.ListEvents(wire.ListEventsRequest(after=await position_of(coordinator, 0)))

    assert not page.HasField("reset")
    assert [event.sequence for event in page.events] == [1, 2, 3, 4]


def trim_to(first: int) -> Any:
    def trim(connection: Any) -> None:
        for statement in ("ROLLBACK", "BEGIN IMMEDIATE", f"DELETE FROM event_chunks WHERE last < {first}"):
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql(f"UPDATE feed SET first = {first}")
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("BEGIN")

    return trim


async def test_filters_hold_in_history_and_live_and_the_position_moves_past_the_rest(
    coordinator: Coordinator,
) -> None:
    await coordinator.create(queue="a")
    await coordinator.create(queue="b")
    await coordinator.create(queue="a", namespace="theirs")
    async with reading(watch(coordinator, follow=True, namespace="", queue="a")) as call:
        messages = aiter(call)
        before = await until(messages, 3)
        await coordinator.create(queue="b")
        await coordinator.create(queue="a", namespace="theirs")
        await coordinator.create(queue="a")
        after = await until(messages, 6)

    assert sequences(before) == [1]
    assert before[-1].caught_up
    assert sequences(after) == [6]


async def test_the_position_of_a_filtered_follower_moves_although_nothing_is_for_it(
    coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_watch, "POSITION_SECONDS", 0.05)
    async with reading(watch(coordinator, follow=True, queue="nothing")) as call:
        messages = aiter(call)
        await anext(messages)
        await coordinator.create()
        moved = await until(messages, 1)

    assert sequences(moved) == []
    assert moved[-1].position == await position_of(coordinator, 1)


async def test_events_are_encoded_once_however_many_follow(
    coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []
    original = convert_event.encoded_event

    def counting(sequence: int, value: Event) -> bytes:
        encoded.append(sequence)
        return original(sequence, value)

    monkeypatch.setattr(convert_event, "encoded_event", counting)
    await coordinator.create()
    assert encoded == []  # nobody follows

    begun = asyncio.Semaphore(0)

    async def follow(namespace: str) -> list[int]:
        async with reading(watch(coordinator, "head", follow=True, namespace=namespace)) as call:
            messages = aiter(call)
            await anext(messages)
            begun.release()
            return sequences(await until(messages, 11))

    followers = [asyncio.ensure_future(follow(namespace)) for namespace in ("*", "*", "default", "", "*")]
    async with asyncio.timeout(PATIENCE):
        for _ in followers:
            await begun.acquire()
        for _ in range(10):
            await coordinator.create()
        seen = await asyncio.gather(*followers)

    assert seen == [list(range(2, 12))] * 5
    assert sorted(encoded) == sorted(set(encoded))


async def test_a_reader_that_falls_out_of_the_ring_is_told_so(
    coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "RING_EVENTS_MAX", 50)
    async with reading(watch(coordinator, "head", follow=True)) as call:
        messages = aiter(call)
        await anext(messages)
        for _ in range(5):
            await cancel_loudly(coordinator, 100)
        refused = await refusal(all_of(messages))

    assert refused.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert refused.reason == "SLOW_READER"


async def test_a_reader_that_does_not_read_is_let_go_and_slows_nobody(
    coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L5. It takes one message and then nothing, while far more is committed than the pipes hold."""
    async with reading(watch(coordinator, "head", follow=True)) as call:
        messages = aiter(call)
        await anext(messages)
        with monkeypatch.context() as patched:
            patched.setattr(event_watch, "WATCH_WRITE_SECONDS", 0.3)
            for _ in range(20):
                await cancel_loudly(coordinator, 100)
            await waiting.until(lambda: not coordinator.parts.feed.followers)
        other = await all_of(watch(coordinator, await position_of(coordinator, 3_990)))
        refused = await refusal(all_of(messages))

    assert sequences(other) == list(range(3_991, 4_001))
    assert refused.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert refused.reason == "SLOW_READER"


async def cancel_loudly(coordinator: Coordinator, count: int) -> None:
    """Tasks that are cancelled with long words: events of about a kilobyte."""
    news = [coordinator.store.new_task() for _ in range(count)]
    await coordinator.store.journal.submit(CreateTasks(news))
    await asyncio.gather(*[coordinator.store.journal.submit(CancelTask("default", new.id, "x" * 8000)) for new in news])


async def test_events_are_listed_in_pages_up_to_the_head(
    coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_feed, "EVENTS_SCAN_MAX", 3)
    for number in range(10):
        await coordinator.create(queue="odd" if number % 2 else "even")
    seen: list[event_pb2.Event] = []
    after = ""
    while True:
        page = await coordinator.events.ListEvents(
            wire.ListEventsRequest(after=after, filter=wire.EventFilter(queue="odd"), page_size=2)
        )
        seen += page.events
        after = page.next_position
        if after == page.position:
            break

    assert [event.sequence for event in seen] == [2, 4, 6, 8, 10]
    assert {event.type for event in seen} == {event_pb2.EVENT_TYPE_TASK_CREATED}


async def test_a_stream_ends_as_unavailable_when_the_coordinator_stops(coordinator: Coordinator) -> None:
    async with reading(watch(coordinator, follow=True)) as call:
        messages = aiter(call)
        await anext(messages)
        coordinator.parts.feed.close()
        refused = await refusal(anext(messages))

    assert refused.code is grpc.StatusCode.UNAVAILABLE


async def test_an_event_says_what_happened(coordinator: Coordinator) -> None:
    created = await coordinator.create(priority=3, queue="q")

    [message] = await all_of(watch(coordinator))

    [event] = message.events
    assert (event.type, event.task_id, event.queue) == (event_pb2.EVENT_TYPE_TASK_CREATED, created.id, "q")
    assert (event.from_state, event.to_state, event.version) == (0, created.state, 1)
    assert (event.kind, event.priority, event.time) == ("noop", 3, created.create_time)
