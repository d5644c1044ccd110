"""What plan does in the cases that have a name."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from services.domain.commands import PlacementOutcome
from services.domain.placement import plan
from services.domain.requirements import AgentProfile, FilterReason, Requirements, WaitReason
from services.domain.schedule import (
    PlacementResult,
    QueueRule,
    ReadyTask,
    SchedulableAgent,
    ScheduleChanges,
    TaskGroup,
    Unplaceable,
    UnplaceableReason,
)
from services.domain.schedule_view import EARLY_RETRY_MICROS, REFUSAL_PAUSE_MICROS, ScheduleView
from services.domain.task import Avoided
from services.domain.unplaceable import COUNTS_REPORT_MICROS, report

NOW = 1_000_000_000


def agent(
    agent_id: str, *, slots: int = 1, resources: dict[str, float] | None = None, **fields: object
) -> SchedulableAgent:
    profile = AgentProfile(kinds=frozenset({"build"}), resources=resources or {})
    made = SchedulableAgent(f"default/{agent_id}", "default", agent_id, 1, True, profile, slots)
    return msgspec.structs.replace(made, **fields)


def group(group_id: int, *, queue: str = "q", priority: int = 0, requirements: Requirements | None = None) -> TaskGroup:
    needs = requirements or Requirements()
    return TaskGroup(
        group_id, "default", queue, priority, "build", needs, f"needs of {sorted(needs.capabilities)} {needs.resources}"
    )


def view_of(*changes: ScheduleChanges) -> ScheduleView:
    view = ScheduleView()
    for change in changes:
        view.apply(change, NOW)
    return view


def task(task_id: str, *, group_id: int = 1, queued_time: int = 1, avoid: tuple[Avoided, ...] = ()) -> ReadyTask:
    return ReadyTask(group_id, task_id, queued_time, avoid)


def planned(view: ScheduleView, now: int = NOW) -> list[tuple[str, str]]:
    return [(placement.task_id, placement.agent_id) for placement in plan(view, now)]


def answer(view: ScheduleView, number: int, outcome: PlacementOutcome, **changes: Any) -> None:
    view.apply(ScheduleChanges(results=(PlacementResult(number, outcome),), **changes), NOW)


def test_the_least_loaded_agent_relative_to_its_slots_goes_first() -> None:
    small, large = agent("small", slots=2, leases=1), agent("large", slots=8, leases=2)
    view = view_of(ScheduleChanges(groups=(group(1),), agents=(small, large), ready=(task("t"),)))
    assert planned(view) == [("t", "large")]


def test_equally_loaded_agents_take_turns() -> None:
    agents = tuple(agent(f"a{i}", slots=9) for i in range(3))
    view = view_of(ScheduleChanges(groups=(group(1),), agents=agents))
    seen = []
    for number in range(1, 7):
        view.apply(ScheduleChanges(ready=(task(f"t{number}", queued_time=number),)), NOW)
        seen += [agent_id for _, agent_id in planned(view)]
        answer(view, number, PlacementOutcome.TASK_GONE)
    assert len(set(seen[:3])) == 3
    assert seen[3:] == seen[:3]


def test_an_agents_own_queue_is_never_filled() -> None:
    view = view_of(ScheduleChanges(groups=(group(1),), agents=(agent("a", slots=2),)))
    view.apply(ScheduleChanges(ready=tuple(task(f"t{i}", queued_time=i) for i in range(5))), NOW)
    assert len(planned(view)) == 2


def test_higher_priority_goes_first_over_all_queues_and_then_the_oldest_head() -> None:
    groups = (group(1, queue="a"), group(2, queue="b", priority=1), group(3, queue="c"))
    ready = (
        task("young", group_id=1, queued_time=9),
        task("high", group_id=2, queued_time=99),
        task("old", group_id=3),
    )
    view = view_of(ScheduleChanges(groups=groups, agents=(agent("a", slots=3),), ready=ready))
    assert [task_id for task_id, _ in planned(view)] == ["high", "old", "young"]


def test_a_group_that_nobody_can_run_does_not_block_the_next() -> None:
    groups = (group(1, priority=9, requirements=Requirements(capabilities=("gpu",))), group(2))
    ready = (task("never", group_id=1), task("runs", group_id=2))
    view = view_of(ScheduleChanges(groups=groups, agents=(agent("a"),), ready=ready))
    assert planned(view) == [("runs", "a")]


def test_parked_needs_cost_nothing_until_an_agent_that_may_run_them_changes() -> None:
    groups = tuple(group(i, requirements=Requirements(capabilities=(f"c{i}",))) for i in range(50))
    ready = tuple(task(f"t{i}", group_id=i) for i in range(50))
    view = view_of(ScheduleChanges(groups=groups, agents=(agent("a"),), ready=ready))
    assert planned(view) == []
    assert len(view.backlog.line) == 0
    view.apply(ScheduleChanges(agents=(agent("a", slots=5),)), NOW)
    assert len(view.backlog.line) == 0


def test_a_paused_queue_is_skipped_until_it_resumes() -> None:
    view = view_of(ScheduleChanges(queues=(QueueRule("default", "q", True),), groups=(group(1),), agents=(agent("a"),)))
    view.apply(ScheduleChanges(ready=(task("t"),)), NOW)
    assert planned(view) == []
    view.apply(ScheduleChanges(queues=(QueueRule("default", "q", False),)), NOW)
    assert planned(view) == [("t", "a")]


def test_an_avoided_agent_is_left_out_even_if_it_is_the_only_one_and_blocks_nobody() -> None:
    ready = (task("shy", avoid=(Avoided("a", NOW + 5_000),)), task("bold", queued_time=2))
    view = view_of(ScheduleChanges(groups=(group(1),), agents=(agent("a", slots=2),), ready=ready))
    assert planned(view) == [("bold", "a")]
    assert view.next_time() == NOW + 5_000
    assert planned(view, NOW + 4_999) == []
    assert planned(view, NOW + 5_000) == [("shy", "a")]


def test_a_task_aside_goes_to_another_agent_as_soon_as_there_is_one() -> None:
    shy = task("shy", avoid=(Avoided("a", NOW + 5_000),))
    view = view_of(ScheduleChanges(groups=(group(1),), agents=(agent("a"),), ready=(shy,)))
    assert planned(view) == []
    view.apply(ScheduleChanges(agents=(agent("b"),)), NOW)
    assert planned(view) == [("shy", "b")]


def test_resources_are_held_from_the_placement_to_its_result() -> None:
    needs = Requirements(resources={"gpu": 1.0})
    one_gpu = agent("a", slots=4, resources={"gpu": 1.0})
    view = view_of(ScheduleChanges(groups=(group(1, requirements=needs),), agents=(one_gpu,)))
    view.apply(ScheduleChanges(ready=(task("t1"), task("t2", queued_time=2))), NOW)
    assert planned(view) == [("t1", "a")]
    held = msgspec.structs.replace(one_gpu, leases=1, resources_used={"gpu": 1.0})
    answer(view, 1, PlacementOutcome.GRANTED, agents=(held,))
    assert planned(view) == []
    view.apply(ScheduleChanges(agents=(one_gpu,)), NOW)
    assert planned(view) == [("t2", "a")]


def test_a_task_that_was_put_back_keeps_its_place_in_the_order() -> None:
    view = view_of(ScheduleChanges(groups=(group(1),), agents=(agent("a"),)))
    view.apply(ScheduleChanges(ready=(task("t1"), task("t2", queued_time=2))), NOW)
    assert planned(view) == [("t1", "a")]
    answer(view, 1, PlacementOutcome.AGENT_FULL, agents=(agent("a", leases=1),))
    view.apply(ScheduleChanges(agents=(agent("a"),)), NOW)
    assert planned(view) == [("t1", "a")]


@pytest.mark.parametrize("outcome", [PlacementOutcome.GRANTED, PlacementOutcome.TASK_GONE])
def test_a_task_that_was_granted_and_came_back_before_the_result_was_said_is_placed_again(
    outcome: PlacementOutcome,
) -> None:
    """Grant and return may be one commit: the coordinator's word that it is ready can be ahead of the result."""
    view = view_of(ScheduleChanges(groups=(group(1),), agents=(agent("a"),), ready=(task("t"),)))
    (placement,) = plan(view, NOW)
    view.apply(ScheduleChanges(ready=(task("t"),)), NOW)
    assert planned(view) == [], "its result is waited for"
    answer(view, placement.number, outcome)
    assert planned(view) == [("t", "a")]


