"""The view where several things come together: in one message, in one plan, or again and again."""

from __future__ import annotations

from typing import Any

from services.domain.commands import PlacementOutcome
from services.domain.placement import plan
from services.domain.policy import Affinity, AffinityWait, Lane, Limits, QueuePolicy, ReservedPool
from services.domain.requirements import AgentProfile, Requirements, needs_id
from services.domain.schedule import (
    LeaseLoad,
    PlacementResult,
    QueueRule,
    ReadyTask,
    SchedulableAgent,
    ScheduleChanges,
    TaskGroup,
    group_id_of,
)
from services.domain.schedule_view import TIMERS_SWEPT_MIN, ScheduleView

SECOND = 1_000_000
URGENT, BULK = Lane("urgent", 10), Lane("bulk", -100)
PATIENT = Lane("bulk", -100, max_wait_micros=60 * SECOND)
ANY = Requirements()
GPU = Requirements(capabilities=("gpu",))


def rule(policy: QueuePolicy, *, queue: str = "q", version: int = 1) -> QueueRule:
    return QueueRule("n", queue, False, version, policy)


def group(
    number: int, *, queue: str = "q", priority: int = 0, key: str = "", requirements: Requirements = ANY
) -> TaskGroup:
    name = needs_id("k", requirements)
    return TaskGroup(group_id_of(1, number), "n", queue, priority, "k", requirements, name, 0, key)


def ready(number: int, task_id: str, time: int = 1, *, affinity_key: str = "") -> ReadyTask:
    return ReadyTask(group_id_of(1, number), task_id, time, (), affinity_key)


def agent(agent_id: str = "a", *, slots: int = 1, load: LeaseLoad | None = None, **fields: Any) -> SchedulableAgent:
    profile = AgentProfile(kinds=frozenset({"k"}))
    loads = () if load is None else (load,)
    leases = sum(each.leases for each in loads)
    return SchedulableAgent(f"n/{agent_id}", "n", agent_id, 1, True, profile, slots, leases, loads=loads, **fields)


def tell(view: ScheduleView, now: int = 0, *, source: int = 1, **changes: Any) -> None:
    view.apply(ScheduleChanges(source=source, **changes), now)


def place(view: ScheduleView, now: int) -> list[str]:
    return [placement.task_id for placement in plan(view, now)]


def place_one(view: ScheduleView, now: int, outcome: PlacementOutcome) -> PlacementResult:
    """The next placement, and what becomes of it."""
    (placement,) = plan(view, now)
    return PlacementResult(placement.number, outcome)


def test_what_is_kept_while_a_pool_s_own_task_waits_is_lent_when_none_waits_any_more() -> None:
    view = ScheduleView()
    pool = ReservedPool(give_back_micros=5 * SECOND)
    lanes = (Lane("urgent", 10, reserved=pool), BULK)
    short = Requirements(run_limit_millis=1_000)
    tell(view, queues=(rule(QueuePolicy(lanes=lanes), queue="p"),), agents=(agent(slots=4),))
    tell(view, groups=(group(1, queue="p", priority=10), group(2, queue="other", priority=20, requirements=short)))
    assert place(view, 0) == []
    tell(view, ready=(ready(2, "borrows", 1), ready(1, "own", 2)))
    assert place(view, 1) == ["own", "borrows"]


def test_a_key_stays_at_its_limit_if_one_message_tells_of_a_grant_and_of_its_next_task() -> None:
    view = ScheduleView()
    policy = QueuePolicy(lanes=(URGENT, PATIENT), limits=Limits(leases_per_key_max=1))
    tell(view, queues=(rule(policy),), groups=(group(1, key="k"), group(2, priority=10, key="z")))
    tell(view, agents=(agent(slots=4),), ready=(ready(1, "k1"),))
    granted = place_one(view, 0, PlacementOutcome.GRANTED)
    loaded = agent(slots=4, load=LeaseLoad("q", 0, "k", 1))
    tell(view, results=(granted,), ready=(ready(1, "k2"),), agents=(loaded,))
    tell(view, ready=(ready(2, "z1", 199 * SECOND),))
    assert place(view, 200 * SECOND) == ["z1"], "k2 has waited too long, and may not run all the same"


