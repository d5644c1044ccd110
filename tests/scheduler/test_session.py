"""The session without a network: it can be joined anywhere, and its stream cut after every message."""

from __future__ import annotations

import pytest
from missioncontrol.v1 import scheduler_service_pb2 as pb
from prometheus_client import CollectorRegistry

from services.domain.errors import ResourceExhausted
from services.scheduler import limits
from services.scheduler.metrics import SchedulerMetrics
from services.scheduler.session import ScheduleSession

NOW = 1_000_000_000


def new_session() -> ScheduleSession:
    return ScheduleSession(SchedulerMetrics(CollectorRegistry()))


def filled(*, kind: str = "build") -> ScheduleSession:
    session = new_session()
    session.receive(
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
    return session


def test_an_idle_session_has_nothing_to_say_and_no_time_to_wait_for() -> None:
    session = new_session()
    session.receive(pb.ScheduleRequest(coordinator_id="c1", snapshot=True, snapshot_complete=True), NOW)
    assert session.decide(NOW) is None
    assert not session.more
    assert session.next_time() is None


def test_reasons_are_looked_at_no_more_often_than_the_limit_says() -> None:
    session = filled(kind="bake")
    response = session.decide(NOW)
    assert response is not None
    assert len(response.unplaceable) == 1
    session.receive(pb.ScheduleRequest(removed_task_ids=["t"]), NOW)
    assert session.decide(NOW + 1) is None
    offers_due = session.next_time()
    assert offers_due is not None
    assert session.decide(offers_due) is None
    assert session.next_time() == NOW + limits.REPORT_INTERVAL_MICROS
    again = session.decide(NOW + limits.REPORT_INTERVAL_MICROS)
    assert again is not None
    assert len(again.unplaceable) == 1
    assert session.next_time() is None


def test_a_session_that_is_fed_without_bound_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "GROUPS_MAX", 0)
    with pytest.raises(ResourceExhausted, match="groups"):
        filled()


def test_a_declaration_is_read_anew_only_if_it_changed() -> None:
    session = filled()
    record = session.view.capacity.by_key["default/a"]
    before = record.agent.profile
    loaded = pb.SchedulableAgent(
        namespace="default", agent_id="a", session=1, accepting=True, kinds=["build"], slots=1, leases=1
    )
    session.receive(pb.ScheduleRequest(agents=[loaded]), NOW)
    assert record.agent.leases == 1
    assert record.agent.profile is before
    labelled = pb.SchedulableAgent(namespace="default", agent_id="a", session=1, labels={"zone": "a"}, slots=1)
    session.receive(pb.ScheduleRequest(agents=[labelled]), NOW)
    assert record.agent.profile.labels == {"zone": "a"}