def test_a_task_that_is_not_visible_yet_is_tried_again_with_growing_waits() -> None:
    view = view_of(ScheduleChanges(groups=(group(1),), agents=(agent("a"),), ready=(task("t"),)))
    assert planned(view) == [("t", "a")]
    answer(view, 1, PlacementOutcome.NOT_VISIBLE)
    assert planned(view) == []
    assert planned(view, NOW + EARLY_RETRY_MICROS) == [("t", "a")]
    answer(view, 2, PlacementOutcome.NOT_VISIBLE)
    assert view.next_time() == NOW + 2 * EARLY_RETRY_MICROS


@pytest.mark.parametrize("outcome", [PlacementOutcome.AGENT_FULL, PlacementOutcome.AGENT_NOT_ACCEPTING])
def test_an_agent_that_was_refused_is_left_alone_until_it_changes_or_for_a_while(outcome: PlacementOutcome) -> None:
    view = view_of(ScheduleChanges(groups=(group(1),), agents=(agent("a", slots=2),), ready=(task("t"),)))
    assert planned(view) == [("t", "a")]
    answer(view, 1, outcome, agents=(agent("a", slots=2),))
    assert planned(view) == []
    assert planned(view, NOW + REFUSAL_PAUSE_MICROS) == [("t", "a")]