def test_a_task_whose_key_was_at_its_limit_when_it_came_is_promoted_like_any_other() -> None:
    view = ScheduleView()
    policy = QueuePolicy(lanes=(URGENT, PATIENT), limits=Limits(leases_per_key_max=1))
    tell(view, queues=(rule(policy),), agents=(agent(load=LeaseLoad("q", 10, "k", 1)),))
    tell(view, groups=(group(1, key="k"), group(2, priority=10, key="z")))
    tell(view, ready=(ready(1, "bulk", 1), ready(2, "urgent", 2)))
    tell(view, agents=(agent(),))
    assert place(view, 120 * SECOND) == ["bulk"]


def test_a_policy_may_change_while_a_placement_of_a_forgotten_group_has_no_result() -> None:
    view = ScheduleView()
    lanes = (URGENT, BULK)
    tell(view, queues=(rule(QueuePolicy(lanes=lanes, fairness={})),), groups=(group(1, key="k"),))
    tell(view, source=2, agents=(agent(),))
    tell(view, ready=(ready(1, "t"),))
    gone = place_one(view, 0, PlacementOutcome.TASK_GONE)
    view.remove_source(1)
    tell(view, source=2, queues=(rule(QueuePolicy(fairness={}), version=2),))
    tell(view, source=2, results=(gone,))
    gate = view.backlog.gates["n", "q"]
    assert (gate.usage, gate.key_usage) == (0, {})


def test_a_rate_may_be_as_small_as_a_number_can_be() -> None:
    view = ScheduleView()
    policy = QueuePolicy(limits=Limits(leases_per_second=5e-324))
    tell(view, queues=(rule(policy),), groups=(group(1),), agents=(agent(slots=2),))
    tell(view, ready=(ready(1, "t"), ready(1, "waits")))
    assert place(view, 0) == ["t"]


def test_a_placement_that_came_to_nothing_gives_its_turn_back() -> None:
    view = ScheduleView()
    policy = QueuePolicy(limits=Limits(leases_per_second=0.001))
    tell(view, queues=(rule(policy),), groups=(group(1),), agents=(agent(),), ready=(ready(1, "t"),))
    tell(view, results=(place_one(view, 0, PlacementOutcome.NOT_VISIBLE),))
    assert place(view, SECOND) == ["t"]
    assert place(view, 2 * SECOND) == []


def test_tasks_that_are_woken_and_wait_again_leave_no_timers_behind() -> None:
    view = ScheduleView()
    keys = {f"k{number}": 0 for number in range(64)}
    policy = QueuePolicy(affinity=Affinity(AffinityWait.BOUNDED, 3_600 * SECOND))
    tasks = tuple(ready(1, f"t{number}", number, affinity_key=f"k{number % 64}") for number in range(1, 1_001))
    busy = agent("warm", load=LeaseLoad("q", 0, "", 1), warm_keys=keys)
    tell(view, queues=(rule(policy),), groups=(group(1),), agents=(busy, agent("cold")), ready=tasks)
    for now in range(1, 201):
        plan(view, now)
        tell(view, now, agents=(agent("warm", warm_keys=keys),))
        granted = place_one(view, now, PlacementOutcome.GRANTED)
        tell(view, now, results=(granted,), agents=(busy,))
    assert len(view._timers) <= TIMERS_SWEPT_MIN


def test_fairness_keys_that_come_and_go_while_nobody_can_run_them_leave_nothing_behind() -> None:
    view = ScheduleView()
    tell(view, queues=(rule(QueuePolicy(fairness={})),), agents=(agent(slots=1_000),))
    tell(view, groups=(group(1, key="stays", requirements=GPU), group(2, key="runs")), ready=(ready(1, "stays"),))
    plan(view, 0)
    (needs,) = [needs for needs in view.backlog.needs.values() if needs.requirements == GPU]
    for number in range(10, 110):
        tell(view, groups=(group(number, key=f"k{number}", requirements=GPU),))
        tell(view, ready=(ready(number, f"gpu{number}"), ready(2, f"cpu{number}", 2)))
        plan(view, 0)
        tell(view, removed_task_ids=(f"gpu{number}",), removed_groups=(group_id_of(1, number),))
    assert len(needs.hidden) <= 1
