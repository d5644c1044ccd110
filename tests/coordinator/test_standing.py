"""The choice of an agent for a task that is being submitted, from what the scheduler has offered."""

from __future__ import annotations

from services.coordinator.standing import StandingPlacements
from services.coordinator.window import GroupKey
from services.domain.agent import Agent, AgentKey, AgentState, Declaration, DrainMode, change
from services.domain.commands import NewTask, Placement
from services.domain.requirements import Requirements
from tests.store.world import new_task

NOW = 1_000_000


class Fleet:
    """Agents by their loads, and offers of them."""

    def __init__(self, *agents: Agent) -> None:
        self.agents: dict[AgentKey, Agent] = {agent.key: agent for agent in agents}
        self.waiting: set[GroupKey] = set()
        self.standing = StandingPlacements(self.agents, lambda group: group in self.waiting)

    def offer(self, task: NewTask, *names: str, session: int = 1) -> None:
        self.standing.offer(group_of(task), [(("default", name), session) for name in names])

    def chosen(self, *tasks: NewTask) -> list[str]:
        return [placement.agent_id if placement else "" for placement in self.choose(*tasks)]

    def choose(self, *tasks: NewTask) -> list[Placement | None]:
        return self.standing.choose(tasks, NOW)


def agent(name: str, *, slots: int = 4, leases: int = 0, **declared: object) -> Agent:
    offer = Declaration(slots=slots, kinds=("work",), **declared)  # type: ignore[arg-type]  # what the test gives
    return Agent(
        namespace="default", id=name, incarnation="i", session=1, coordinator_id="c", state=AgentState.READY,
        cordoned=False, drain_mode=DrainMode.NONE, drain_time=0, connect_time=1, seen_time=1, expire_time=0,
        leases=leases, started=0, resources_used={}, superseded=(), declared=offer,
    )  # fmt: skip


def group_of(task: NewTask) -> GroupKey:
    return (task.namespace, task.queue, task.priority, task.needs_id)


def tasks(count: int, **fields: object) -> list[NewTask]:
    return [new_task(f"t{number}", **fields) for number in range(count)]


def test_without_an_offer_the_scheduler_is_asked() -> None:
    assert Fleet(agent("a")).chosen(*tasks(1)) == []


def test_the_least_full_agent_goes_first_and_nobody_gets_more_than_its_slots() -> None:
    fleet = Fleet(agent("small", slots=2, leases=1), agent("large", slots=4))
    given = tasks(6)
    fleet.offer(given[0], "small", "large")
    assert fleet.chosen(*given) == ["large", "large", "small", "large", "large", ""]


def test_what_is_chosen_takes_a_slot_until_it_is_written() -> None:
    fleet = Fleet(agent("a", slots=2))
    first, second = tasks(2), tasks(1)
    fleet.offer(first[0], "a")
    placements = fleet.choose(*first)
    assert fleet.chosen(*second) == [""]
    fleet.standing.settle(placements, first)
    assert fleet.chosen(*second) == ["a"], "the loads did not rise: neither was granted"


def test_equally_full_agents_take_turns_from_commit_to_commit() -> None:
    fleet = Fleet(agent("a", slots=64), agent("b", slots=64))
    given = tasks(3)
    fleet.offer(given[0], "a", "b")
    turns = []
    for _ in range(4):
        placements = fleet.choose(*given)
        turns.append({placement.agent_id for placement in placements if placement})
        fleet.standing.settle(placements, given)
    assert all(len(turn) == 1 for turn in turns)
    assert turns[0] != turns[1]
    assert turns[0] == turns[2]


def test_tasks_for_later_and_those_with_an_affinity_are_the_schedulers() -> None:
    fleet = Fleet(agent("a"))
    given = [new_task("now"), new_task("later", not_before_time=NOW + 1), new_task("warm", affinity_key="repository")]
    fleet.offer(given[0], "a")
    assert fleet.chosen(*given) == ["a", "", ""]


def test_a_new_task_does_not_overtake_one_of_its_group_that_waits() -> None:
    fleet = Fleet(agent("a"))
    (given,) = tasks(1)
    fleet.offer(given, "a")
    fleet.waiting.add(group_of(given))
    assert fleet.chosen(given) == [""]


def test_agents_that_changed_since_the_offer_are_left_out() -> None:
    fleet = Fleet(agent("moved"), agent("cordoned"), agent("gone"))
    (given,) = tasks(1)
    fleet.offer(given, "moved", "cordoned", "gone")
    fleet.agents[("default", "moved")] = change(agent("moved"), session=2)
    fleet.agents[("default", "cordoned")] = change(agent("cordoned"), cordoned=True)
    del fleet.agents[("default", "gone")]
    assert fleet.chosen(given) == [""]


def test_an_agent_without_enough_resources_is_left_out() -> None:
    fleet = Fleet(agent("little", resources={"gpu": 1.0}), agent("much", resources={"gpu": 4.0}))
    (given,) = tasks(1, requirements=Requirements(resources={"gpu": 2.0}))
    fleet.offer(given, "little", "much")
    assert fleet.chosen(given) == ["much"]


def test_withdrawn_offers_are_not_used() -> None:
    fleet = Fleet(agent("a"))
    (given,) = tasks(1)
    fleet.offer(given, "a")
    fleet.offer(given)
    assert fleet.chosen(given) == []
    fleet.offer(given, "a")
    fleet.standing.withdraw_all()
    assert fleet.chosen(given) == []
