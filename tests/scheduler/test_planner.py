"""The planner with one stream and without a network."""

from __future__ import annotations

import pytest
from missioncontrol.v1 import scheduler_service_pb2 as pb
from prometheus_client import CollectorRegistry

from services.domain.errors import ResourceExhausted
from services.scheduler import limits
from services.scheduler.metrics import SchedulerMetrics
from services.scheduler.planner import Planner

NOW = 1_000_000_000


class Single:
    """A planner and its only stream."""

    def __init__(self) -> None:
        self.planner = Planner(SchedulerMetrics(CollectorRegistry()))
        self._session = self.planner.join()

    def receive(self, request: pb.ScheduleRequest, now: int) -> None:
        self.planner.receive(self._session, request, now)

    def decide(self, now: int) -> pb.ScheduleResponse | None:
        responses = [response for _, response in self.planner.decide(now)]
        return responses[0] if responses else None


def filled(*, kind: str = "build") -> Single:
    single = Single()
    single.receive(
        pb.ScheduleRequest(
            coordinator_id="c1",
            snapshot=True,
            snapshot_complete=True,
            groups=[pb.TaskGroup(id=1, namespace="default", queue="q", kind=kind, needs_id="n")],
            agents=[
                pb.SchedulableAgent(
                    namespace="default", agent_id="a", session=1, accepting=True, kinds=["build"], slots=1
                )
            ],
            ready=[pb.ReadyTasks(group_id=1, tasks=[pb.ReadyTask(task_id="t", queued_time_micros=1)])],
        ),
        NOW,
    )
    return single


def test_an_idle_session_has_nothing_to_say_and_no_time_to_wait_for() -> None:
    single = Single()
    single.receive(pb.ScheduleRequest(coordinator_id="c1", snapshot=True, snapshot_complete=True), NOW)
    assert single.decide(NOW) is None
    assert not single.planner.more
    assert single.planner.next_time() is None


def test_reasons_are_looked_at_no_more_often_than_the_limit_says() -> None:
    single = filled(kind="bake")
    response = single.decide(NOW)
    assert response is not None
    assert len(response.unplaceable) == 1
    single.receive(pb.ScheduleRequest(removed_task_ids=["t"]), NOW)
    assert single.decide(NOW + 1) is None
    offers_due = single.planner.next_time()
    assert offers_due is not None
    assert single.decide(offers_due) is None
    assert single.planner.next_time() == NOW + limits.REPORT_INTERVAL_MICROS
    again = single.decide(NOW + limits.REPORT_INTERVAL_MICROS)
    assert again is not None
    assert len(again.unplaceable) == 1
    assert single.planner.next_time() is None


def test_a_session_that_is_fed_without_bound_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "GROUPS_MAX", 0)
    with pytest.raises(ResourceExhausted, match="groups"):
        filled()


def test_a_declaration_is_read_anew_only_if_it_changed() -> None:
    single = filled()
    record = single.planner.view.capacity.by_key["default/a"]
    before = record.agent.profile
    loaded = pb.SchedulableAgent(
        namespace="default", agent_id="a", session=1, accepting=True, kinds=["build"], slots=1, leases=1
    )
    single.receive(pb.ScheduleRequest(agents=[loaded]), NOW)
    assert record.agent.leases == 1
    assert record.agent.profile is before
    labelled = pb.SchedulableAgent(namespace="default", agent_id="a", session=1, labels={"zone": "a"}, slots=1)
    single.receive(pb.ScheduleRequest(agents=[labelled]), NOW)
    assert record.agent.profile.labels == {"zone": "a"}
