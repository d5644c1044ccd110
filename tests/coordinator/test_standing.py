"""Standing placements at the coordinator: which agent a new task goes to, and when the scheduler is asked."""

from __future__ import annotations

from typing import Any

import pytest

from services.coordinator import window as window_module
from services.coordinator.standing import StandingPlacements
from services.coordinator.window import LineKey, Window
from services.domain.agent import Agent, AgentKey, AgentState, Declaration, DrainMode
from services.domain.commands import NewTask, Placement
from services.domain.requirements import Requirements
from tests.store.world import KIND, NAMESPACE, key, new_task

NOW = 1_000_000


def agent(agent_id: str, *, slots: int = 2, leases: int = 0, session: int = 1, **fields: Any) -> Agent:
    values: dict[str, Any] = {
        "state": AgentState.READY,
        "cordoned": False,
        "resources_used": {},
        "declared": Declaration(kinds=(KIND,), slots=slots, resources=fields.pop("resources", {})),
        **fields,
    }
    return Agent(
        namespace=NAMESPACE,
        id=agent_id,
        incarnation="one",
        session=session,
        coordinator_id="c1",
        drain_mode=DrainMode.NONE,
        drain_time=0,
        connect_time=0,
        seen_time=0,
        expire_time=0,
        leases=leases,
        started=0,
        superseded=(),
        **values,
    )


def line_key(new: NewTask) -> LineKey:
    return (new.namespace, new.queue, new.priority, new.needs_id, new.fairness_key)


class Choice:
    """Offers over a window and agents that are just values."""

    def __init__(self) -> None:
        self.agents: dict[AgentKey, Agent] = {}
        self.window = Window(lambda _group, _limit: None)
        self.standing = StandingPlacements(self.agents, self.window.group_at_home)

    def has(self, *agents: Agent) -> None:
        self.agents.update((known.key, known) for known in agents)

    def offered(self, new: NewTask, *agent_ids: str, session: int = 1) -> int:
        """A group like this task's, whose window is empty, and its offer."""
        self.window.announce(new, now=NOW)
        group = self.window.group_at_home(line_key(new))
        assert group is not None
        self.window.retract(new.id)
        self.standing.offer(group.number, [(key(agent_id), session) for agent_id in agent_ids])
        return group.number

    def chosen(self, *tasks: NewTask) -> list[str | None]:
        """Where these tasks go; their slots are held from then on."""
        placements = self.standing.choose(tasks, NOW)
        if placements:
            self.standing.hold(placements, tasks)
        return [None if placement is None else placement.agent_id for placement in placements or [None] * len(tasks)]


@pytest.fixture
def choice() -> Choice:
    return Choice()


def plain(count: int) -> list[NewTask]:
    return [new_task(f"t{number}") for number in range(count)]


def test_without_an_offer_the_scheduler_is_asked(choice: Choice) -> None:
    choice.has(agent("a"))
    assert choice.chosen(*plain(2)) == [None, None]


def test_the_least_full_agent_comes_first(choice: Choice) -> None:
    choice.has(agent("a", slots=4, leases=3), agent("b", slots=4), agent("c", slots=2, leases=1))
    choice.offered(new_task("t"), "a", "b", "c")
    assert choice.chosen(*plain(2)) == ["b", "b"], "nothing of four, then one of four"
    assert set(choice.chosen(*plain(2))) == {"b", "c"}, "half full, both"
    assert set(choice.chosen(*plain(2))) == {"a", "b"}, "three of four, both"
    assert choice.chosen(*plain(1)) == [None]


def test_agents_that_are_equally_full_take_turns_from_commit_to_commit(choice: Choice) -> None:
    """Within one commit it is the same agent as long as it is not fuller: fewer messages."""
    choice.has(*(agent(agent_id, slots=64) for agent_id in "abc"))
    choice.offered(new_task("t"), "a", "b", "c")
    turns = []
    for _ in range(3):
        tasks = plain(3)
        placements = choice.standing.choose(tasks, NOW)
        choice.standing.hold(placements, tasks)
        choice.standing.settle(placements, tasks)
        turns.append({placement.agent_id for placement in placements if placement is not None})
    assert all(len(turn) == 1 for turn in turns)
    assert set.union(*turns) == {"a", "b", "c"}


def test_agents_with_few_slots_are_filled_evenly_within_a_commit(choice: Choice) -> None:
    choice.has(*(agent(agent_id, slots=4) for agent_id in "abc"))
    choice.offered(new_task("t"), "a", "b", "c")
    assert set(choice.chosen(*plain(3))) == {"a", "b", "c"}


def test_what_was_chosen_and_is_not_committed_yet_takes_its_slot(choice: Choice) -> None:
    choice.has(agent("a", slots=2))
    choice.offered(new_task("t"), "a")
    assert choice.chosen(*plain(3)) == ["a", "a", None]
    assert choice.chosen(new_task("later")) == [None]


def test_settling_gives_back_what_was_chosen(choice: Choice) -> None:
    choice.has(agent("a", slots=2))
    choice.offered(new_task("t"), "a")
    tasks = plain(3)
    placements = choice.standing.choose(tasks, NOW)
    choice.standing.hold(placements, tasks)
    choice.standing.settle(placements, tasks)
    assert choice.chosen(*plain(3)) == ["a", "a", None]


