"""Each rule of the conversation, one at a time, on the session alone. Times are virtual."""

from __future__ import annotations

import pytest
from missioncontrol import agent_limits as limits
from missioncontrol.session import AgentSession
from missioncontrol.session_effects import Effect, Follow, LeaseKey, Leave, Offer, Reconnect, Stop, StopReason, Withdraw
from missioncontrol.v1 import agent_service_pb2 as pb
from missioncontrol.v1 import task_pb2

from tests.clients.session.session_world import ECHO, INTERVAL, hello, lease, leases, references, welcome


def connected(session: AgentSession | None = None, *, now: float = 0.0) -> AgentSession:
    session = session or AgentSession(hello())
    said = session.connect(now)
    session.receive(welcome(*[(each.task_id, each.token) for each in said.hello.held]), now)
    session.take_effects(now)
    return session


def running(session: AgentSession, *several: pb.Lease, now: float = 0.0) -> None:
    session.receive(leases(*several), now)
    for effect in session.take_effects(now):
        assert isinstance(effect, Offer)
        for each in effect.leases:
            session.claimed((each.task_id, each.token), now)


def said(session: AgentSession, now: float = 0.0) -> list[pb.AgentMessage]:
    messages = []
    while (message := session.next_message(now)) is not None:
        messages.append(message)
    return messages


def reported(session: AgentSession, now: float = 0.0) -> list[tuple[int, str, str | None]]:
    return [
        (report.number, report.task_id, report.WhichOneof("event"))
        for message in said(session, now)
        for report in message.reports.reports
    ]


def ack(number: int, *refusals: pb.Refusal) -> pb.CoordinatorMessage:
    return pb.CoordinatorMessage(report_ack=pb.ReportAck(number=number, refusals=refusals))


def orders(**what: object) -> pb.CoordinatorMessage:
    return pb.CoordinatorMessage(orders=pb.Orders(**what))  # type: ignore[arg-type]  # each test names a field of Orders


def stops(effects: list[Effect]) -> list[tuple[LeaseKey, StopReason]]:
    return [(each.key, each.reason) for each in effects if isinstance(each, Stop)]


def test_hello_comes_first_and_nothing_before_welcome() -> None:
    session = AgentSession(hello())
    message = session.connect(0.0)

    assert message.hello.agent_id == "a"
    assert said(session, 100.0) == []


def test_a_lease_is_received_started_and_ended_in_one_report() -> None:
    session = connected()
    running(session, lease("x"))
    session.ended(("x", 1), pb.Succeeded(), 0.0)

    (reports,) = said(session)

    assert reports.reports.lease_batch == 1
    assert [report.WhichOneof("event") for report in reports.reports.reports] == ["succeeded"]


def test_a_start_that_was_sent_or_that_something_follows_is_a_report_of_its_own() -> None:
    session = connected()
    running(session, lease("x"), lease("y"))
    session.checkpoint(("y", 1), task_pb2.Payload(data=b"half"))
    session.ended(("y", 1), pb.Succeeded(), 0.0)
    assert [(task, event) for _, task, event in reported(session)] == [
        ("x", "started"),
        ("y", "started"),
        ("y", "checkpoint"),
        ("y", "succeeded"),
    ]

    session.ended(("x", 1), pb.Failed(), 0.0)
    assert [(task, event) for _, task, event in reported(session)] == [("x", "failed")]


def test_a_receipt_waits_for_a_report_that_can_say_the_same_but_not_for_long() -> None:
    session = connected()
    session.receive(leases(lease("x"), number=7), 0.0)
    assert said(session, 0.0) == []
    due = session.next_message_time()

    (receipt,) = said(session, due)

    assert due == limits.RECEIPT_PAUSE_SECONDS
    assert receipt.lease_receipt.number == 7
    session.take_effects(due)
    session.claimed(("x", 1), due)
    assert said(session, due)[0].reports.lease_batch == 0, "said once"


def test_a_lease_stays_held_until_its_outcome_is_acknowledged() -> None:
    session = connected()
    running(session, lease("x"))
    session.ended(("x", 1), pb.Succeeded(), 0.0)
    said(session)
    assert session.leases.held == 1

    session.receive(ack(2), 0.0)

    assert session.idle
    assert len(session.reports) == 0


def test_unacknowledged_reports_are_sent_again_with_the_same_numbers_after_a_reconnect() -> None:
    session = connected()
    running(session, lease("x"))
    started = reported(session)
    session.ended(("x", 1), pb.Succeeded(), 0.0)
    first = [*started, *reported(session)]
    session.disconnect()

    connected(session, now=1.0)

    assert reported(session, 1.0) == first == [(1, "x", "started"), (2, "x", "succeeded")]


