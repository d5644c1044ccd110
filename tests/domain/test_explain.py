"""Why one task waits, in full, and where tasks would go."""

from __future__ import annotations

import copy

import msgspec

from services.domain.explain import NEAR_MISSES_MAX, explain, find_group
from services.domain.placement import plan
from services.domain.policy import Lane, QueuePolicy
from services.domain.rehearsal import Simulated, rehearse
from services.domain.requirements import AgentProfile, FilterReason, LabelSelector, Requirements, SelectorOperator
from services.domain.requirements import WaitReason as Wait
from services.domain.schedule import (
    QueueRule,
    ReadyTask,
    SchedulableAgent,
    ScheduleChanges,
    TaskGroup,
    UnplaceableReason,
)
from services.domain.schedule_view import ScheduleView
from services.domain.task import Avoided
from services.domain.unplaceable import report

NOW = 1_000_000_000
GPU = Requirements(capabilities=("gpu",), selectors=(LabelSelector("zone", SelectorOperator.IN, ("eu",)),))
PLAIN = QueuePolicy()


def agent(agent_id: str, *capabilities: str, zone: str = "", **fields: object) -> SchedulableAgent:
    profile = AgentProfile(
        kinds=frozenset({"build"}), capabilities=frozenset(capabilities), labels={"zone": zone} if zone else {}
    )
    made = SchedulableAgent(f"default/{agent_id}", "default", agent_id, 1, True, profile, 1)
    return msgspec.structs.replace(made, **fields)


def group(group_id: int = 1, *, needs: Requirements = GPU, priority: int = 0, kind: str = "build") -> TaskGroup:
    return TaskGroup(group_id, "default", "q", priority, kind, needs, str(needs.capabilities))


def task(task_id: str = "t", *, group_id: int = 1, time: int = 1, avoid: tuple[Avoided, ...] = ()) -> ReadyTask:
    return ReadyTask(group_id, task_id, time, avoid)


def view_of(**changes: object) -> ScheduleView:
    view = ScheduleView()
    view.apply(ScheduleChanges(**changes), NOW)  # type: ignore[arg-type]  # by field name
    plan(view, NOW)
    return view


def rule(policy: QueuePolicy, *, paused: bool = False) -> QueueRule:
    return QueueRule("default", "q", paused, 1, policy)


def lacks(reason: FilterReason, subject: str = "") -> UnplaceableReason:
    return UnplaceableReason(reason, subject)


def test_the_nearest_agents_come_first_with_everything_that_they_lack() -> None:
    agents = (agent("far"), agent("near", "gpu"), agent("full", zone="eu", leases=1))
    view = view_of(groups=(group(),), agents=agents, ready=(task(),))
    found = explain(view, view.backlog.groups[1], task(), now=NOW)

    assert (found.reason, found.never) == (Wait.NO_AGENT, True)
    assert (found.agents, found.eligible, found.free) == (3, 0, 0)
    assert found.filtered == (
        UnplaceableReason(FilterReason.CAPABILITY, "gpu", 2),
        UnplaceableReason(FilterReason.LABEL, "zone", 1),
    )
    assert [(miss.agent_id, miss.lacks) for miss in found.near_misses] == [
        ("near", (lacks(FilterReason.LABEL, "zone"),)),
        ("far", (lacks(FilterReason.CAPABILITY, "gpu"), lacks(FilterReason.LABEL, "zone"))),
        ("full", (lacks(FilterReason.CAPABILITY, "gpu"), lacks(FilterReason.SLOTS_FULL))),
    ]
    assert found.message == (
        "no agent can run it: 2 lack capability gpu and 1 has no fitting label zone; "
        "nearest: near has no fitting label zone"
    )


def test_no_more_than_a_few_agents_are_named() -> None:
    view = view_of(groups=(group(),), agents=tuple(agent(f"a{n}") for n in range(30)), ready=(task(),))
    found = explain(view, view.backlog.groups[1], task(), now=NOW)
    assert len(found.near_misses) == NEAR_MISSES_MAX


def test_a_task_behind_others_says_how_many_go_first() -> None:
    ready = (task("t1", time=1), task("t2", time=3), task("high", group_id=2, time=9), task("low", group_id=3, time=1))
    plain = Requirements()
    groups = (group(1, needs=plain), group(2, needs=plain, priority=1), group(3, needs=plain, priority=-1))
    view = view_of(groups=groups, agents=(agent("a", leases=1),), ready=ready)
    found = explain(view, view.backlog.groups[1], task("t2", time=3), now=NOW)
    assert (found.reason, found.ahead) == (Wait.SLOTS, 2)