def test_what_was_chosen_and_never_sent_takes_no_slot(choice: Choice) -> None:
    choice.has(agent("a", slots=1))
    choice.offered(new_task("t"), "a")
    assert len(choice.standing.choose(plain(1), NOW)) == 1
    assert choice.chosen(*plain(1)) == ["a"]


def test_two_groups_of_one_command_share_the_slots_of_an_agent(choice: Choice) -> None:
    choice.has(agent("a", slots=2), agent("b", slots=1))
    one, other = new_task("one"), new_task("other", queue="other")
    choice.offered(one, "a")
    choice.offered(other, "a", "b")
    tasks = [new_task(f"t{number}", queue=("default", "other")[number % 2]) for number in range(6)]
    chosen = choice.chosen(*tasks)
    assert chosen.count("a") == 2
    assert chosen.count("b") == 1


def test_of_one_command_the_higher_task_gets_the_last_slot(choice: Choice) -> None:
    choice.has(agent("a", slots=1))
    low, high = new_task("low", priority=1), new_task("high", priority=9)
    for task in (low, high):
        choice.offered(task, "a")
    assert choice.chosen(low, high) == [None, "a"]


def test_an_agent_without_the_resources_is_passed_over(choice: Choice) -> None:
    needs = Requirements(resources={"gpus": 1.0})
    choice.has(agent("a", resources={"gpus": 1.0}, resources_used={"gpus": 1.0}), agent("b", resources={"gpus": 1.0}))
    task = new_task("t", requirements=needs)
    choice.offered(task, "a", "b")
    assert choice.chosen(task) == ["b"]


def test_a_task_for_later_and_one_with_an_affinity_key_have_to_be_asked_for(choice: Choice) -> None:
    choice.has(agent("a", slots=4))
    choice.offered(new_task("t"), "a")
    tasks = [
        new_task("later", not_before_time=NOW + 1),
        new_task("keyed", affinity_key="k"),
        new_task("now", not_before_time=NOW),
    ]
    assert choice.chosen(*tasks) == [None, None, "a"]


@pytest.mark.parametrize(
    "changed",
    [
        agent("a", session=2),
        agent("a", state=AgentState.DRAINING),
        agent("a", cordoned=True),
        agent("a", leases=2),
    ],
)
def test_an_agent_that_has_moved_drains_is_cordoned_or_full_gets_nothing(choice: Choice, changed: Agent) -> None:
    choice.has(agent("a"))
    choice.offered(new_task("t"), "a")
    choice.has(changed)
    assert choice.chosen(new_task("t")) == [None]


def test_an_agent_that_left_gets_nothing(choice: Choice) -> None:
    choice.offered(new_task("t"), "a")
    assert choice.chosen(new_task("t")) == [None]


def test_a_task_of_the_group_that_waits_is_not_overtaken_until_it_is_placed(choice: Choice) -> None:
    choice.has(agent("a"))
    choice.offered(new_task("t"), "a")
    choice.window.announce(new_task("waits"), now=NOW)
    assert choice.chosen(new_task("new")) == [None]
    choice.window.placed("waits")
    assert choice.chosen(new_task("new")) == ["a"]
    choice.window.refused("waits")
    assert choice.chosen(new_task("newer")) == [None]
    choice.window.leave("waits")
    assert choice.chosen(new_task("newest")) == ["a"]


def test_a_new_stream_forgets_what_was_placed_on_the_one_before(choice: Choice) -> None:
    choice.window.announce(new_task("waits"), now=NOW)
    choice.window.placed("waits")
    choice.window.snapshot()
    group = choice.window.group_at_home(line_key(new_task("waits")))
    assert group is not None
    assert group.waits


def test_what_waits_behind_the_window_is_not_overtaken(choice: Choice) -> None:
    choice.has(agent("a"))
    new = new_task("t")
    choice.offered(new, "a")
    choice.window.found((*line_key(new)[:4], 0, ""), KIND, requirements=Requirements(), count=3)
    assert choice.chosen(new) == [None]


def test_an_offer_is_replaced_and_withdrawn(choice: Choice) -> None:
    choice.has(agent("a"), agent("b"))
    number = choice.offered(new_task("t"), "a")
    choice.offered(new_task("t"), "b")
    assert choice.chosen(new_task("t")) == ["b"]
    choice.standing.offer(number, [])
    assert choice.chosen(new_task("t")) == [None]


def test_the_offer_of_a_group_that_was_forgotten_does_not_come_back_with_its_key(
    choice: Choice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window_module, "EMPTY_GROUPS_MAX", 1)
    choice.has(agent("a"))
    number = choice.offered(new_task("t"), "a")
    for name in ("x", "y"):
        choice.window.announce(new_task(name, queue=name), now=NOW)
    assert choice.window.group_numbered(number) is None
    assert choice.chosen(new_task("t")) == [None]
    choice.window.announce(new_task("again"), now=NOW)
    choice.window.retract("again")
    assert choice.chosen(new_task("t")) == [None]


def test_a_placement_by_the_coordinator_has_no_number_of_the_scheduler(choice: Choice) -> None:
    choice.has(agent("a", session=7))
    choice.offered(new_task("t"), "a", session=7)
    assert choice.standing.choose([new_task("t")], NOW) == [Placement(0, "t", "a", 7)]
