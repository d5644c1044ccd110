"""Which schedules are looked at: one that cannot fire must hide no other, and must not be asked again and again."""

from __future__ import annotations

import time

import pytest
from missioncontrol.v1 import task_pb2

from services.coordinator import schedules as module
from services.coordinator.membership import Membership
from services.coordinator.schedules import Schedules
from services.domain.task_filter import TaskFilter
from services.store.tasks import list_tasks
from tests.store.queries.store import Store
from tests.store.schedule_world import put

HOUR = 3_600_000_000
SPEC = task_pb2.TaskSpec(kind="noop", queue="default").SerializeToString()
UNREADABLE = b"\x00"


async def test_schedules_that_cannot_fire_hide_no_other_and_are_passed_over_until_the_next_round(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SCHEDULES_MAX", 2)
    membership = Membership(store.readers._engine, store.journal, store.readers)
    await membership.join()
    schedules = Schedules(store.journal, store.readers, membership)
    for number in range(5):  # they come in the order of their names
        await store.journal.submit(put(f"bad{number}", document=UNREADABLE))
    await store.journal.submit(put("good", document=SPEC))
    now = time.time_ns() // 1000 + HOUR

    passes = 0
    while not passes or schedules._next <= now:
        await schedules.step(now)
        passes += 1
        assert passes < 10, "what cannot fire is asked again and again"

    page = await store.read(lambda c: list_tasks(c, filter_=TaskFilter(namespace="default"), before="", limit=10))
    assert [stored.row.request_id.split("/")[:2] for stored in page.tasks] == [["schedule", "good"]]
