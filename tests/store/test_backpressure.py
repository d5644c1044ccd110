"""Limits of queues, on a real database: exact on one coordinator, within a batch, a flush, and flushes on their way."""

from __future__ import annotations

from typing import Any

import pytest

from services.domain.commands import ChangeQueue, Created, CreateTasks, EndSession, PlacementOutcome, ReviewAdmission
from services.domain.errors import (
    AlreadyExists,
    MissionControlError,
    QueueFull,
    QueuePaused,
    QueueRefused,
    QueueShedding,
    QueueThrottled,
)
from services.domain.event import EventType
from services.domain.policy import AdmissionPolicy, AdmissionState, QueuePolicy
from services.domain.requirements import Requirements
from services.store.gates import NotCounted
from services.store.queues import count_pending, count_queue
from tests.store.world import World, new_task

KEY = ("default", "default")


def set_policy(world: World, **fields: Any) -> None:
    world.do(change(**fields))


def change(**fields: Any) -> ChangeQueue:
    return ChangeQueue(KEY, policy=QueuePolicy(admission=AdmissionPolicy(**fields)))


def batch(*names: str, **fields: Any) -> CreateTasks:
    return CreateTasks([new_task(name, **fields) for name in names])


def accepted(answers: list[Any]) -> int:
    return sum(isinstance(answer, Created) for answer in answers)


def admission_of(world: World) -> AdmissionState:
    return count_queue(world.connection, KEY).admission


def changes_told(world: World) -> list[str]:
    return [event.data.message for event in world.events if event.type is EventType.QUEUE_ADMISSION]


def test_a_full_queue_refuses_the_rest_of_a_batch_and_of_a_flush(world: World) -> None:
    set_policy(world, pending_max=3)
    first, second = world.flush(batch("a", "b"), batch("c", "d", "e"))
    assert [type(answer) for answer in (*first, *second)] == [Created, Created, Created, QueueFull, QueueFull]
    refused = second[1]
    assert refused.metadata == {"queue": "default", "pending": "3", "limit": "3"}
    assert 1.0 <= refused.retry_seconds <= 2.0
    assert count_pending(world.connection, KEY)[0] == 3


def test_the_limit_holds_from_the_flush_in_which_it_is_set_on(world: World) -> None:
    world.flush(batch("a", "b"))
    _, answers = world.flush(change(pending_max=3), batch("c", "d"))
    assert accepted(answers) == 1


def test_a_lease_makes_room_in_the_same_flush_and_a_requeue_is_never_refused(world: World) -> None:
    world.connect("a")
    set_policy(world, pending_max=1)
    world.submit("t1")
    assert isinstance(world.submit("t2"), QueueFull)
    assert world.grant("t1", "a") is PlacementOutcome.GRANTED
    assert isinstance(world.submit("t3"), Created)
    world.connect("a")  # a new process: what the old one had comes back
    assert count_pending(world.connection, KEY)[0] == 2
    assert isinstance(world.submit("t4"), QueueFull)


def test_flushes_that_are_being_written_count(world: World) -> None:
    set_policy(world, pending_max=3)
    world.submit("a")
    first = world.flusher.prepare([batch("b", "c")])
    second = world.flusher.prepare([batch("d")])
    assert accepted(second.answers[0]) == 0
    world.flusher.settle(first, world.writer.write(first.batch))
    world.flusher.settle(second, world.writer.write(second.batch))


def test_what_was_not_written_after_all_does_not_count(world: World) -> None:
    set_policy(world, pending_max=2)
    world.flusher.prepare([batch("a", "b")])
    world.flusher.discard()
    assert accepted(world.flush(batch("c", "d", "e"))[0]) == 2


def test_a_queue_is_not_counted_while_something_is_being_written(world: World) -> None:
    set_policy(world, pending_max=2)
    world.flusher.gates.depths.forget()
    flying = world.flusher.prepare([batch("x", queue="other")])
    with pytest.raises(NotCounted):
        world.flusher.prepare([batch("a")])
    world.flusher.settle(flying, world.writer.write(flying.batch))
    assert accepted(world.flush(batch("a", "b", "c"))[0]) == 2


def test_the_depth_is_known_again_after_a_restart(world: World) -> None:
    set_policy(world, pending_max=2)
    world.submit("a")
    world.flusher, world.writer = world.new_flusher("coordinator-1")
    assert accepted(world.flush(batch("b", "c"))[0]) == 1


def test_a_repeated_submit_is_answered_however_full_the_queue_is(world: World) -> None:
    """S2: also when nothing but the database remembers it, and nothing is refused for it that was accepted."""
    set_policy(world, pending_max=1)
    world.submit("a", request_id="r")
    world.flusher, world.writer = world.new_flusher("coordinator-1")
    repeated, fresh, other = world.flush(
        CreateTasks(
            [
                new_task("b", request_id="r"),
                new_task("c", request_id="s"),
                new_task("d", request_id="r", digest="other"),
            ]
        )
    )[0]
    assert (repeated.task_id, type(fresh), type(other)) == ("a", QueueFull, AlreadyExists)


