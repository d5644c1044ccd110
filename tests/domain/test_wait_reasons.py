"""What tasks wait for, as it is told of groups and explained of one task: each part of a policy in turn."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from services.domain.explain import Explanation, explain
from services.domain.placement import plan
from services.domain.policy import Affinity, AffinityWait, Lane, Limits, QueuePolicy, ReservedPool, Strategy
from services.domain.rehearsal import Simulated, rehearse
from services.domain.requirements import AgentProfile, FilterReason, Requirements
from services.domain.requirements import WaitReason as Wait
from services.domain.schedule import (
    LeaseLoad,
    QueueRule,
    ReadyTask,
    SchedulableAgent,
    ScheduleChanges,
    TaskGroup,
    Unplaceable,
    UnplaceableReason,
)
from services.domain.schedule_view import ScheduleView
from services.domain.task import Avoided
from services.domain.unplaceable import report

SECOND = 1_000_000
NOW = 1_000_000 * SECOND
LANES = (
    Lane("high", priority_min=10, reserved=ReservedPool(agents_max=1)),
    Lane("low", priority_min=0, max_wait_micros=60 * SECOND),
)
WARM = QueuePolicy(affinity=Affinity(AffinityWait.BOUNDED, wait_micros=10 * SECOND))


def agent(agent_id: str, slots: int = 1, **fields: object) -> SchedulableAgent:
    profile = AgentProfile(kinds=frozenset({"build"}))
    made = SchedulableAgent(f"default/{agent_id}", "default", agent_id, 1, True, profile, slots)
    return msgspec.structs.replace(made, **fields)


def leased(leases: int, *, key: str = "", priority: int = 0) -> dict[str, object]:
    """An agent's leases of the queue."""
    return {"leases": leases, "loads": (LeaseLoad("q", priority, key, leases),)}


def group(group_id: int = 1, *, key: str = "", priority: int = 0, kind: str = "build", unsent: int = 0) -> TaskGroup:
    return TaskGroup(group_id, "default", "q", priority, kind, Requirements(), kind, unsent, key)


def task(task_id: str = "t", *, of: int = 1, avoid: tuple[Avoided, ...] = (), key: str = "") -> ReadyTask:
    return ReadyTask(of, task_id, NOW, avoid, key)


class Scene:
    """One queue with a policy, agents and tasks, planned once."""

    def __init__(self, policy: QueuePolicy, *agents: SchedulableAgent) -> None:
        self.view = ScheduleView()
        self.tell(queues=(QueueRule("default", "q", False, 1, policy),), agents=agents)

    def tell(self, **changes: Any) -> None:
        self.view.apply(ScheduleChanges(**changes), NOW)

    def wait(self, *tasks: ReadyTask, groups: tuple[TaskGroup, ...] = (group(),)) -> None:
        self.tell(groups=groups, ready=tasks)
        plan(self.view, NOW)

    def told(self, now: int = NOW) -> dict[int, Unplaceable]:
        plan(self.view, now)
        return {news.group_id: news for news in report(self.view, now, needs_max=10)}

    def waits(self) -> dict[int, Wait]:
        return {group_id: news.wait for group_id, news in self.told().items()}

    def explained(self, asked: ReadyTask, now: int = NOW) -> Explanation:
        return explain(self.view, self.view.backlog.groups[asked.group_id], asked, now=now)


# What the queue lets through.


def test_a_queue_at_its_limit() -> None:
    scene = Scene(QueuePolicy(limits=Limits(leases_max=2)), agent("a", 8, **leased(2)))
    scene.wait(task())
    assert scene.told() == {1: Unplaceable(1, (), never=False, wait=Wait.QUEUE_LIMIT)}
    assert (found := scene.explained(task())).reason is Wait.QUEUE_LIMIT
    assert (found.free, found.eligible, found.filtered) == (0, 1, ())
    scene.tell(agents=(agent("a", 8, **leased(1)),))
    assert scene.waits() == {1: Wait.NONE}


def test_a_queue_at_its_rate() -> None:
    scene = Scene(QueuePolicy(limits=Limits(leases_per_second=1.0)), agent("a", 8))
    scene.wait(task("t1"))
    scene.told()
    scene.wait(task("t2"))
    assert scene.waits() == {1: Wait.RATE_LIMIT}
    assert scene.explained(task("t2")).reason is Wait.RATE_LIMIT
    assert scene.told(NOW + 2 * SECOND)[1].wait is Wait.NONE


