from __future__ import annotations

import pytest

from services.coordinator import feed as feed_module
from services.coordinator.feed import Feed, Tail, chunks_of
from services.domain.errors import Unavailable
from services.domain.event import Event, EventData, EventType, Position
from services.store.flush import Committed


def event(words: str = "", *, namespace: str = "default") -> Event:
    return Event(EventType.TASK_CREATED, 1, namespace, "q", "t", "", EventData(message=words))


def committed(first: int, events: list[Event]) -> Committed:
    nothing: dict[str, object] = {name: type_() for name, type_ in NOTHING.items()}
    return Committed(first_sequence=first, events=events, **nothing)  # type: ignore[arg-type]  # empty of the right type


NOTHING = {
    name: dict if name in {"tasks", "created", "progress", "requirements"} else list
    for name in Committed.__struct_fields__
    if name not in {"first_sequence", "events"}
}


def commit(feed: Feed, count: int, *, words: str = "") -> None:
    feed.append(feed.head + 1, [event(words) for _ in range(count)])


def taken(tail: Tail) -> list[int]:
    return [sequence for chunk in tail.take() for sequence in range(chunk.first, chunk.last + 1)]


def tail_of(feed: Feed, after: int) -> Tail:
    tail = feed.tail(after)
    assert tail is not None
    return tail


async def test_a_tail_takes_each_event_once() -> None:
    feed = Feed(Position("e", 10))
    tail = tail_of(feed, 10)
    commit(feed, 3)
    commit(feed, 2)

    assert taken(tail) == [11, 12, 13, 14, 15]
    assert taken(tail) == []
    commit(feed, 1)
    assert taken(tail) == [16]


@pytest.mark.parametrize("after", range(10, 17))
async def test_a_tail_begins_anywhere_in_the_ring(after: int) -> None:
    feed = Feed(Position("e", 10))
    for count in (1, 3, 2):
        commit(feed, count)

    assert taken(tail_of(feed, after)) == list(range(after + 1, 17))


async def test_what_is_before_the_ring_has_no_tail() -> None:
    feed = Feed(Position("e", 10))
    assert feed.tail(9) is None
    commit(feed, 3)
    assert feed.tail(9) is None
    assert feed.tail(10) is not None


async def test_a_tail_ahead_of_what_was_heard_waits_for_what_it_has_not_seen() -> None:
    """The database shows a commit before this process hears of it."""
    feed = Feed(Position("e", 10))
    tail = tail_of(feed, 12)
    commit(feed, 1)
    commit(feed, 3)

    assert taken(tail) == [13, 14]


async def test_the_ring_is_bounded_by_events_and_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "RING_EVENTS_MAX", 5)
    monkeypatch.setattr(feed_module, "RING_BYTES_MAX", 10_000)
    feed = Feed(Position("e", 0))
    tail = tail_of(feed, 0)
    for _ in range(6):
        commit(feed, 1)
    assert tail.fallen
    assert feed.tail(0) is None
    assert taken(tail_of(feed, 1)) == [2, 3, 4, 5, 6]

    commit(feed, 1, words="x" * 9_000)
    assert taken(tail_of(feed, 6)) == [7]
    assert feed.tail(1) is None


async def test_a_gap_in_what_was_heard_is_never_shown_as_if_there_were_none() -> None:
    feed = Feed(Position("e", 0))
    tail = tail_of(feed, 0)
    commit(feed, 2)
    follower = tail_of(feed, 2)

    feed.append(6, [event()])

    assert tail.fallen
    assert taken(follower) == []
    assert follower.fallen
    assert feed.tail(2) is None
    assert taken(tail_of(feed, 5)) == [6]


def test_a_commit_is_cut_so_that_each_part_fits_into_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "WATCH_EVENTS_MAX", 3)
    monkeypatch.setattr(feed_module, "WATCH_BYTES_MAX", 5_000)
    events = [event("x" * size) for size in (0, 0, 0, 0, 4_000, 4_000, 9_000, 0)]

    parts = list(chunks_of(1, events))

    assert [len(part.events) for part in parts] == [3, 2, 1, 1, 1]
    assert [part.first for part in parts] == [1, 4, 6, 7, 8]
    assert [value for part in parts for value in part.events] == events


async def test_one_message_holds_no_more_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "WATCH_EVENTS_MAX", 4)
    feed = Feed(Position("e", 0))
    tail = tail_of(feed, 0)
    for _ in range(3):
        commit(feed, 3)

    assert [taken(tail), taken(tail), taken(tail), taken(tail)] == [[1, 2, 3], [4, 5, 6], [7, 8, 9], []]


def test_a_chunk_knows_whether_it_lies_in_one_namespace() -> None:
    [same] = chunks_of(1, [event(namespace="a"), event(namespace="a")])
    [mixed] = chunks_of(1, [event(namespace="a"), event(namespace="b")])

    assert same.lies_in("a")
    assert not same.lies_in("b")
    assert not mixed.lies_in("a")


async def test_waiting_ends_with_time_with_news_and_with_the_feed() -> None:
    feed = Feed(Position("e", 0))
    await feed.wait(beyond=0, seconds=0.001)
    commit(feed, 1)
    await feed.wait(beyond=0, seconds=None)
    feed.close()
    with pytest.raises(Unavailable):
        await feed.wait(beyond=1, seconds=None)