def test_hello_names_running_leases_and_those_whose_outcome_is_not_acknowledged() -> None:
    session = connected()
    running(session, lease("x"), lease("y"))
    session.ended(("x", 1), pb.Succeeded(), 0.0)

    message = session.connect(1.0)

    assert {each.task_id for each in message.hello.held} == {"x", "y"}
    assert message.hello.held_version == 2


def test_a_lease_that_welcome_does_not_keep_is_stopped_and_its_reports_are_still_sent() -> None:
    session = connected()
    running(session, lease("x"), lease("y"))
    session.ended(("y", 1), pb.Succeeded(), 0.0)
    session.connect(1.0)
    session.receive(welcome(), 1.0)

    assert stops(session.take_effects(1.0)) == [(("x", 1), StopReason.DROPPED)]
    assert (2, "y", "succeeded") in reported(session, 1.0)
    session.ended(("x", 1), pb.Cancelled(), 1.0)
    assert reported(session, 1.0) == []


def test_more_leases_than_slots_wait_and_start_when_a_slot_is_free() -> None:
    session = AgentSession(hello(slots=1, queue_limit=1))
    connected(session)
    running(session, lease("x"), lease("y"))
    session.ended(("x", 1), pb.Succeeded(), 0.0)

    assert session.take_effects(0.0) == [Offer((lease("y"),))]


def test_a_lease_beyond_slots_and_queue_is_rejected() -> None:
    session = AgentSession(hello(slots=1, queue_limit=0))
    connected(session)
    running(session, lease("x"), lease("y"))

    assert (1, "y", "rejected") in reported(session)


def test_a_kind_without_handler_is_rejected() -> None:
    session = connected()
    running(session, lease("x", kind="other"))

    assert reported(session) == [(1, "x", "rejected")]


def test_a_lease_that_is_delivered_twice_runs_once() -> None:
    session = connected()
    running(session, lease("x"))
    session.receive(leases(lease("x"), number=2), 0.0)

    assert session.take_effects(0.0) == []


def test_work_is_dropped_once_however_often_that_is_said() -> None:
    session = connected()
    running(session, lease("x"))
    session.receive(orders(drop=references([("x", 1)])), 0.0)
    assert session.take_effects(0.0) == [Stop(("x", 1), StopReason.DROPPED)]

    session.receive(orders(drop=references([("x", 1)])), 0.0)

    assert session.take_effects(0.0) == []


def test_a_new_lease_of_a_task_waits_until_the_old_work_of_it_has_ended() -> None:
    session = connected()
    running(session, lease("x", 1))
    session.receive(orders(drop=references([("x", 1)])), 0.0)
    session.take_effects(0.0)

    session.receive(leases(lease("x", 2)), 0.0)
    assert session.take_effects(0.0) == []
    session.ended(("x", 1), pb.Cancelled(), 0.0)

    assert session.take_effects(0.0) == [Offer((lease("x", 2),))]


def test_heartbeats_come_at_the_interval_and_six_times_in_the_shortest_ttl() -> None:
    session = connected()
    assert said(session, INTERVAL - 0.01) == []
    assert said(session, INTERVAL)[0].heartbeat.number == 1

    running(session, lease("x", ttl=1.2), now=INTERVAL)

    said(session, INTERVAL)
    assert session.next_message_time() == pytest.approx(INTERVAL + 0.2)


def test_a_lease_that_waited_while_the_process_was_stopped_is_not_started() -> None:
    session = connected()
    thawed = ECHO + 20.0

    session.next_message(INTERVAL)
    session.receive(pb.CoordinatorMessage(heartbeat_echo=pb.HeartbeatEcho(number=1)), thawed)
    session.receive(leases(lease(ttl=30.0)), thawed)
    session.tick(thawed)

    assert [type(effect) for effect in session.take_effects(thawed)] == [Reconnect]
    assert not session.connect(thawed).hello.held


def test_the_set_of_leases_is_sent_until_a_heartbeat_of_its_version_was_echoed() -> None:
    session = connected()
    running(session, lease("x"))
    first = next(each.heartbeat for each in said(session, 1.0) if each.HasField("heartbeat"))
    assert first.held_included
    assert [each.task_id for each in first.held] == ["x"]

    echo = pb.HeartbeatEcho(number=1, held_version=first.held_version)
    session.receive(pb.CoordinatorMessage(heartbeat_echo=echo), 1.1)
    second = next(each.heartbeat for each in said(session, 2.0) if each.HasField("heartbeat"))

    assert not second.held_included
    assert second.held_version == first.held_version