def test_only_the_key_that_is_at_its_limit_waits_for_that() -> None:
    scene = Scene(QueuePolicy(limits=Limits(leases_per_key_max=1)), agent("a", 2, **leased(1, key="x")))
    groups = (group(1, key="x"), group(2, key="y"))
    scene.wait(task("t1"), task("t2", of=2), task("t3", of=2), groups=groups)
    assert scene.waits() == {1: Wait.KEY_LIMIT}
    assert scene.waits() == {2: Wait.KEY_LIMIT}  # a task of it was placed the time before
    assert scene.explained(task("t1")).reason is Wait.KEY_LIMIT


def test_that_nobody_can_run_it_is_told_before_a_limit_and_a_pause_before_both() -> None:
    scene = Scene(QueuePolicy(limits=Limits(leases_max=1)), agent("a", 8, **leased(1)))
    scene.wait(task(), groups=(group(kind="other"),))
    assert (told := scene.told()[1]).wait is Wait.NO_AGENT
    assert told.never
    assert (found := scene.explained(task())).reason is Wait.NO_AGENT
    assert found.never
    scene.tell(queues=(QueueRule("default", "q", True, 2, QueuePolicy(limits=Limits(leases_max=1))),))
    assert scene.waits() == {1: Wait.QUEUE_PAUSED}


# What is kept for others.


def test_free_slots_that_are_kept_for_a_higher_lane() -> None:
    scene = Scene(QueuePolicy(lanes=LANES), agent("a"), agent("b", leases=1))
    scene.wait(task())
    reasons = (
        UnplaceableReason(FilterReason.SLOTS_FULL, "", 1),
        UnplaceableReason(FilterReason.RESERVED, "", 1),
    )
    assert scene.told() == {1: Unplaceable(1, reasons, never=False, wait=Wait.RESERVED)}
    found = scene.explained(task())
    assert (found.reason, found.lane, found.promote_time) == (Wait.RESERVED, "low", NOW + 60 * SECOND)
    assert found.near_misses[0].lacks == (UnplaceableReason(FilterReason.RESERVED),)


# What suits a task.


def test_a_task_that_waits_for_its_warm_agent_although_another_is_free() -> None:
    scene = Scene(WARM, agent("warm", leases=1, warm_keys={"k": NOW}), agent("cold"))
    asked = task(key="k")
    scene.wait(asked)
    reasons = (
        UnplaceableReason(FilterReason.SLOTS_FULL, "", 1),
        UnplaceableReason(FilterReason.NOT_WARM, "", 1),
    )
    assert scene.told() == {1: Unplaceable(1, reasons, never=False, wait=Wait.AFFINITY)}
    found = scene.explained(asked)
    assert (found.reason, found.free, found.filtered) == (Wait.AFFINITY, 0, reasons)
    assert found.near_misses[0].lacks == (UnplaceableReason(FilterReason.NOT_WARM),)
    scene.tell(agents=(agent("cold", leases=1),))
    assert scene.waits() == {1: Wait.AFFINITY}  # the same as before, though nobody is free now
    assert scene.explained(asked).reason is Wait.AFFINITY


def test_a_task_does_not_wait_for_its_warm_agent_longer_than_the_policy_says() -> None:
    scene = Scene(WARM, agent("warm", leases=1, warm_keys={"k": NOW}), agent("cold"))
    scene.wait(task(key="k"))
    assert scene.waits() == {1: Wait.AFFINITY}
    assert scene.explained(task(key="k"), NOW + 10 * SECOND).free == 1
    assert scene.told(NOW + 10 * SECOND)[1].wait is Wait.NONE


def test_of_two_groups_with_the_same_needs_only_the_one_with_tasks_aside_is_told_of() -> None:
    scene = Scene(WARM, agent("warm", leases=1, warm_keys={"k": NOW}), agent("cold", 2))
    scene.wait(task("t1", key="k"), task("t2", of=2), groups=(group(1), group(2)))
    assert scene.waits() == {1: Wait.AFFINITY}


def test_a_task_that_avoids_every_agent_that_is_free() -> None:
    scene = Scene(QueuePolicy(), agent("a"), agent("b", leases=1))
    asked = task(avoid=(Avoided("a", NOW + SECOND),))
    scene.wait(asked)
    assert scene.waits() == {1: Wait.AVOIDED}
    found = scene.explained(asked)
    assert (found.reason, found.free) == (Wait.AVOIDED, 0)
    assert UnplaceableReason(FilterReason.AVOIDED, "", 1) in found.filtered


