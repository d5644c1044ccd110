"""The safety rules of routing policies, over generated fleets, policies and changes. Each rule is a function."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.commands import Placement, PlacementOutcome
from services.domain.policy import AffinityWait
from services.domain.schedule import ReadyTask, SchedulableAgent
from tests.domain.policy_model import NAMESPACE, Operation, PolicyModel

byte = st.integers(0, 255)
operation = st.tuples(st.integers(0, 14), byte, byte, byte)
joins = st.lists(st.tuples(st.just(0), byte, byte, byte), min_size=1, max_size=5)
policies = st.lists(st.tuples(st.just(12), byte, byte, byte), min_size=1, max_size=2)
submits = st.lists(st.tuples(st.just(3), byte, byte, byte), min_size=1, max_size=8)
operations = st.builds(lambda a, b, c, d: [*a, *b, *c, *d], joins, policies, submits, st.lists(operation, max_size=60))
seeded = settings(max_examples=400, deadline=None, derandomize=True)


def never_an_ineligible_agent(model: PolicyModel, task: ReadyTask, agent: SchedulableAgent) -> None:
    assert model.is_reachable(agent)
    assert model.is_eligible(agent, task)


def never_oversubscribed(model: PolicyModel, task: ReadyTask, agent: SchedulableAgent) -> None:
    assert model.has_room(agent, task)


def never_over_a_limit(model: PolicyModel, task: ReadyTask, agent: SchedulableAgent) -> None:
    assert not model.is_limited(task)


def reserved_capacity_is_lent_only_while_it_is_idle_and_to_what_is_back_in_time(
    model: PolicyModel, task: ReadyTask, agent: SchedulableAgent
) -> None:
    if not model.is_kept_from(agent, task):
        return
    pool = model.pool_of(agent)
    assert pool is not None
    limit = model.group(task).requirements.run_limit_millis * 1_000
    assert 0 < limit <= pool[2].give_back_micros
    for other in model.waiting.values():
        if model.owns(pool, other) and model.is_queued(other) and not model.is_limited(other):
            assert not model.could_take(agent, other), f"{other.task_id} waits for what {task.task_id} borrows"


def nobody_waits_longer_than_the_lane_allows(model: PolicyModel, task: ReadyTask, agent: SchedulableAgent) -> None:
    """What waits too long goes before everything of its queue that does not, on any agent that could take it."""
    if model.is_overdue(task):
        return
    for other in rivals(model, task):
        if model.is_overdue(other):
            assert not model.could_take(agent, other), f"{other.task_id} is overdue"


def a_higher_lane_goes_first(model: PolicyModel, task: ReadyTask, agent: SchedulableAgent) -> None:
    if model.is_overdue(task) or any(lane.weight for lane in model.policy(task).lanes):
        return
    for other in rivals(model, task):
        if model.lane_place(other) < model.lane_place(task):
            assert not model.could_take(agent, other), f"{other.task_id} is of a higher lane"


def the_key_with_the_fewest_leases_goes_first(model: PolicyModel, task: ReadyTask, agent: SchedulableAgent) -> None:
    """Within a lane and the same needs, by leases in relation to the weight."""
    if model.policy(task).fairness is None or model.is_overdue(task):
        return
    group = model.group(task)
    for other in rivals(model, task):
        same = model.lane_place(other) == model.lane_place(task) and model.group(other).needs_id == group.needs_id
        if same and not model.is_limited(other):
            assert model.rank(task) <= model.rank(other), f"{other.task_id} has less"


def a_warm_agent_is_preferred_and_waited_for(model: PolicyModel, task: ReadyTask, agent: SchedulableAgent) -> None:
    warm = model.warm_agents(task)
    if not warm or agent.key in warm:
        return
    assert not any(model.could_take(model.agents[key], task) for key in warm), "a warm agent is free"
    affinity = model.policy(task).affinity
    waits = affinity.mode is AffinityWait.ALWAYS or (
        affinity.mode is AffinityWait.BOUNDED and model.now < task.queued_time + affinity.wait_micros
    )
    assert not waits or not any(model.is_reachable(model.agents[key]) for key in warm)


def preferred_agents_go_first(model: PolicyModel, task: ReadyTask, agent: SchedulableAgent) -> None:
    preferences = model.group(task).requirements.preferences
    if not preferences or model.warm_agents(task):
        return
    in_a = [each for each in model.agents.values() if each.profile.labels.get("zone") == "a"]
    if agent not in in_a:
        assert not any(model.could_take(each, task) for each in in_a)


RULES = (
    never_an_ineligible_agent,
    never_oversubscribed,
    never_over_a_limit,
    reserved_capacity_is_lent_only_while_it_is_idle_and_to_what_is_back_in_time,
    nobody_waits_longer_than_the_lane_allows,
    a_higher_lane_goes_first,
    the_key_with_the_fewest_leases_goes_first,
    a_warm_agent_is_preferred_and_waited_for,
    preferred_agents_go_first,
)


def rivals(model: PolicyModel, task: ReadyTask) -> list[ReadyTask]:
    """Other tasks of the queue whose turn it could be."""
    queue = model.group(task).queue
    return [
        other
        for other in model.waiting.values()
        if other is not task and model.group(other).queue == queue and model.is_queued(other) and may_go(model, other)
    ]


def may_go(model: PolicyModel, task: ReadyTask) -> bool:
    return not model.is_limited(task)


class Checked(PolicyModel):
    def judge(self, placement: Placement) -> None:
        task = self.waiting[placement.task_id]
        agent = self.agents[f"{NAMESPACE}/{placement.agent_id}"]
        assert agent.session == placement.session
        for rule in RULES:
            rule(self, task, agent)

    def judge_rest(self) -> None:
        """Nobody blocks another: what waits in its turn has no agent that could take it."""
        for task in self.waiting.values():
            if self.is_queued(task) and not self.is_limited(task):
                free = [key for key, agent in self.agents.items() if self.could_take(agent, task)]
                assert not free, f"{task.task_id} waits although {free} are free"
        self.counts_are_right()

    def counts_are_right(self) -> None:
        """What the view counts of each queue, key and pool is what is there."""
        for (_, queue), gate in self.view.backlog.gates.items():
            if not gate.takes_turns:
                continue
            leased = self.leased_of(queue)
            assert gate.usage == len(leased)
            if gate.by_key:
                for key in {group.fairness_key for group in leased}:
                    assert gate.key_usage[key] == sum(group.fairness_key == key for group in leased)
        for agent in self.agents.values():
            record, pool = self.view.capacity.by_key[agent.key], self.pool_of(agent)
            assert (record.pool is None) == (pool is None)
            if pool is not None:
                assert record.own == sum(self.owns(pool, task) for task in self.held_by(agent))


@seeded
@given(operations)
def test_every_rule_holds_for_every_decision(script: list[Operation]) -> None:
    Checked().run(script)


@seeded
@given(operations)
def test_the_same_changes_give_the_same_placements(script: list[Operation]) -> None:
    first, second = PolicyModel(), PolicyModel()
    first.run(script)
    second.run(script)
    assert first.placements == second.placements


@seeded
@given(operations)
def test_everything_that_somebody_can_run_runs_in_the_end(script: list[Operation]) -> None:
    model = Checked()
    model.run(script)
    for agent in list(model.agents.values()):
        model.put_agent(model.loaded(agent))
    runnable = {
        task.task_id
        for task in model.waiting.values()
        for agent in model.agents.values()
        if agent.accepting and model.is_eligible(agent, task) and not always_kept_from(model, agent, task)
    }
    for _ in range(300):
        model.plan()
        for number in list(model.outstanding):
            model.answer(number, PlacementOutcome.GRANTED)
        model.finish(0, 3, 0)
        model.now += 500_000
    assert not runnable & set(model.waiting)


def always_kept_from(model: PolicyModel, agent: SchedulableAgent, task: ReadyTask) -> bool:
    """Whether the agent is reserved whole for others, who do not lend to this task."""
    pool = model.pool_of(agent)
    if pool is None or model.owns(pool, task):
        return False
    limit = model.group(task).requirements.run_limit_millis * 1_000
    kept = min(pool[2].slots_per_agent or agent.slots, agent.slots)
    return kept == agent.slots and not 0 < limit <= pool[2].give_back_micros
