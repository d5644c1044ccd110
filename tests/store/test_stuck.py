"""Why tasks cannot be placed, as it is noted: a row as long as they cannot, and one event for each change."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.domain.commands import NoteStuck, StuckNote
from services.domain.event import EventType
from services.domain.requirements import WaitReason
from services.domain.stuck_group import HISTORY_MAX, StuckGroup
from services.store import values
from services.store.check import check
from services.store.schema import stuck_groups
from services.store.writer import Conflict
from tests.store.world import NAMESPACE, World

KEY = (NAMESPACE, "q", 3, "n")
STUCK, UNSTUCK = EventType.QUEUE_STUCK, EventType.QUEUE_UNSTUCK


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    made = World(database_url)
    yield made
    assert check(made.connection) == []
    made.close()


def note(reason: WaitReason = WaitReason.NO_AGENT, *, never: bool = True, message: str = "no gpu") -> NoteStuck:
    return NoteStuck([StuckNote(KEY, "work", reason, never, message)])


def unstuck() -> NoteStuck:
    return NoteStuck([StuckNote(KEY, "work", WaitReason.NONE)])


def stored(world: World) -> list[StuckGroup]:
    found = [values.stuck(row) for row in world.connection.execute(stuck_groups.select())]
    world.connection.rollback()
    return found


def types(world: World) -> list[EventType]:
    return [event.type for event in world.events]


def test_a_reason_is_a_row_and_an_event_however_often_it_is_noted(world: World) -> None:
    world.do(note())
    world.do(note())
    world.flush(note(), note())

    [group] = stored(world)
    assert (group.key, group.kind) == (KEY, "work")
    assert (group.reason, group.never, group.message, group.history) == (WaitReason.NO_AGENT, True, "no gpu", ())
    [event] = world.events
    assert (event.type, event.queue) == (STUCK, "q")
    assert event.data.stuck is not None
    assert event.data.stuck.message == "no gpu"


def test_each_change_is_an_event_and_what_was_before_is_kept(world: World) -> None:
    world.do(note())
    world.do(note(WaitReason.AGENTS_NOT_ACCEPTING, never=False))
    for number in range(HISTORY_MAX):
        world.do(note(message=f"no gpu {number}"))

    [group] = stored(world)
    assert [past.message for past in group.history[:2]] == ["no gpu 8", "no gpu 7"]
    assert len(group.history) == HISTORY_MAX
    assert types(world) == [STUCK] * (HISTORY_MAX + 2)


def test_a_group_that_can_be_placed_again_has_no_row(world: World) -> None:
    world.do(unstuck())
    world.do(note())
    world.do(unstuck())
    world.do(unstuck())

    assert stored(world) == []
    assert types(world) == [STUCK, UNSTUCK]


def test_what_comes_and_goes_within_a_flush_is_two_events_and_no_row(world: World) -> None:
    world.flush(note(), unstuck())
    assert stored(world) == []
    world.flush(note(), unstuck(), note(message="no cpu"))

    [group] = stored(world)
    assert group.message == "no cpu"
    assert types(world) == [STUCK, UNSTUCK, STUCK, UNSTUCK, STUCK]


def test_a_flush_stands_on_one_that_is_not_written_yet(world: World) -> None:
    prepared = [world.flusher.prepare([command]) for command in (note(), unstuck(), note(), note())]
    for each in prepared:
        world.events += world.flusher.settle(each, world.writer.write(each.batch)).events

    assert len(stored(world)) == 1
    assert types(world) == [STUCK, UNSTUCK, STUCK]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_of_two_that_note_the_same_one_has_to_look_again(database_url: str) -> None:
    world = World(database_url)
    second, writer = world.new_flusher("coordinator-2")
    for command in (note(), note(message="no cpu"), unstuck()):
        late = second.prepare([command])
        world.do(command)
        with pytest.raises(Conflict):
            writer.write(late.batch)
        second.discard_read([late])
        again = second.prepare([command])
        assert second.settle(again, writer.write(again.batch)).events == []
    assert types(world) == [STUCK, STUCK, UNSTUCK]
    assert check(world.connection) == []
    world.close()