def test_no_echo_for_the_timeout_means_another_stream() -> None:
    session = connected()
    said(session, 1.0)

    session.tick(ECHO)

    assert [type(each) for each in session.take_effects(ECHO)] == [Reconnect]
    assert not session.connected


def test_no_welcome_in_time_means_another_stream() -> None:
    session = AgentSession(hello())
    session.connect(0.0)
    session.tick(limits.WELCOME_SECONDS)

    assert [type(each) for each in session.take_effects(0.0)] == [Reconnect]


def test_work_stops_two_thirds_of_its_ttl_after_the_last_echoed_heartbeat_was_sent() -> None:
    session = connected()
    running(session, lease("x", ttl=6.0))
    said(session, 1.0)
    echo = pb.HeartbeatEcho(number=1, held_version=1)
    session.receive(pb.CoordinatorMessage(heartbeat_echo=echo), 1.5)

    session.tick(4.99)
    assert stops(session.take_effects(4.99)) == []
    session.tick(5.0)

    assert stops(session.take_effects(5.0)) == [(("x", 1), StopReason.LOST)]


def test_a_lease_that_no_heartbeat_named_yet_is_trusted_for_a_third_of_its_ttl_only() -> None:
    session = connected()
    running(session, lease("x", ttl=3.0), now=2.9)
    session.tick(2.9 + 0.99)
    assert stops(session.take_effects(3.89)) == []
    session.tick(2.9 + 1.01)

    assert stops(session.take_effects(3.91)) == [(("x", 1), StopReason.LOST)]


def test_work_that_stopped_for_lack_of_renewal_is_returned() -> None:
    session = connected()
    running(session, lease("x", ttl=3.0))
    session.tick(50.0)
    session.ended(("x", 1), pb.Failed(failure=task_pb2.Failure(message="killed")), 50.0)
    connected(session, now=51.0)

    assert reported(session, 51.0) == [(1, "x", "started"), (2, "x", "returned")]


def test_a_stale_refusal_stops_the_work_and_forgets_the_lease() -> None:
    session = connected()
    running(session, lease("x"))
    said(session)
    refusal = pb.Refusal(number=1, task_id="x", token=1, reason=pb.REFUSAL_REASON_STALE)
    session.receive(ack(1, refusal), 0.0)

    assert stops(session.take_effects(0.0)) == [(("x", 1), StopReason.DROPPED)]
    assert session.leases.held == 0


def test_an_outcome_that_breaks_a_limit_is_replaced_by_a_failure_and_then_returned() -> None:
    session = connected()
    running(session, lease("x"))
    said(session)
    session.ended(("x", 1), pb.Succeeded(), 0.0)
    said(session)
    for number, event in ((2, "failed"), (3, "returned")):
        refusal = pb.Refusal(number=number, task_id="x", token=1, reason=pb.REFUSAL_REASON_INVALID, message="too much")
        session.receive(ack(number, refusal), 0.0)
        assert reported(session) == [(number + 1, "x", event)]


def test_a_refused_progress_leaves_the_lease_alone() -> None:
    session = connected()
    running(session, lease("x"))
    session.progress(("x", 1), task_pb2.Progress(fraction=0.1))
    said(session)
    session.receive(ack(2, pb.Refusal(number=2, task_id="x", token=1, reason=pb.REFUSAL_REASON_INVALID)), 0.0)

    assert session.take_effects(0.0) == []
    assert session.leases.held == 1


def test_only_the_newest_progress_is_sent_and_once_a_second() -> None:
    session = connected()
    running(session, lease("x"))
    for percent in range(10):
        session.progress(("x", 1), task_pb2.Progress(fraction=percent / 10))
    assert reported(session) == [(1, "x", "started"), (2, "x", "progress")]
    session.receive(ack(2), 0.1)
    session.progress(("x", 1), task_pb2.Progress(fraction=0.95))

    assert reported(session, 0.9) == []
    assert reported(session, 1.0) == [(3, "x", "progress")]


def test_while_a_checkpoint_is_on_its_way_only_the_newest_after_it_is_kept() -> None:
    session = connected()
    running(session, lease("x"))
    session.checkpoint(("x", 1), task_pb2.Payload(data=b"1"))
    said(session)
    session.checkpoint(("x", 1), task_pb2.Payload(data=b"2"))
    session.checkpoint(("x", 1), task_pb2.Payload(data=b"3"))
    assert reported(session) == []
    session.receive(ack(2), 0.0)

    (message,) = said(session)
    assert [report.checkpoint.data for report in message.reports.reports] == [b"3"]


