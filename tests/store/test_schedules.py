"""Schedules on both databases: made, changed, fired exactly once for each instant; the log tells all of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from services.domain.cron_schedule import MissedPolicy
from services.domain.errors import NotFound
from services.domain.event import EventType
from services.domain.schedule_commands import DeleteSchedule, PauseSchedule
from services.domain.task import TaskState
from services.store.check import check
from services.store.schedules import list_schedules, read_due_schedules
from services.store.writer import Conflict, RequestsKnown
from tests.store.ahead import Ahead
from tests.store.schedule_world import HOUR, KEY, NOON, fire, kept, put
from tests.store.test_several_writers import Rival
from tests.store.world import NAMESPACE, World


def told(world: World) -> list[tuple[EventType, int]]:
    """What the log says of schedules: the types and versions."""
    return [(event.type, event.data.version) for event in world.events if event.data.schedule]


def test_a_schedule_is_kept_whole(world: World) -> None:
    made = world.do(put(time_zone="Europe/Berlin", missed_policy=MissedPolicy.ALL))

    found = kept(world)
    assert found is not None
    assert found.schedule == made
    assert found.document == b"\x00spec"
    assert (made.version, made.time_zone, made.missed_policy, made.paused) == (1, "Europe/Berlin", 3, False)
    assert made.next_time % HOUR == 0
    assert 0 < made.next_time - made.create_time <= HOUR


def test_a_firing_makes_a_task_and_goes_on(world: World) -> None:
    made = world.do(put())

    assert world.do(fire(made, NOON)) is True

    found = kept(world)
    assert found is not None
    task = world.task(f"s-{NOON}")
    assert (task.state, task.request_id) == (TaskState.PENDING, "schedule/s/2027-01-15T08:00:00Z")
    assert found.schedule.next_time == NOON + HOUR
    assert (found.schedule.last_time, found.schedule.last_task_id) == (NOON, task.id)
    assert (found.schedule.version, found.schedule.update_time) == (2, made.update_time)
    assert found.document == b"\x00spec"
    fired = world.events[-1]
    assert [event.type for event in world.events[-2:]] == [EventType.TASK_CREATED, EventType.SCHEDULE_FIRED]
    assert (fired.task_id, fired.queue, fired.data.schedule, fired.data.schedule_time) == (
        task.id,
        "default",
        "s",
        NOON,
    )
    assert world.last is not None
    assert [ready.id for ready in world.last.ready] == [task.id]


def test_what_was_read_before_a_firing_fires_no_more(world: World) -> None:
    made = world.do(put())
    world.do(fire(made, NOON))

    assert world.do(fire(made, NOON, by="-again")) is False
    assert told(world) == [(EventType.SCHEDULE_UPDATED, 1), (EventType.SCHEDULE_FIRED, 2)]


def test_what_was_missed_is_counted_and_told(world: World) -> None:
    made = world.do(put())

    world.do(fire(made, NOON, NOON + HOUR, missed=7))

    found = kept(world)
    assert found is not None
    assert (found.schedule.missed, found.schedule.version, found.schedule.last_time) == (7, 4, NOON + HOUR)
    assert told(world)[1:] == [
        (EventType.SCHEDULE_MISSED, 2),
        (EventType.SCHEDULE_FIRED, 3),
        (EventType.SCHEDULE_FIRED, 4),
    ]
    [missed] = [event for event in world.events if event.type is EventType.SCHEDULE_MISSED]
    assert missed.data.message == "7 firings were missed"


def test_an_instant_that_is_none_any_more_moves_on_with_an_event(world: World) -> None:
    made = world.do(put())
    world.do(fire(made))
    assert told(world) == [(EventType.SCHEDULE_UPDATED, 1), (EventType.SCHEDULE_UPDATED, 2)]


def test_a_schedule_of_the_same_name_does_not_fire_an_instant_again(world: World) -> None:
    """The clock was put back, and the schedule made anew."""
    world.do(fire(world.do(put()), NOON))
    world.do(DeleteSchedule(KEY))
    again = world.do(put())

    assert world.do(fire(again, NOON, NOON + HOUR, by="-again")) is True

    assert world.last is not None
    assert list(world.last.created) == [f"s-{NOON + HOUR}-again"]
    assert told(world)[-2:] == [(EventType.SCHEDULE_UPDATED, 2), (EventType.SCHEDULE_FIRED, 3)]


def test_what_was_read_of_a_deleted_schedule_does_not_fire_the_next_of_its_name(world: World) -> None:
    first = world.do(put())
    world.do(DeleteSchedule(KEY))
    world.do(put())
    assert world.do(fire(first, NOON)) is False


def test_pause_and_resume(world: World) -> None:
    made = world.do(put())
    paused = [world.do(PauseSchedule(KEY, paused=True)) for _ in range(2)]
    assert [(each.paused, each.version, each.next_time) for each in paused] == [(True, 2, 0)] * 2
    assert world.do(fire(made, NOON)) is False
    resumed = world.do(PauseSchedule(KEY, paused=False))
    assert (resumed.version, resumed.next_time % HOUR) == (3, 0)
    assert resumed.next_time > resumed.update_time


def test_a_paused_schedule_stays_paused_when_it_is_replaced(world: World) -> None:
    assert world.do(put(paused=True)).next_time == 0
    after = world.do(put(cron="5 * * * *", document=b"other"))
    assert (after.paused, after.next_time) == (True, 0)
    found = kept(world)
    assert found is not None
    assert found.document == b"other"


def test_another_spec_keeps_what_is_due_and_other_times_begin_anew(world: World) -> None:
    made = world.do(fired := put()) and kept(world)
    assert made is not None
    world.do(fire(made.schedule, NOON - HOUR))
    spec = world.do(put(document=b"other"))
    times = world.do(put(cron="7 * * * *"))
    assert spec.next_time == NOON
    assert times.next_time != NOON
    assert times.next_time % HOUR == 7 * HOUR // 60
    assert fired.cron != times.cron


@pytest.mark.parametrize("command", [PauseSchedule(KEY, paused=True), DeleteSchedule(KEY)])
def test_what_is_not_there_is_not_found(world: World, command: Any) -> None:
    with pytest.raises(NotFound):
        world.do(command)


def test_all_in_one_flush(world: World) -> None:
    """Made, paused, deleted and made again, and nothing of the first is left."""
    answers = world.flush(put(), PauseSchedule(KEY, paused=True), DeleteSchedule(KEY), put(document=b"second"))
    found = kept(world)
    assert found is not None
    assert (found.schedule, found.document) == (answers[-1], b"second")
    world.flush(DeleteSchedule(KEY), put(document=b"third"), DeleteSchedule(KEY))
    assert kept(world) is None


def test_flushes_prepared_ahead_stand_on_each_other(world: World) -> None:
    ahead = Ahead(world)
    [made] = ahead.prepare(put())
    [first] = ahead.prepare(fire(made, NOON))
    [stale] = ahead.prepare(fire(made, NOON, by="-again"))
    ahead.prepare(DeleteSchedule(KEY))
    [missing] = ahead.prepare(PauseSchedule(KEY, paused=True))
    world.events += [event for committed in ahead.write_all() for event in committed.events]
    assert (first, stale) == (True, False)
    assert isinstance(missing, NotFound)
    assert kept(world) is None


def test_what_is_due_is_found_longest_due_first(world: World) -> None:
    for name, instant in (("a", NOON + HOUR), ("b", NOON), ("c", NOON + 3 * HOUR)):
        world.do(fire(world.do(put(name)), instant - HOUR))
    world.do(put("d", paused=True))
    found = read_due_schedules(world.connection, NOON + HOUR, limit=10)
    assert [each.schedule.name for each in found.due] == ["b", "a"]
    assert found.next_time == NOON + 3 * HOUR
    assert len(read_due_schedules(world.connection, NOON + HOUR, limit=1).due) == 1


def test_pages_are_by_name_and_namespaces_do_not_mix(world: World) -> None:
    for name in ("b", "a", "c"):
        world.do(put(name))
    first = list_schedules(world.connection, NAMESPACE, after="", limit=2)
    rest = list_schedules(world.connection, NAMESPACE, after=first.after or "", limit=2)
    assert [each.schedule.name for each in first.schedules] == ["a", "b"]
    assert ([each.schedule.name for each in rest.schedules], rest.after) == (["c"], None)
    assert list_schedules(world.connection, "other", after="", limit=2).schedules == []


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE schedules SET version = version + 1",
        "UPDATE schedules SET last_task_id = 'other'",
        "DELETE FROM schedules",
    ],
)
def test_the_check_finds_what_the_log_does_not_tell(world: World, damage: str) -> None:
    world.do(fire(world.do(put()), NOON))
    world.connection.exec_driver_sql("BEGIN")
    world.connection.execute(text(damage))
    findings = check(world.connection)
    world.connection.exec_driver_sql("ROLLBACK")
    assert [finding.check for finding in findings] == ["fold"]
    assert "schedule s" in findings[0].message


class TestTwoCoordinators:
    """Two that have read the same: the transaction of the second looks again."""

    pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

    @pytest.fixture
    def rival(self, world: World) -> Iterator[Rival]:
        yield Rival(world)
        world.flusher.discard()

    def test_an_instant_fires_once(self, world: World, rival: Rival) -> None:
        made = world.do(put())
        late = rival.prepare(fire(made, NOON, by="-rival"))
        assert late.answers == [True]
        world.do(fire(made, NOON))
        with pytest.raises(RequestsKnown):  # before the version is looked at
            rival.write(late)
        rival.flusher.discard_read([late])
        assert rival.flush(fire(made, NOON, by="-rival")) == [False]

    def test_the_version_alone_holds_back_a_second_firing(self, world: World, rival: Rival) -> None:
        """Clocks that differ: the two believe in other instants."""
        made = world.do(put())
        late = rival.prepare(fire(made, NOON, NOON + HOUR))
        world.do(fire(made, NOON - HOUR))
        with pytest.raises(Conflict):
            rival.write(late)

    def test_nothing_fires_after_a_pause(self, world: World, rival: Rival) -> None:
        made = world.do(put())
        late = rival.prepare(fire(made, NOON))
        world.do(PauseSchedule(KEY, paused=True))
        with pytest.raises(Conflict):
            rival.write(late)

    def test_nothing_fires_after_a_deletion_whatever_was_made_since(self, world: World, rival: Rival) -> None:
        """The new one has the version that was read of the old one."""
        made = world.do(put())
        late = rival.prepare(fire(made, NOON))
        world.flush(DeleteSchedule(KEY), put())
        with pytest.raises(Conflict):
            rival.write(late)

    def test_a_deletion_does_not_pass_over_a_firing(self, world: World, rival: Rival) -> None:
        made = world.do(put())
        late = rival.prepare(DeleteSchedule(KEY))
        world.do(fire(made, NOON))
        with pytest.raises(Conflict):
            rival.write(late)
        rival.flusher.discard_read([late])
        rival.flush(DeleteSchedule(KEY))
        assert kept(world) is None

    def test_one_name_is_made_once(self, world: World, rival: Rival) -> None:
        late = rival.prepare(put(document=b"late"))
        world.do(put())
        with pytest.raises(Conflict):
            rival.write(late)
        rival.flusher.discard_read([late])
        [after] = rival.flush(put(document=b"late"))
        assert after.version == 2

    def test_an_answer_that_changes_nothing_is_not_given_on_what_is_old(self, world: World, rival: Rival) -> None:
        made = world.do(put())
        late = rival.prepare(PauseSchedule(KEY, paused=False))
        world.do(PauseSchedule(KEY, paused=True))
        assert made.paused is False
        with pytest.raises(Conflict):
            rival.write(late)