def test_a_refused_request_id_may_come_again_and_is_accepted_then(world: World) -> None:
    set_policy(world, pending_max=1)
    world.submit("a")
    assert isinstance(world.submit("b", request_id="r"), QueueFull)
    set_policy(world, pending_max=2)
    again = world.submit("c", request_id="r")
    assert isinstance(again, Created)
    assert (again.task_id, again.deduplicated) == ("c", False)


def test_a_flush_in_which_a_queue_fills_up_by_surprise_is_decided_again_and_whole(world: World) -> None:
    """The request id is only known to the database, and what comes back into the queue was not foreseen."""
    world.connect("a")
    set_policy(world, pending_max=2)
    world.submit("old", request_id="r")
    world.submit("held")
    for name in ("old", "held"):
        world.grant(name, "a")
    world.flusher, world.writer = world.new_flusher("coordinator-1")
    goodbye = EndSession(("default", "a"), world.sessions["a"], goodbye=True)
    other = new_task("x", queue="other", requirements=Requirements(capabilities=("new",)))
    _, [repeated, accepted_elsewhere] = world.flush(goodbye, CreateTasks([new_task("b", request_id="r"), other]))
    assert (repeated.task_id, type(accepted_elsewhere)) == ("old", Created)
    world.connect("b", capabilities=("new",))
    assert world.grant("x", "b") is PlacementOutcome.GRANTED


def test_the_state_follows_the_depth_with_one_event_for_each_change(world: World) -> None:
    world.connect("a", slots=20)
    set_policy(world, throttle_pending=10, submits_per_second=1000.0, shed_pending=20)
    world.flush(batch(*(f"t{number}" for number in range(25))))
    assert (admission_of(world), count_pending(world.connection, KEY)[0]) == (AdmissionState.SHED, 20)
    for number in range(12):
        world.grant(f"t{number}", "a")
    world.do(ReviewAdmission(KEY))
    world.do(ReviewAdmission(KEY))
    assert admission_of(world) is AdmissionState.NORMAL
    assert changes_told(world) == ["throttle: 10 pending", "shed: 20 pending", "normal: 8 pending"]


def test_what_sheds_takes_exempt_tasks_up_to_its_hard_limit(world: World) -> None:
    set_policy(world, shed_pending=1, exempt_priority=50, pending_max=2)
    world.submit("a")
    assert isinstance(world.submit("b", priority=49), QueueShedding)
    assert isinstance(world.submit("c", priority=50), Created)
    assert isinstance(world.submit("d", priority=100), QueueFull)


def test_a_throttled_queue_takes_its_rate_and_says_when_to_come_back(world: World) -> None:
    set_policy(world, state=AdmissionState.THROTTLE, submits_per_second=5.0, exempt_priority=1)
    answers, [exempt], [ninth] = world.flush(batch(*"abcdefgh"), batch("x", priority=1), batch("y"))
    assert [type(answer) for answer in answers] == [Created] * 5 + [QueueThrottled] * 3
    assert [0.2 * place <= answers[4 + place].retry_seconds < 0.4 * place for place in (1, 2, 3)] == [True] * 3
    assert (type(exempt), type(ninth)) == (Created, QueueThrottled)


def test_nobody_is_sent_away_for_long_by_a_small_rate(world: World) -> None:
    set_policy(world, state=AdmissionState.THROTTLE, submits_per_second=0.01)
    _, refused = world.flush(batch("a", "b"))[0]
    assert refused.retry_seconds == 30.0


def test_a_queue_paused_by_its_policy_takes_nothing_and_grants_nothing(world: World) -> None:
    world.connect("a")
    world.submit("t")
    set_policy(world, state=AdmissionState.PAUSE, exempt_priority=0)
    assert isinstance(world.submit("u", priority=100), QueuePaused)
    assert world.grant("t", "a") is PlacementOutcome.QUEUE_PAUSED
    set_policy(world)
    assert isinstance(world.submit("u"), Created)
    assert world.grant("t", "a") is PlacementOutcome.GRANTED
    assert changes_told(world) == ["pause: by the policy", "normal: by the policy"]


def test_a_policy_that_is_taken_away_ends_what_it_did(world: World) -> None:
    set_policy(world, shed_pending=1)
    world.submit("a")
    assert isinstance(world.submit("b"), QueueShedding)
    set_policy(world)
    assert (admission_of(world), type(world.submit("c"))) == (AdmissionState.NORMAL, Created)


def test_a_delayed_task_counts_when_it_is_ready_and_is_refused_like_any_other(world: World) -> None:
    later = 4_000_000_000_000_000
    world.submit("later", not_before_time=later)
    set_policy(world, pending_max=1)
    world.submit("a")
    assert isinstance(world.submit("b", not_before_time=later), QueueFull)


def test_a_queue_without_a_policy_costs_nothing(world: World) -> None:
    world.submit("a")
    prepared = world.flusher.prepare([batch("b")])
    assert (prepared.ledger.gates, list(world.flusher.gates.depths.queues)) == ({}, [])
    world.flusher.settle(prepared, world.writer.write(prepared.batch))


def test_every_refusal_has_a_reason_of_its_own() -> None:
    kinds: list[type[MissionControlError]] = [QueueFull, QueueShedding, QueueThrottled, QueuePaused]
    assert all(issubclass(kind, QueueRefused) for kind in kinds)
    assert len({kind.reason for kind in kinds}) == len(kinds)