def test_the_last_checkpoint_goes_before_the_outcome() -> None:
    session = connected()
    running(session, lease("x"))
    session.checkpoint(("x", 1), task_pb2.Payload(data=b"1"))
    said(session)
    session.checkpoint(("x", 1), task_pb2.Payload(data=b"2"))
    session.ended(("x", 1), pb.Failed(), 0.0)

    assert [event for _, _, event in reported(session)] == ["checkpoint", "failed"]


@pytest.mark.parametrize(
    ("outcome", "event"),
    [(pb.Cancelled(), "cancelled"), (pb.Succeeded(), "succeeded"), (pb.Failed(), "cancelled")],
)
def test_a_cancel_stops_the_work_and_a_success_still_wins(outcome: pb.Succeeded, event: str) -> None:
    session = connected()
    running(session, lease("x"))
    assert reported(session) == [(1, "x", "started")]
    session.receive(orders(cancel=references([("x", 1)])), 0.0)
    assert stops(session.take_effects(0.0)) == [(("x", 1), StopReason.CANCEL)]
    session.ended(("x", 1), outcome, 0.0)

    assert reported(session) == [(2, "x", event)]


def test_a_cancel_of_waiting_work_is_reported_at_once() -> None:
    session = AgentSession(hello(slots=1, queue_limit=1))
    connected(session)
    running(session, lease("x"), lease("y"))
    session.receive(orders(cancel=references([("y", 1)])), 0.0)

    assert (2, "y", "cancelled") in reported(session)


def test_a_recall_returns_what_has_not_started_and_says_nothing_of_what_has() -> None:
    session = AgentSession(hello(slots=2, queue_limit=1))
    connected(session)
    session.receive(leases(lease("x"), lease("y"), lease("z")), 0.0)
    session.take_effects(0.0)
    session.claimed(("x", 1), 0.0)
    session.receive(orders(recall=references([("x", 1), ("y", 1), ("z", 1)])), 0.0)

    assert Withdraw(("y", 1)) in session.take_effects(0.0)
    session.withdrawn(("y", 1))
    assert reported(session) == [(1, "x", "started"), (2, "z", "returned"), (3, "y", "returned")]


def test_a_lease_that_no_handler_takes_in_time_is_rejected() -> None:
    session = AgentSession(hello(), handover_seconds=2.0)
    connected(session)
    session.receive(leases(lease("x")), 0.0)
    session.take_effects(0.0)
    assert session.next_time() <= 2.0
    session.tick(2.0)

    assert Withdraw(("x", 1)) in session.take_effects(2.0)
    session.withdrawn(("x", 1))
    assert (1, "x", "rejected") in reported(session, 2.0)


def test_the_time_limit_for_running_counts_from_the_start() -> None:
    session = connected()
    session.receive(leases(lease("x", limit=5.0)), 0.0)
    session.take_effects(0.0)
    session.claimed(("x", 1), 1.0)
    session.tick(5.9)
    assert stops(session.take_effects(5.9)) == []
    session.tick(6.0)
    assert stops(session.take_effects(6.0)) == [(("x", 1), StopReason.TIMEOUT)]
    session.ended(("x", 1), pb.Cancelled(output=task_pb2.Payload(data=b"so far")), 6.0)
    connected(session, now=7.0)

    failed = [report.failed for each in said(session, 7.0) for report in each.reports.reports][-1]
    assert failed.failure.reason == task_pb2.FAILURE_REASON_TIMEOUT
    assert failed.output.data == b"so far"


def test_leaving_returns_what_waits_finishes_what_runs_and_says_goodbye() -> None:
    session = AgentSession(hello(slots=1, queue_limit=1))
    connected(session)
    running(session, lease("x"), lease("y"))
    session.leave(0.0, drain_seconds=30.0, leave_seconds=8.0)
    messages = said(session)
    assert messages[0].HasField("drain_notice")
    assert [report.WhichOneof("event") for report in messages[1].reports.reports] == ["started", "returned"]
    session.ended(("x", 1), pb.Succeeded(), 1.0)
    assert not any(each.HasField("goodbye") for each in said(session, 1.0))
    session.receive(ack(3), 1.0)

    assert said(session, 1.0)[-1].HasField("goodbye")
    assert [type(each) for each in session.take_effects(1.0 + limits.GOODBYE_SECONDS)] == [Leave]


