"""What is too old is forgotten, a bounded part at a time, and nothing else is."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import pytest
import uuid_utils

from services.coordinator import retention as module
from services.coordinator.membership import Membership
from services.coordinator.retention import DAY_MICROS, Keep, Retention
from services.domain.commands import Forget, ReportKind
from services.domain.errors import NotFound
from services.domain.event_filter import EventFilter
from services.domain.task import Task
from services.domain.task_filter import TaskFilter
from services.store.check import check
from services.store.feed import EventPage, list_events
from services.store.tasks import get_task, list_attempts, list_tasks
from tests.store.queries.store import Store

KEEP_ALL = Keep(task_days=0, event_days=0, events_max=1_000_000)
KEEP_A_DAY = Keep(task_days=1, event_days=1, events_max=1_000_000)


def days_later(days: int) -> int:
    return time.time_ns() // 1000 + days * DAY_MICROS


def retention(store: Store, keep: Keep) -> Retention:
    return Retention(
        store.journal, store.readers, Membership(store.readers._engine, store.journal, store.readers), keep
    )


async def submit(store: Store, **fields: Any) -> Task:
    """A task with an id as it is given to real ones: with the time of its making in front."""
    return await store.submit(id=str(uuid_utils.uuid7()), **fields)


async def finish(store: Store, task: Task) -> None:
    await store.grant(task)
    await store.report(task, ReportKind.SUCCEEDED, digest="d", document=b"output")


async def listed(store: Store) -> set[str]:
    page = await store.read(partial(list_tasks, filter_=TaskFilter(namespace="default"), before="", limit=100))
    return {stored.row.id for stored in page.tasks}


async def events(store: Store, **fields: Any) -> EventPage:
    return await store.read(partial(list_events, filter_=EventFilter(**fields), after=0, limit=100))


async def test_a_task_that_ended_long_ago_goes_with_all_that_belongs_to_it(store: Store) -> None:
    await store.admit()
    old, open_ = await submit(store, request_id="r"), await submit(store)
    await finish(store, old)

    more = await retention(store, KEEP_A_DAY).step(days_later(2))

    assert not more
    assert await listed(store) == {open_.id}
    for read in (get_task, partial(list_attempts, after=0, limit=10)):
        with pytest.raises(NotFound):
            await store.read(partial(read, namespace="default", task_id=old.id))
    again = await submit(store, request_id="r")
    assert again.id != old.id, "its request id is free again"
    assert await store.journal.read(check) == []


async def test_what_is_young_stays_and_so_does_everything_if_nothing_is_too_old(store: Store) -> None:
    await store.admit()
    task = await submit(store)
    await finish(store, task)

    await retention(store, KEEP_A_DAY).step(days_later(0))
    await retention(store, KEEP_ALL).step(days_later(10_000))

    assert await listed(store) == {task.id}
    assert len((await events(store)).events) == 5


async def test_a_task_is_judged_again_by_the_transaction(store: Store) -> None:
    task = await submit(store)

    await store.journal.submit(Forget([task.id, "no such task"], days_later(1), []))

    assert await listed(store) == {task.id}


async def test_the_log_is_trimmed_by_age_and_a_reader_of_before_is_told_where_it_begins(
    store: Store,
) -> None:
    await store.admit()
    task = await submit(store)
    await finish(store, task)
    before = await events(store)

    await retention(store, KEEP_A_DAY).step(days_later(2))
    created = await submit(store)
    after = await events(store)

    assert before.bounds.first == 1
    assert after.bounds.first == before.bounds.head + 1
    assert [event.task_id for _, event in after.events] == [created.id]
    assert (await events(store, task_id=task.id)).events == []
    assert await store.journal.read(check) == []


async def test_the_log_is_trimmed_by_number_whatever_its_age(store: Store) -> None:
    for _ in range(10):
        await submit(store)

    await retention(store, Keep(task_days=0, event_days=0, events_max=3)).step(days_later(0))
    page = await events(store)

    assert [sequence for sequence, _ in page.events] == [8, 9, 10]
    assert page.bounds.first == 8
    assert await store.journal.read(check) == []


async def test_a_large_heap_goes_in_bounded_passes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETENTION_TASKS_MAX", 2)
    monkeypatch.setattr(module, "RETENTION_CHUNKS_MAX", 2)
    await store.admit()
    kept = await submit(store)
    for _ in range(5):
        await finish(store, await submit(store))
    forgetting = retention(store, KEEP_A_DAY)

    passes = 1
    while await forgetting.step(days_later(2)):
        passes += 1

    assert passes > 3
    assert await listed(store) == {kept.id}
    assert (await events(store)).events == []
    assert await store.journal.read(check) == []
