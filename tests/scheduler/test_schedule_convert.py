"""From the messages of the Schedule stream to the domain's values."""

from __future__ import annotations

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from missioncontrol.v1 import queue_pb2, task_pb2
from missioncontrol.v1 import scheduler_service_pb2 as pb

from services.domain.commands import Placement
from services.domain.errors import InvalidArgument
from services.domain.requirements import FilterReason, LabelSelector, Requirements, SelectorOperator
from services.domain.schedule import LeaseLoad, QueueRule, ReadyTask, TaskGroup, Unplaceable, UnplaceableReason
from services.domain.task import Avoided
from services.transport.schedule_convert import ScheduleDecoder, schedule_response


def requirements(operator: int) -> task_pb2.Requirements:
    selector = task_pb2.LabelSelector(key="zone", values=["a", "b"])
    selector.operator = task_pb2.SelectorOperator.ValueType(operator)
    return task_pb2.Requirements(capabilities=["gpu"], selectors=[selector], resources={"cpus": 2.0})


def test_groups_tasks_and_queues_are_read_with_everything_that_placing_needs() -> None:
    group = pb.TaskGroup(id=7, namespace="n", queue="q", priority=-3, kind="k", needs_id="x", unsent=9)
    group.requirements.CopyFrom(requirements(task_pb2.SELECTOR_OPERATOR_IN))
    avoided = pb.AvoidedAgent(agent_id="a", until_time=Timestamp(seconds=5, nanos=6_000))
    task = pb.ReadyTask(task_id="t", queued_time_micros=11, avoid=[avoided])
    request = pb.ScheduleRequest(
        queues=[queue_pb2.Queue(namespace="n", name="q", paused=True)],
        groups=[group],
        ready=[pb.ReadyTasks(group_id=7, tasks=[task])],
        removed_groups=[3],
    )
    changes = ScheduleDecoder().changes(request)
    needs = Requirements(("gpu",), (LabelSelector("zone", SelectorOperator.IN, ("a", "b")),), {"cpus": 2.0})
    assert changes.queues == (QueueRule("n", "q", True),)
    assert changes.groups == (TaskGroup(7, "n", "q", -3, "k", needs, "x", 9),)
    assert changes.ready == (ReadyTask(7, "t", 11, (Avoided("a", 5_000_006),)),)
    assert changes.removed_groups == (3,)


def test_an_agent_is_read_with_its_declaration_and_its_load() -> None:
    agent = pb.SchedulableAgent(
        namespace="n", agent_id="a", session=4, accepting=True, labels={"zone": "a"}, capabilities=["gpu"],
        kinds=["k"], queues=["q"], slots=5, queue_limit=2, resources={"cpus": 8.0}, leases=3, started=1,
        resources_used={"cpus": 1.5},
    )  # fmt: skip
    (read,) = ScheduleDecoder().changes(pb.ScheduleRequest(agents=[agent])).agents
    assert (read.key, read.session, read.accepting, read.slots, read.leases) == ("n/a", 4, True, 5, 3)
    assert read.resources_used == {"cpus": 1.5}
    assert read.profile.kinds == {"k"}
    assert read.profile.queues == {"q"}
    assert read.profile.capabilities == {"gpu"}
    assert read.profile.labels == {"zone": "a"}
    assert read.profile.resources == {"cpus": 8.0}


def test_what_an_agents_leases_are_of_is_read() -> None:
    load = pb.LeaseLoad(queue="q", priority=5, fairness_key="ann", leases=3)
    agent = pb.SchedulableAgent(namespace="n", agent_id="a", session=4, loads=[load], last_grant_micros=11)
    (read,) = ScheduleDecoder().changes(pb.ScheduleRequest(agents=[agent])).agents
    assert read.loads == (LeaseLoad("q", 5, "ann", 3),)
    assert read.last_grant_time == 11


def test_warm_keys_stand_until_they_are_told_again_or_the_session_is_another_one() -> None:
    decoder = ScheduleDecoder()

    def read(session: int, *keys: tuple[str, int], remove: bool = False) -> dict[str, int]:
        warm = [pb.WarmKey(key=key, time_micros=time) for key, time in keys]
        agent = pb.SchedulableAgent(namespace="n", agent_id="a", session=session, warm_keys=warm)
        removed = ["n/a"] if remove else []
        (found,) = decoder.changes(pb.ScheduleRequest(agents=[agent], removed_agents=removed)).agents
        return dict(found.warm_keys)

    assert read(1, ("x", 5), ("y", 3)) == {"x": 5, "y": 3}
    assert read(1) == {"x": 5, "y": 3}
    assert read(1, ("z", 6)) == {"z": 6}
    assert read(2) == {}
    assert read(2, ("x", 7)) == {"x": 7}
    assert read(2, remove=True) == {}


def test_an_operator_that_is_not_known_is_refused() -> None:
    group = pb.TaskGroup(id=1, requirements=requirements(99))
    with pytest.raises(InvalidArgument, match="zone"):
        ScheduleDecoder().changes(pb.ScheduleRequest(groups=[group]))


def test_the_domains_numbers_are_those_of_the_wire() -> None:
    assert {f"SELECTOR_OPERATOR_{operator.name}": int(operator) for operator in SelectorOperator} == {
        name: int(number) for name, number in task_pb2.SelectorOperator.items() if number
    }
    assert {f"FILTER_REASON_{reason.name}": int(reason) for reason in FilterReason} == {
        name: int(number) for name, number in pb.FilterReason.items() if number
    }


def test_a_placement_says_in_which_namespace_it_is() -> None:
    (written,) = schedule_response([Placement(3, "t", "a", 9, "n")], []).placements
    assert written == pb.Placement(number=3, task_id="t", agent_id="a", session=9, namespace="n")


def test_reasons_are_written_as_they_are() -> None:
    reason = UnplaceableReason(FilterReason.LABEL, "zone", 4)
    response = schedule_response([], [Unplaceable(7, (reason,), never=True)])
    (written,) = response.unplaceable
    assert (written.group_id, written.never) == (7, True)
    assert written.reasons[0] == pb.UnplaceableReason(reason=pb.FILTER_REASON_LABEL, subject="zone", agents=4)