def test_an_ineligible_agent_is_not_proposed_again_at_once_but_another_is() -> None:
    view = view_of(ScheduleChanges(groups=(group(1),), agents=(agent("a"),), ready=(task("t"),)))
    assert planned(view) == [("t", "a")]
    answer(view, 1, PlacementOutcome.INELIGIBLE)
    assert planned(view) == []
    view.apply(ScheduleChanges(agents=(agent("b"),)), NOW)
    assert planned(view) == [("t", "b")]


def test_a_new_session_voids_the_reservations_of_the_old_one() -> None:
    view = view_of(ScheduleChanges(groups=(group(1),), agents=(agent("a"),)))
    view.apply(ScheduleChanges(ready=(task("t1"), task("t2", queued_time=2))), NOW)
    assert planned(view) == [("t1", "a")]
    view.apply(ScheduleChanges(agents=(agent("a", session=2),)), NOW)
    assert planned(view) == [("t2", "a")]
    answer(view, 1, PlacementOutcome.AGENT_GONE)
    assert planned(view) == []
    assert view.capacity.by_key["default/a"].reserved == 1


def test_a_group_that_was_taken_back_leaves_nothing_behind() -> None:
    view = view_of(ScheduleChanges(groups=(group(1),), agents=(agent("a"),), ready=(task("t"),)))
    view.apply(ScheduleChanges(removed_groups=(1,)), NOW)
    assert planned(view) == [("t", "a")]
    answer(view, 1, PlacementOutcome.GRANTED)
    assert not view.backlog.groups
    assert not view.backlog.needs
    assert view.capacity.by_key["default/a"].needs_bits == 0


def test_a_cancelled_task_leaves_its_place_in_the_order_to_the_next() -> None:
    groups = (group(1), group(2, priority=1))
    ready = (task("t1"), task("t2", queued_time=3), task("high", group_id=2, queued_time=2))
    view = view_of(ScheduleChanges(groups=groups, ready=ready))
    assert planned(view) == []
    view.apply(ScheduleChanges(removed_task_ids=("t1", "high")), NOW)
    view.apply(ScheduleChanges(agents=(agent("a", slots=2),)), NOW)
    assert planned(view) == [("t2", "a")]


def told(view: ScheduleView, now: int = NOW) -> list[Unplaceable]:
    plan(view, now)
    return report(view, now, needs_max=10)


def test_the_reasons_name_what_is_missing_and_count_agents() -> None:
    needs = Requirements(capabilities=("gpu",))
    view = view_of(
        ScheduleChanges(groups=(group(1, requirements=needs),), agents=(agent("a"), agent("b")), ready=(task("t"),))
    )
    assert told(view) == [
        Unplaceable(1, (UnplaceableReason(FilterReason.CAPABILITY, "gpu", 2),), never=True, wait=WaitReason.NO_AGENT)
    ]
    assert told(view) == []


def test_a_group_that_waits_for_room_is_not_lost_for_ever() -> None:
    closed, full = agent("a", accepting=False), agent("b", leases=1)
    view = view_of(ScheduleChanges(groups=(group(1),), agents=(closed, full), ready=(task("t"),)))
    reasons = (
        UnplaceableReason(FilterReason.NOT_ACCEPTING, "", 1),
        UnplaceableReason(FilterReason.SLOTS_FULL, "", 1),
    )
    assert told(view) == [Unplaceable(1, reasons, never=False, wait=WaitReason.SLOTS)]
    view.apply(ScheduleChanges(agents=(agent("b"),)), NOW)
    assert told(view) == [Unplaceable(1)]


def test_other_counts_alone_are_told_only_now_and_then() -> None:
    view = view_of(ScheduleChanges(groups=(group(1),), agents=(agent("a", leases=1),), ready=(task("t"),)))
    assert len(told(view)) == 1
    view.apply(ScheduleChanges(agents=(agent("b", leases=1),)), NOW)
    assert told(view) == []
    assert told(view, NOW + COUNTS_REPORT_MICROS)[0].reasons[0].agents == 2


def test_no_agent_and_a_paused_queue_are_reasons_of_their_own() -> None:
    view = view_of(ScheduleChanges(groups=(group(1),), ready=(task("t"),)))
    nobody = (UnplaceableReason(FilterReason.NO_AGENT),)
    assert told(view) == [Unplaceable(1, nobody, never=True, wait=WaitReason.NO_AGENT)]
    view.apply(ScheduleChanges(queues=(QueueRule("default", "q", True),)), NOW)
    paused = (UnplaceableReason(FilterReason.QUEUE_PAUSED),)
    assert told(view) == [Unplaceable(1, paused, never=False, wait=WaitReason.QUEUE_PAUSED)]