def test_leaving_stops_and_returns_what_runs_beyond_the_limit() -> None:
    session = connected()
    running(session, lease("x"))
    session.leave(0.0, drain_seconds=1.0, leave_seconds=8.0)
    session.tick(1.0)
    assert stops(session.take_effects(1.0)) == [(("x", 1), StopReason.DRAIN)]
    session.ended(("x", 1), pb.Cancelled(), 1.1)

    assert [event for _, _, event in reported(session, 1.1)] == ["started", "returned"]


def test_leaving_does_not_wait_for_ever_for_work_that_does_not_stop() -> None:
    session = connected()
    running(session, lease("x"))
    session.leave(0.0, drain_seconds=1.0, leave_seconds=1.0)
    session.tick(1.0)
    session.take_effects(1.0)

    assert said(session, 2.0)[-1].HasField("goodbye")


def test_leaving_does_not_wait_for_ever_for_a_coordinator_that_does_not_read() -> None:
    session = connected()
    running(session, lease("x"))
    session.leave(0.0, drain_seconds=0.0, leave_seconds=1.0)
    session.take_effects(0.0)

    assert session.take_effects(1.0) == []
    assert session.next_time() == 1.0 + limits.GOODBYE_SECONDS
    assert session.take_effects(1.0 + limits.GOODBYE_SECONDS) == [Leave()]


def test_an_agent_that_is_nowhere_connected_leaves_without_a_word() -> None:
    session = AgentSession(hello())
    session.leave(0.0, drain_seconds=1.0, leave_seconds=1.0)

    assert session.take_effects(0.0) == [Leave()]


def test_leases_that_come_while_it_drains_are_returned() -> None:
    session = connected()
    session.receive(orders(drain=pb.DrainOrder()), 0.0)
    session.receive(leases(lease("x")), 0.0)

    assert session.take_effects(0.0) == []
    assert reported(session) == [(1, "x", "returned")]


def test_an_ordered_drain_can_be_called_off() -> None:
    session = connected()
    session.receive(orders(drain=pb.DrainOrder(mode=pb.DRAIN_MODE_FINISH)), 0.0)
    session.receive(orders(resume=True), 0.0)
    session.receive(leases(lease("x")), 0.0)

    assert session.take_effects(0.0) == [Offer((lease("x"),))]
    assert not any(each.HasField("goodbye") for each in said(session))


def test_an_ordered_drain_that_returns_stops_what_runs() -> None:
    session = connected()
    running(session, lease("x"))
    session.receive(orders(drain=pb.DrainOrder(mode=pb.DRAIN_MODE_RETURN)), 0.0)

    assert stops(session.take_effects(0.0)) == [(("x", 1), StopReason.DRAIN)]


def test_orders_of_welcome_count() -> None:
    session = AgentSession(hello())
    session.connect(0.0)
    message = welcome()
    message.welcome.orders.follow_output.extend(references([("x", 1)]))
    session.receive(message, 0.0)

    assert session.take_effects(0.0) == [Follow(("x", 1))]


def test_moving_means_another_stream_elsewhere_after_the_delay() -> None:
    session = connected()
    message = pb.CoordinatorMessage(moving=pb.Moving(message="restart"))
    message.moving.delay.FromSeconds(3)
    session.receive(message, 0.0)

    (effect,) = session.take_effects(0.0)
    assert isinstance(effect, Reconnect)
    assert (effect.delay_seconds, effect.elsewhere) == (3.0, True)


def test_batches_of_reports_keep_to_128_items_and_256_kib() -> None:
    session = AgentSession(hello(slots=1000))
    connected(session)
    running(session, *[lease(f"t{number}") for number in range(300)])
    assert sum(len(each.reports.reports) for each in said(session)) == 300
    for number in range(300):
        output = task_pb2.Payload(data=b"x" * (100_000 if number < 4 else 10))
        session.ended((f"t{number}", 1), pb.Succeeded(output=output), 0.0)

    batches = [each.reports for each in said(session) if each.HasField("reports")]

    assert sum(len(each.reports) for each in batches) == 300
    assert all(len(each.reports) <= 128 for each in batches)
    assert all(each.ByteSize() <= limits.BATCH_BYTES_MAX + 2048 for each in batches)


def test_too_many_unacknowledged_bytes_hold_further_work_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "UNACKNOWLEDGED_BYTES_MAX", 100)
    session = AgentSession(hello(slots=1, queue_limit=1))
    connected(session)
    running(session, lease("x"), lease("y"))
    session.ended(("x", 1), pb.Succeeded(output=task_pb2.Payload(data=b"x" * 200)), 0.0)
    assert session.take_effects(0.0) == []
    said(session)
    session.receive(ack(2), 0.0)

    assert session.take_effects(0.0) == [Offer((lease("y"),))]
