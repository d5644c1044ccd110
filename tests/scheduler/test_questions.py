"""What people ask, and how soon it is told why groups wait: the planner without a network."""

from __future__ import annotations

import pytest
from missioncontrol.v1 import scheduler_service_pb2 as pb
from missioncontrol.v1 import task_pb2

from services.domain.errors import ResourceExhausted
from services.scheduler import limits
from services.scheduler.planner import report_interval
from tests.scheduler.test_shared_view import Fleet, agent, group, ready


def question(number: int, *, kind: str = "build", task_id: str = "", simulate: int = 0) -> pb.RoutingQuestion:
    return pb.RoutingQuestion(
        number=number, group=group(0, kind=kind), task=pb.ReadyTask(task_id=task_id), simulate=simulate
    )


def answers(fleet: Fleet) -> list[tuple[str, pb.RoutingAnswer]]:
    """The answers until nothing is left to decide, with the coordinators that get them."""
    found = []
    while fleet.planner.more:
        for session, response in fleet.planner.decide(fleet.now):
            found += [(session.coordinator_id, answer) for answer in response.answers]
    return found


def test_each_question_is_answered_once_on_the_stream_that_asked() -> None:
    fleet = Fleet()
    one = fleet.stream(groups=[group(1, kind="bake")], agents=[agent("a")], ready=[ready("t")])
    other = fleet.stream()
    for stream, number, task_id in ((other, 7, "t"), (one, 8, "")):
        asked = pb.ScheduleRequest(questions=[question(number, kind="bake", task_id=task_id)])
        fleet.planner.receive(stream.session, asked, fleet.now)
    found = answers(fleet)

    assert [(name, answer.number) for name, answer in found] == [("c1", 7), ("c0", 8)]
    assert {answer.explanation.reason for _, answer in found} == {task_pb2.WAIT_REASON_NO_AGENT}
    assert found[0][1].explanation.near_misses[0].agent_id == "a"
    assert not fleet.planner.more


def test_simulated_tasks_are_placed_nowhere() -> None:
    fleet = Fleet()
    stream = fleet.stream(agents=[agent("a", slots=2)])
    fleet.planner.receive(stream.session, pb.ScheduleRequest(questions=[question(1, simulate=3)]), fleet.now)
    [(_, answer)] = answers(fleet)
    assert [(each.agent_id, each.leases) for each in answer.placements] == [("a", 1), ("a", 2)]
    assert answer.explanation.reason == task_pb2.WAIT_REASON_SLOTS

    stream.tell(groups=[group(1)], ready=[ready("t1", "t2")])
    assert stream.pairs() == {("t1", "a"), ("t2", "a")}


def test_a_stream_that_asks_without_bound_is_ended_and_its_questions_are_forgotten() -> None:
    fleet = Fleet()
    stream = fleet.stream()
    many = [question(number) for number in range(limits.QUESTIONS_MAX + 1)]
    with pytest.raises(ResourceExhausted):
        fleet.planner.receive(stream.session, pb.ScheduleRequest(questions=many), fleet.now)
    fleet.planner.leave(stream.session)
    assert answers(fleet) == []


@pytest.mark.parametrize("sets", [0, 1, 64, 1_000, 2_500])
def test_every_set_of_needs_has_two_turns_within_a_second(sets: int) -> None:
    rounds = -(-sets // limits.REPORT_NEEDS_MAX) or 1
    assert 2 * rounds * report_interval(sets) <= 1_000_000


def test_it_is_told_why_groups_wait_also_while_there_is_more_to_place() -> None:
    fleet = Fleet()
    tasks = [f"t{n}" for n in range(1_200)]
    stream = fleet.stream(
        groups=[group(1), group(2, kind="bake")],
        agents=[agent("a", slots=5_000)],
        ready=[ready("stuck", number=2), ready(*tasks)],
    )
    assert [news.group_id for news in stream.unplaceable] == [2]
    assert stream.unplaceable[0].wait == task_pb2.WAIT_REASON_NO_AGENT