@pytest.mark.parametrize("others", [False, True])
def test_an_agent_that_failed_a_task_is_avoided_only_while_another_could_run_it(others: bool) -> None:
    agents = (agent("a"), *([agent("b", leases=1)] if others else []))
    scene = Scene(QueuePolicy(), *agents)
    scene.tell(groups=(group(),))
    asked = task(avoid=(Avoided("a", NOW + SECOND, if_others=True),))
    found = scene.explained(asked)
    assert (found.reason, found.free) == ((Wait.AVOIDED, 0) if others else (Wait.NONE, 1))


# Where agents' own queues are filled.


def test_early_binding_waits_only_once_the_agents_own_queues_are_full() -> None:
    scene = Scene(QueuePolicy(strategy=Strategy.SHORTEST_QUEUE), agent("a", leases=2, queue_limit=1))
    scene.wait(task())
    assert scene.told() == {
        1: Unplaceable(1, (UnplaceableReason(FilterReason.SLOTS_FULL, "", 1),), never=False, wait=Wait.SLOTS)
    }
    scene.tell(agents=(agent("a", leases=1, queue_limit=1),))
    assert scene.explained(task("another")).free == 1
    assert scene.waits() == {1: Wait.NONE}


# What is tried out.


def tried(
    scene: Scene, policy: QueuePolicy, *, count: int, of: TaskGroup | None = None, key: str = ""
) -> tuple[Wait, list[Simulated]]:
    explanation, placed = rehearse(
        scene.view, of or group(9), task("new", of=9, key=key), policy=policy, count=count, now=NOW
    )
    return explanation.reason, placed


def test_trying_out_counts_what_is_leased_and_reserved() -> None:
    policy = QueuePolicy(limits=Limits(leases_max=4))
    scene = Scene(policy, agent("a", 8, **leased(2)))
    scene.wait(task())  # placed: its result has not come
    assert tried(scene, policy, count=2) == (Wait.QUEUE_LIMIT, [Simulated("a", 4)])


def test_trying_out_knows_fairness_keys() -> None:
    policy = QueuePolicy(limits=Limits(leases_per_key_max=2))
    scene = Scene(policy, agent("a", 8, **leased(1, key="x")))
    scene.wait(task(), groups=(group(key="x"),))
    assert tried(scene, policy, count=1, of=group(9, key="x")) == (Wait.KEY_LIMIT, [])
    assert tried(scene, policy, count=1, of=group(9, key="y")) == (Wait.NONE, [Simulated("a", 3)])


def test_trying_out_knows_warm_agents_also_those_of_a_moment_ago() -> None:
    policy = QueuePolicy(affinity=Affinity(AffinityWait.ALWAYS))
    scene = Scene(policy, agent("a"), agent("b", 2, warm_keys={"k": NOW}))
    assert tried(scene, policy, count=3, key="k") == (Wait.AFFINITY, [Simulated("b", 1), Simulated("b", 2)])
    scene.wait(task(key="new"))
    (placed,) = scene.view.outstanding.values()
    assert tried(scene, policy, count=1, key="new")[1] == (
        [Simulated("b", 2)] if placed.record.agent.agent_id == "b" else []
    )


def test_trying_out_fills_agents_own_queues_where_the_policy_does() -> None:
    scene = Scene(QueuePolicy(), agent("a", queue_limit=2))
    early = QueuePolicy(strategy=Strategy.SHORTEST_QUEUE)
    assert tried(scene, early, count=4) == (Wait.SLOTS, [Simulated("a", n) for n in (1, 2, 3)])
    assert tried(scene, QueuePolicy(), count=4) == (Wait.SLOTS, [Simulated("a", 1)])


def test_trying_out_leaves_what_another_queue_keeps() -> None:
    scene = Scene(QueuePolicy(), agent("a"))
    scene.tell(queues=(QueueRule("default", "other", False, 1, QueuePolicy(lanes=LANES)),))
    assert tried(scene, QueuePolicy(), count=1) == (Wait.RESERVED, [])


def test_trying_out_has_no_more_tokens_than_the_queue() -> None:
    policy = QueuePolicy(limits=Limits(leases_per_second=1.0, burst=2))
    scene = Scene(policy, agent("a", 8))
    scene.wait(task())
    assert tried(scene, policy, count=2) == (Wait.RATE_LIMIT, [Simulated("a", 2)])
