from __future__ import annotations

from functools import partial

import pytest

from services.domain.event import EventType, Position
from services.domain.event_filter import EventFilter
from services.store import feed
from services.store.feed import EventPage, FeedBounds, list_events, read_bounds
from tests.store.queries.store import Store


async def page_of(store: Store, *, after: int = 0, limit: int = 100, **fields: object) -> EventPage:
    wanted = EventFilter(**fields)  # type: ignore[arg-type]  # what the test gives
    return await store.read(partial(list_events, filter_=wanted, after=after, limit=limit))


async def test_an_empty_feed_begins_after_nothing(store: Store) -> None:
    bounds = await store.read(read_bounds)

    assert bounds == FeedBounds(bounds.epoch, 1, 0)
    assert bounds.beginning == bounds.position == Position(bounds.epoch, 0)


async def test_events_come_oldest_first_in_pages_without_gaps(store: Store) -> None:
    for _ in range(5):
        await store.submit()

    first = await page_of(store, limit=2)
    second = await page_of(store, after=first.reached, limit=100)

    assert [sequence for sequence, _ in first.events + second.events] == [1, 2, 3, 4, 5]
    assert first.reached == 2
    assert second.reached == 5


async def test_an_event_is_read_as_it_was_committed(store: Store) -> None:
    heard = []
    store.journal.subscribe(lambda committed: heard.extend(committed.events))
    await store.admit()
    task = await store.submit(priority=7)
    await store.grant(task)

    page = await page_of(store)

    assert [event for _, event in page.events] == heard


async def test_filters_hold_all_at_once_and_the_position_moves_past_the_rest(store: Store) -> None:
    await store.admit()
    task = await store.submit(queue="a")
    await store.submit(queue="b")
    await store.submit(queue="a", namespace="theirs")
    await store.grant(task)

    assert [s for s, _ in (await page_of(store, namespace="default", queue="a")).events] == [2, 5]
    assert [s for s, _ in (await page_of(store, task_id=task.id)).events] == [2, 5]
    assert [s for s, _ in (await page_of(store, task_id=task.id, namespace="theirs")).events] == []
    assert [s for s, _ in (await page_of(store, agent_id="agent-1")).events] == [1, 5]
    assert [s for s, _ in (await page_of(store, types=frozenset({EventType.TASK_CREATED}))).events] == [2, 3, 4]
    assert (await page_of(store, queue="b")).reached == 5


async def test_a_page_looks_at_a_bounded_part_of_the_feed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "EVENTS_SCAN_MAX", 2)
    for queue in ("a", "a", "a", "b"):
        await store.submit(queue=queue)

    first = await page_of(store, queue="b")
    second = await page_of(store, queue="b", after=first.reached)

    assert (first.events, first.reached) == ([], 2)
    assert ([s for s, _ in second.events], second.reached) == ([4], 4)


def test_the_live_feed_and_the_database_agree_on_what_a_filter_wants() -> None:
    assert EventFilter().narrows is False
    assert EventFilter(namespace="a").narrows is False
    assert EventFilter(task_id="a").narrows is True
