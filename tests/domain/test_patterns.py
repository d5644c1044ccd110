"""The routing patterns in the cases that have a name. The rules that hold in all cases are in test_policy_rules.py."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from services.domain.commands import PlacementOutcome
from services.domain.placement import plan
from services.domain.policy import Affinity, AffinityWait, Lane, Limits, QueuePolicy, ReservedPool, Strategy
from services.domain.rebalance import rebalance
from services.domain.requirements import (
    AgentProfile,
    LabelSelector,
    Preference,
    Requirements,
    SelectorOperator,
    WaitReason,
)
from services.domain.schedule import (
    LeaseLoad,
    PlacementResult,
    QueueRule,
    ReadyTask,
    SchedulableAgent,
    ScheduleChanges,
    TaskGroup,
)
from services.domain.schedule_view import ScheduleView
from services.domain.task import Avoided

SECOND = 1_000_000
NOW = 1_000_000 * SECOND
FAST = LabelSelector("disk", SelectorOperator.IN, ("nvme",))


class Fleet:
    """A view with one queue, and a coordinator that grants whatever is placed."""

    def __init__(self, policy: QueuePolicy, **agents: int) -> None:
        self.view = ScheduleView()
        self.now = NOW
        self.agents: dict[str, SchedulableAgent] = {}
        self.held: dict[str, list[TaskGroup]] = {}
        self.groups: dict[tuple[int, str, int], TaskGroup] = {}
        self.placed: dict[str, str] = {}
        self._made = 0
        self.configure(policy)
        for agent_id, slots in agents.items():
            self.join(agent_id, slots)

    def configure(self, policy: QueuePolicy, *, version: int = 1) -> None:
        self.tell(queues=(QueueRule("default", "q", False, version, policy),))

    def join(self, agent_id: str, slots: int = 1, *, queue_limit: int = 0, last: int = 0, **labels: str) -> None:
        profile = AgentProfile(kinds=frozenset({"k"}), labels=labels)
        agent = SchedulableAgent(
            f"default/{agent_id}", "default", agent_id, 1, True, profile, slots, queue_limit=queue_limit,
            last_grant_time=last,
        )  # fmt: skip
        self.agents[agent_id] = agent
        self.held[agent_id] = []
        self.tell(agents=(agent,))

    def tell(self, **changes: Any) -> None:
        self.view.apply(ScheduleChanges(**changes), self.now)

    def submit(
        self, *names: str, priority: int = 0, key: str = "", warm: str = "", run_limit: int = 0, **fields: object
    ) -> None:
        name = (priority, key, run_limit)
        if name not in self.groups:
            requirements = Requirements(run_limit_millis=run_limit)
            made = TaskGroup(
                len(self.groups), "default", "q", priority, "k", requirements, f"n{run_limit}", fairness_key=key
            )
            self.groups[name] = made
            self.tell(groups=(made,))
        for task_id in names:
            self._made += 1
            task = ReadyTask(self.groups[name].id, task_id, self.now + self._made, affinity_key=warm)
            self.tell(ready=(msgspec.structs.replace(task, **fields),))

    def plan(self) -> list[tuple[str, str]]:
        """Places what can be placed, and grants it. Who got what, in the order of the decisions."""
        found = []
        while placements := plan(self.view, self.now, placements_max=1):
            (placement,) = placements
            group = self.view.outstanding[placement.number].group.told
            self.held[placement.agent_id].append(group)
            self.placed[placement.task_id] = placement.agent_id
            result = PlacementResult(placement.number, PlacementOutcome.GRANTED)
            self.tell(results=(result,), agents=(self.loaded(placement.agent_id),))
            found.append((placement.task_id, placement.agent_id))
        return found

    def finish(self, task_id: str, *, group: tuple[int, str, int] = (0, "", 0), warm: str = "") -> None:
        agent_id = self.placed.pop(task_id)
        self.held[agent_id].remove(self.groups[group])
        self.tell(agents=(self.loaded(agent_id, warm=warm),))

    def loaded(self, agent_id: str, *, started: int | None = None, warm: str = "") -> SchedulableAgent:
        agent, held = self.agents[agent_id], self.held[agent_id]
        loads = Counter((group.queue, group.priority, group.fairness_key) for group in held)
        self.agents[agent_id] = msgspec.structs.replace(
            agent,
            leases=len(held),
            started=min(len(held), agent.slots) if started is None else started,
            loads=tuple(LeaseLoad(*name, count) for name, count in loads.items()),
            warm_keys={**agent.warm_keys, **({warm: self.now} if warm else {})},
        )
        return self.agents[agent_id]


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


# Strategies.


def test_round_robin_gives_each_agent_the_same_whatever_its_load_and_into_its_own_queue() -> None:
    fleet = Fleet(QueuePolicy(strategy=Strategy.ROUND_ROBIN))
    for agent_id, slots in (("a", 1), ("b", 4), ("c", 2)):
        fleet.join(agent_id, slots, queue_limit=10)
    fleet.submit(*names("t", 12))
    given = [agent_id for _, agent_id in fleet.plan()]
    assert Counter(given) == {"a": 4, "b": 4, "c": 4}
    assert all(len(set(given[start : start + 3])) == 3 for start in range(0, 12, 3))


def test_round_robin_passes_over_a_full_agent_and_comes_back_to_it() -> None:
    fleet = Fleet(QueuePolicy(strategy=Strategy.ROUND_ROBIN), a=1, b=8)
    fleet.submit(*names("t", 5))
    given = dict(fleet.plan())
    assert Counter(given.values()) == {"a": 1, "b": 4}
    fleet.finish(next(task_id for task_id, agent_id in given.items() if agent_id == "a"))
    fleet.submit("u1", "u2")
    assert "a" in dict(fleet.plan()).values()


def test_round_robin_gives_by_weight() -> None:
    fleet = Fleet(QueuePolicy(strategy=Strategy.ROUND_ROBIN, weight_label="weight"))
    for agent_id, weight in (("a", "3"), ("b", "1"), ("c", "nonsense")):
        fleet.join(agent_id, 100, weight=weight)
    fleet.submit(*names("t", 50))
    assert Counter(agent_id for _, agent_id in fleet.plan()) == {"a": 30, "b": 10, "c": 10}


def test_round_robin_goes_on_behind_the_agent_that_was_served_last_after_a_restart() -> None:
    before = Fleet(QueuePolicy(strategy=Strategy.ROUND_ROBIN), a=9, b=9, c=9)
    before.submit("t1", "t2")
    served = [agent_id for _, agent_id in before.plan()]
    after = Fleet(QueuePolicy(strategy=Strategy.ROUND_ROBIN))
    for agent_id in ("a", "b", "c"):
        after.join(agent_id, 9, last=NOW + served.index(agent_id) if agent_id in served else 0)
    after.submit("t3")
    assert {agent_id for _, agent_id in after.plan()} == {"a", "b", "c"} - set(served)


def test_the_shortest_queue_is_that_in_relation_to_the_slots() -> None:
    fleet = Fleet(QueuePolicy(strategy=Strategy.SHORTEST_QUEUE))
    fleet.join("small", 1, queue_limit=20)
    fleet.join("large", 4, queue_limit=20)
    fleet.submit(*names("t", 15))
    assert Counter(agent_id for _, agent_id in fleet.plan()) == {"small": 3, "large": 12}


def test_two_choices_balance_better_than_chance_and_are_the_same_each_time() -> None:
    def given() -> list[str]:
        fleet = Fleet(QueuePolicy(strategy=Strategy.TWO_CHOICES))
        for number in range(50):
            fleet.join(f"a{number}", 1, queue_limit=100)
        fleet.submit(*names("t", 500))
        return [agent_id for _, agent_id in fleet.plan()]

    # Of 500 balls in 50 bins at random the fullest has about 18 (10 + 2.5 standard deviations); of two choices, 12.
    assert max(Counter(given()).values()) <= 13
    assert given() == given()


def test_what_waits_in_an_agent_s_own_queue_is_recalled_for_one_that_comes() -> None:
    fleet = Fleet(QueuePolicy(strategy=Strategy.SHORTEST_QUEUE))
    fleet.join("a", 1, queue_limit=9)
    fleet.join("b", 1, queue_limit=9)
    fleet.submit(*names("t", 8))
    fleet.plan()
    assert rebalance(fleet.view) == []
    fleet.join("c", 2)
    recalls = rebalance(fleet.view)
    assert sorted((recall.agent_id, recall.queue, recall.count) for recall in recalls) == [("a", "q", 1), ("b", "q", 1)]
    assert rebalance(fleet.view) == []


# Affinity and preferences.


def warm_fleet(mode: AffinityWait, *, wait: int = 0, **affinity: Any) -> Fleet:
    """Agent a is warm for the repository and has no free slot; b is free."""
    fleet = Fleet(QueuePolicy(affinity=Affinity(mode, wait, **affinity)), a=1)
    fleet.submit("first", warm="repo")
    assert fleet.plan() == [("first", "a")]
    fleet.tell(agents=(fleet.loaded("a", warm="repo"),))
    fleet.join("b", 2)
    return fleet


def test_a_warm_agent_that_is_free_goes_first() -> None:
    fleet = Fleet(QueuePolicy(), a=4, b=1)
    fleet.tell(agents=(fleet.loaded("b", warm="repo"),))
    fleet.submit("cold1", "cold2", priority=-1)
    fleet.submit("warm", warm="repo")
    assert dict(fleet.plan()) == {"warm": "b", "cold1": "a", "cold2": "a"}


def test_without_a_wait_a_task_goes_anywhere_if_the_warm_agent_is_busy() -> None:
    fleet = warm_fleet(AffinityWait.NEVER)
    fleet.submit("second", warm="repo")
    assert fleet.plan() == [("second", "b")]


def test_a_task_waits_for_the_warm_agent_so_long_and_holds_nobody_up() -> None:
    fleet = warm_fleet(AffinityWait.BOUNDED, wait=10 * SECOND)
    fleet.submit("second", warm="repo")
    fleet.submit("other")
    assert fleet.plan() == [("other", "b")]
    fleet.now += 9 * SECOND
    assert fleet.plan() == []
    fleet.now += 2 * SECOND
    assert fleet.plan() == [("second", "b")]


def test_a_task_that_waits_gets_the_warm_agent_as_soon_as_it_is_free() -> None:
    fleet = warm_fleet(AffinityWait.BOUNDED, wait=10 * SECOND)
    fleet.submit("second", warm="repo")
    assert fleet.plan() == []
    fleet.finish("first", warm="repo")
    assert fleet.plan() == [("second", "a")]


def test_a_task_that_always_waits_goes_elsewhere_once_the_warm_agent_is_gone() -> None:
    fleet = warm_fleet(AffinityWait.ALWAYS)
    fleet.submit("second", warm="repo")
    fleet.now += 3_600 * SECOND - 1  # still warm
    assert fleet.plan() == []
    fleet.tell(removed_agents=("default/a",))
    fleet.now += 30 * SECOND
    assert fleet.plan() == [("second", "b")]


def test_what_is_warm_is_forgotten_in_time() -> None:
    fleet = warm_fleet(AffinityWait.ALWAYS, warm_micros=60 * SECOND)
    fleet.now += 61 * SECOND
    fleet.submit("second", warm="repo")
    assert fleet.plan() == [("second", "b")]


def test_a_machine_type_that_suits_is_waited_for_too() -> None:
    fleet = Fleet(QueuePolicy(affinity=Affinity(AffinityWait.BOUNDED, 5 * SECOND, selectors=(FAST,))))
    fleet.join("slow", 4)
    fleet.join("fast", 1, disk="nvme")
    fleet.submit("t1", "t2")
    assert fleet.plan() == [("t1", "fast")]
    fleet.now += 6 * SECOND
    assert fleet.plan() == [("t2", "slow")]


def test_what_is_required_comes_before_what_is_warm() -> None:
    fleet = warm_fleet(AffinityWait.ALWAYS)
    fleet.tell(agents=(msgspec.structs.replace(fleet.loaded("a"), accepting=False),))
    fleet.submit("second", warm="repo")
    assert fleet.plan() == [("second", "b")]


def test_the_agent_with_the_greatest_preference_goes_first() -> None:
    fleet = Fleet(QueuePolicy())
    fleet.join("plain", 8)
    fleet.join("liked", 1, disk="nvme")
    fleet.join("disliked", 8, old="yes")
    old = LabelSelector("old", SelectorOperator.EXISTS)
    requirements = Requirements(preferences=(Preference(FAST, 10), Preference(old, -5)))
    fleet.tell(groups=(TaskGroup(99, "default", "q", 0, "k", requirements, "preferring"),))
    fleet.tell(ready=tuple(ReadyTask(99, f"t{number}", number) for number in range(10)))
    assert [agent_id for _, agent_id in fleet.plan()] == ["liked", *["plain"] * 8, "disliked"]


# Lanes.


def test_the_higher_lane_goes_first_and_what_waits_too_long_before_it() -> None:
    fleet = Fleet(QueuePolicy(lanes=(Lane("high", 5), Lane("low", -100, max_wait_micros=60 * SECOND))), a=1)
    fleet.submit("low1", "low2")
    fleet.submit("high1", "high2", priority=5)
    assert fleet.plan() == [("high1", "a")]
    fleet.finish("high1", group=(5, "", 0))
    fleet.now += 61 * SECOND
    assert fleet.plan() == [("low1", "a")]
    fleet.finish("low1")
    assert fleet.plan() == [("low2", "a")]


def test_lanes_with_weights_share_and_a_lane_that_was_idle_does_not_catch_up() -> None:
    fleet = Fleet(QueuePolicy(lanes=(Lane("high", 5, weight=3), Lane("low", -100, weight=1))), a=1_000)
    fleet.submit(*names("first", 100))
    fleet.plan()
    fleet.submit(*names("low", 40))
    fleet.submit(*names("high", 40), priority=5)
    high = sum(task_id.startswith("high") for task_id, _ in fleet.plan()[:40])
    assert 29 <= high <= 31


@pytest.mark.parametrize("lends", [False, True])
def test_a_reserved_pool_is_kept_for_its_lane_and_lent_to_short_tasks_only(lends: bool) -> None:
    pool = ReservedPool(agents_max=1, give_back_micros=20 * SECOND if lends else 0)
    fleet = Fleet(QueuePolicy(lanes=(Lane("urgent", 5, reserved=pool), Lane("batch", -100))), a=2, b=1)
    fleet.submit("long1", "long2")
    fleet.submit("short1", "short2", run_limit=20_000)
    placed = dict(fleet.plan())
    assert placed["long1"] == "b"
    assert "long2" not in placed
    assert [placed.get("short1"), placed.get("short2")] == (["a", "a"] if lends else [None, None])


def test_nothing_is_lent_while_the_pool_s_own_work_waits_and_it_is_back_before_others_get_it() -> None:
    pool = ReservedPool(slots_per_agent=1, give_back_micros=20 * SECOND)
    fleet = Fleet(QueuePolicy(lanes=(Lane("urgent", 5, reserved=pool), Lane("batch", -100))), a=2)
    fleet.submit("short1", "short2", run_limit=20_000)
    assert dict(fleet.plan()) == {"short1": "a", "short2": "a"}
    fleet.submit("urgent1", priority=5)
    fleet.submit("short3", run_limit=20_000)
    assert fleet.plan() == []
    fleet.finish("short1", group=(0, "", 20_000))
    assert fleet.plan() == [("urgent1", "a")]


def test_other_queues_get_only_what_is_not_reserved() -> None:
    pool = ReservedPool(agents_max=1)
    fleet = Fleet(QueuePolicy(lanes=(Lane("urgent", 5, reserved=pool), Lane("batch", -100))), a=4, b=1)
    fleet.tell(groups=(TaskGroup(77, "default", "other", 100, "k", Requirements(), "n"),))
    fleet.tell(ready=(ReadyTask(77, "t1", 1), ReadyTask(77, "t2", 2)))
    assert [(p.task_id, p.agent_id) for p in plan(fleet.view, fleet.now)] == [("t1", "b")]


# Fairness and limits.


def test_slots_in_use_are_shared_and_not_the_rate_of_dispatch() -> None:
    fleet = Fleet(QueuePolicy(fairness={}), a=4)
    fleet.submit(*names("x", 10), key="x")
    assert len(fleet.plan()) == 4  # nobody else is there: all of it
    fleet.submit(*names("y", 10), key="y")
    for number, expected in enumerate(["y", "y", "x"]):  # x holds 3, then 2: even; then it is the older one's turn
        fleet.finish(f"x{number}", group=(0, "x", 0))
        ((task_id, _),) = fleet.plan()
        assert task_id[0] == expected


def test_keys_share_by_their_weights() -> None:
    fleet = Fleet(QueuePolicy(fairness={"x": 3}), a=8)
    fleet.submit(*names("y", 20), key="y")
    fleet.submit(*names("x", 20), key="x")
    assert Counter(task_id[0] for task_id, _ in fleet.plan()) == {"x": 6, "y": 2}


def test_limits_hold_a_queue_and_a_key_back_and_nobody_else() -> None:
    fleet = Fleet(QueuePolicy(limits=Limits(leases_max=5, leases_per_key_max=2)), a=100)
    fleet.submit(*names("x", 5), key="x")
    fleet.submit(*names("y", 5), key="y")
    fleet.submit(*names("z", 5), key="z")
    assert Counter(task_id[0] for task_id, _ in fleet.plan()) == {"x": 2, "y": 2, "z": 1}
    gate = fleet.view.backlog.gate("default", "q")
    assert gate.wait is WaitReason.QUEUE_LIMIT
    fleet.finish("y0", group=(0, "y", 0))
    assert [task_id[0] for task_id, _ in fleet.plan()] == ["y"]
    fleet.tell(groups=(TaskGroup(88, "default", "other", 0, "k", Requirements(), "n"),), ready=(ReadyTask(88, "t", 1),))
    assert fleet.plan() == [("t", "a")]


def test_a_rate_limit_lets_a_burst_through_and_then_one_at_a_time() -> None:
    fleet = Fleet(QueuePolicy(limits=Limits(leases_per_second=2.0, burst=3)), a=100)
    fleet.submit(*names("t", 20))
    assert len(fleet.plan()) == 3
    assert fleet.view.next_time() is not None
    granted = 0
    for _ in range(100):  # ten seconds
        fleet.now += SECOND // 10
        granted += len(fleet.plan())
    assert 17 <= granted + 3 <= 20
    assert fleet.view.backlog.gate("default", "q").usage == granted + 3


def test_a_policy_that_changes_takes_effect_on_what_waits_and_counts_what_runs() -> None:
    fleet = Fleet(QueuePolicy(), a=3)
    fleet.submit(*names("t", 9))
    assert len(fleet.plan()) == 3
    fleet.configure(QueuePolicy(limits=Limits(leases_max=2)), version=2)
    fleet.finish("t0")
    assert fleet.plan() == []
    fleet.configure(QueuePolicy(), version=3)
    assert len(fleet.plan()) == 1


# Redelivery.


def test_an_agent_that_failed_a_task_is_avoided_only_while_another_could_run_it() -> None:
    avoid = (Avoided("a", NOW + 60 * SECOND, if_others=True),)
    alone = Fleet(QueuePolicy(), a=1)
    alone.submit("t", avoid=avoid)
    assert alone.plan() == [("t", "a")]
    fleet = Fleet(QueuePolicy(), a=4, b=1)
    fleet.submit("t", avoid=avoid)
    assert fleet.plan() == [("t", "b")]
    fleet.submit("u", avoid=avoid)
    assert fleet.plan() == []  # it waits for b, which has no slot free now
