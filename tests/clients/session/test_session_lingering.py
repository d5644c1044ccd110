"""Work whose lease is gone and that does not stop: what the coordinator is told of the slots that it holds."""

from __future__ import annotations

from missioncontrol import agent_limits as limits
from missioncontrol.session import AgentSession
from missioncontrol.session_effects import Effect, Offer, Reconnect
from missioncontrol.v1 import agent_service_pb2 as pb
from missioncontrol.v1 import task_pb2

from tests.clients.session.session_world import hello, lease, leases, references, welcome

OVERDUE = limits.LINGERING_SECONDS


def connected(session: AgentSession, *, now: float = 0.0) -> pb.Hello:
    """Connects, to a coordinator whose silence means nothing."""
    said = session.connect(now).hello
    message = welcome(*[(each.task_id, each.token) for each in said.held])
    message.welcome.echo_timeout.FromSeconds(3600)
    session.receive(message, now)
    session.take_effects(now)
    return said


def lingering(*several: pb.Lease, slots: int, queue_limit: int = 0) -> AgentSession:
    """An agent that runs these leases, all of which were dropped at time 0."""
    session = AgentSession(hello(slots=slots, queue_limit=queue_limit))
    connected(session)
    session.receive(leases(*several), 0.0)
    session.take_effects(0.0)
    keys = [(each.task_id, each.token) for each in several]
    for key in keys:
        session.claimed(key, 0.0)
    session.receive(pb.CoordinatorMessage(orders=pb.Orders(drop=references(keys))), 0.0)
    session.take_effects(0.0)
    return session


def effects(session: AgentSession, now: float) -> list[type[Effect]]:
    session.tick(now)
    return [type(each) for each in session.take_effects(now)]


def reported(session: AgentSession, now: float) -> list[tuple[str, str | None]]:
    found = []
    while (message := session.next_message(now)) is not None:
        found += [(report.task_id, report.WhichOneof("event")) for report in message.reports.reports]
    return found


def test_work_that_stops_in_time_is_not_told_and_what_came_for_its_slot_waits() -> None:
    session = lingering(lease("x"), slots=1)
    session.receive(leases(lease("y"), number=2), 1.0)
    assert session.take_effects(1.0) == []

    session.ended(("x", 1), pb.Cancelled(), 2.0)

    assert session.take_effects(2.0) == [Offer((lease("y"),))]
    assert effects(session, OVERDUE) == []
    assert session.connected


def test_work_that_does_not_stop_is_told_by_another_hello_with_fewer_slots() -> None:
    session = lingering(lease("x"), slots=4)
    assert session.next_time() <= OVERDUE

    assert effects(session, OVERDUE) == [Reconnect]

    assert not session.connected
    said = connected(session, now=OVERDUE)
    assert (said.slots, said.draining, list(said.held)) == (3, False, [])
    assert effects(session, OVERDUE + 1.0) == []


def test_an_agent_without_any_slot_left_says_that_it_takes_no_work() -> None:
    session = lingering(lease("x"), lease("y"), slots=2)
    session.tick(OVERDUE)

    assert connected(session, now=OVERDUE).draining


def test_a_slot_that_is_free_at_last_is_offered_again() -> None:
    session = lingering(lease("x"), slots=1)
    session.tick(OVERDUE)
    connected(session, now=OVERDUE)

    session.ended(("x", 1), pb.Cancelled(), 60.0)

    assert effects(session, 60.0) == [Reconnect]
    said = connected(session, now=60.0)
    assert (said.slots, said.draining) == (1, False)


def test_resources_of_lingering_work_are_not_offered_either() -> None:
    greedy = lease("x")
    greedy.spec.requirements.resources.update({"gpu": 1.0, "unknown": 3.0})
    session = lingering(greedy, slots=4)
    session._hello.resources.update({"gpu": 1.0, "cpus": 8.0})
    session.tick(OVERDUE)

    assert dict(connected(session, now=OVERDUE).resources) == {"gpu": 0.0, "cpus": 8.0}


def test_waiting_leases_for_which_no_slot_is_left_are_named_and_returned_after_welcome() -> None:
    session = lingering(lease("x"), slots=1, queue_limit=1)
    session.receive(leases(lease("y"), lease("z"), number=2), 1.0)
    assert reported(session, 1.0) == [("x", "started")]
    session.tick(OVERDUE)

    said = connected(session, now=OVERDUE)

    assert {each.task_id for each in said.held} == {"y", "z"}
    assert ("z", "returned") in reported(session, OVERDUE)
    assert session.leases.busy == 1


def test_waiting_leases_that_still_have_room_go_on_waiting() -> None:
    session = lingering(lease("x"), slots=2, queue_limit=1)
    session.receive(leases(lease("v"), lease("w"), lease("y"), number=2), 1.0)
    session.take_effects(1.0)
    session.claimed(("v", 1), 1.0)
    session.tick(OVERDUE)

    connected(session, now=OVERDUE)

    assert ("y", "returned") in reported(session, OVERDUE)
    session.ended(("v", 1), pb.Succeeded(), OVERDUE)
    assert session.take_effects(OVERDUE) == [Offer((lease("w"),))]


def test_a_new_lease_of_a_task_that_lingers_does_not_wait_for_ever() -> None:
    session = lingering(lease("x", 1), slots=4)
    session.receive(leases(lease("x", 2), number=2), 1.0)
    session.tick(OVERDUE)
    connected(session, now=OVERDUE)
    assert ("x", "returned") in reported(session, OVERDUE)

    session.receive(leases(lease("x", 3)), OVERDUE + 1.0)

    assert ("x", "rejected") in reported(session, OVERDUE + 1.0)


def test_an_agent_that_leaves_does_not_connect_again_for_that() -> None:
    session = lingering(lease("x"), slots=4)
    session.leave(0.0, drain_seconds=60.0, leave_seconds=8.0)

    assert effects(session, OVERDUE) == []
    assert session.connected


def test_a_cancel_keeps_its_lease_and_its_slot_until_the_work_has_stopped() -> None:
    session = AgentSession(hello(slots=1, queue_limit=0))
    connected(session)
    session.receive(leases(lease("x")), 0.0)
    session.take_effects(0.0)
    session.claimed(("x", 1), 0.0)
    session.receive(pb.CoordinatorMessage(orders=pb.Orders(cancel=references([("x", 1)]))), 0.0)
    session.take_effects(0.0)

    session.tick(2 * OVERDUE)

    assert [each.task_id for each in session.connect(2 * OVERDUE).hello.held] == ["x"]
    session.ended(("x", 1), pb.Failed(failure=task_pb2.Failure()), 2 * OVERDUE)
    connected(session, now=2 * OVERDUE)
    assert reported(session, 2 * OVERDUE) == [("x", "started"), ("x", "cancelled")]