def test_only_an_agent_that_the_task_avoids_is_free() -> None:
    avoiding = task(avoid=(Avoided("a", NOW + 1),))
    view = view_of(groups=(group(needs=Requirements()),), agents=(agent("a"),), ready=(avoiding,))
    found = explain(view, view.backlog.groups[1], avoiding, now=NOW)
    assert (found.reason, found.free) == (Wait.AVOIDED, 0)
    assert found.near_misses[0].lacks == (lacks(FilterReason.AVOIDED),)
    later = explain(view, view.backlog.groups[1], avoiding, now=NOW + 1)
    assert (later.reason, later.free) == (Wait.NONE, 1)


def test_a_closed_queue_is_the_only_reason() -> None:
    view = view_of(groups=(group(),), agents=(agent("a"),), ready=(task(),), queues=(QueueRule("default", "q", True),))
    found = explain(view, view.backlog.groups[1], task(), now=NOW)
    assert (found.reason, found.never, found.message) == (Wait.QUEUE_PAUSED, False, "queue q is paused: resume it")


def test_the_lane_and_when_it_goes_first_at_the_latest() -> None:
    policy = QueuePolicy(lanes=(Lane("high", 10), Lane("low", -100, max_wait_micros=60)))
    view = view_of(groups=(group(),), ready=(task(),), queues=(rule(policy),))
    found = explain(view, view.backlog.groups[1], task(time=5), now=NOW)
    assert (found.lane, found.promote_time) == ("low", 65)


def test_a_task_behind_the_window_is_explained_by_its_group() -> None:
    view = view_of(groups=(group(),), ready=(task(),))
    known = view.backlog.groups[1]
    assert find_group(view, group(77), "t") is known
    assert find_group(view, group(77), "another") is known
    assert find_group(view, group(77, priority=5), "another") is None


# Trying out.


def test_tasks_are_tried_out_on_what_is_free_and_leave_no_trace() -> None:
    plain = Requirements()
    agents = (agent("a", slots=2), agent("b", slots=3, leases=2))
    view = view_of(groups=(group(needs=plain),), agents=agents, ready=(task(),))  # t is placed on a
    before = copy.deepcopy((view.capacity.bands, sorted(view.tasks), sorted(view.backlog.groups)))
    explanation, placed = rehearse(view, group(needs=plain), task(time=NOW), policy=PLAIN, count=5, now=NOW)

    assert placed == [Simulated("a", 2), Simulated("b", 3)]
    assert explanation.reason is Wait.SLOTS
    assert (view.capacity.bands, sorted(view.tasks), sorted(view.backlog.groups)) == before
    assert plan(view, NOW) == []


def test_tasks_that_wait_go_before_those_that_are_tried_out() -> None:
    plain = Requirements()
    paused = QueueRule("default", "q", True)
    view = view_of(groups=(group(needs=plain),), agents=(agent("a"),), ready=(task(),), queues=(paused,))
    _, placed = rehearse(view, group(needs=plain), task(time=NOW), policy=PLAIN, count=1, now=NOW)
    assert placed == []


def test_if_all_are_placed_nothing_keeps_them() -> None:
    view = view_of(agents=(agent("a", slots=2),))
    explanation, placed = rehearse(view, group(needs=Requirements()), task(), policy=PLAIN, count=2, now=NOW)
    assert [each.leases for each in placed] == [1, 2]
    assert (explanation.reason, explanation.message) == (Wait.NONE, "all 2 would be placed now")


def test_a_group_that_nobody_knows_is_explained_without_placing_anything() -> None:
    explanation, placed = rehearse(view_of(agents=(agent("a"),)), group(), task(), policy=PLAIN, count=0, now=NOW)
    assert placed == []
    assert (explanation.reason, explanation.never, explanation.agents) == (Wait.NO_AGENT, True, 1)


# What is told of groups.


def told(view: ScheduleView) -> list[tuple[int, Wait]]:
    plan(view, NOW)
    return [(news.group_id, news.wait) for news in report(view, NOW, needs_max=10)]


def test_a_group_that_is_told_of_stays_so_while_others_of_it_get_slots_now_and_then() -> None:
    plain = Requirements()
    ready = tuple(task(f"t{n}", time=n) for n in range(4))
    view = view_of(groups=(group(needs=plain),), agents=(agent("a", leases=1),), ready=ready)
    assert told(view) == [(1, Wait.SLOTS)]
    view.apply(ScheduleChanges(agents=(agent("a"),)), NOW)
    assert told(view) == []
    view.apply(ScheduleChanges(agents=(agent("b", slots=9),)), NOW)
    assert told(view) == [(1, Wait.NONE)]


def test_a_group_of_which_nothing_is_in_the_window_is_told_of() -> None:
    view = view_of(groups=(msgspec.structs.replace(group(), unsent=1),))
    assert told(view) == [(1, Wait.NO_AGENT)]
