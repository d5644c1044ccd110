"""The safety rules of placement, over generated fleets and changes. Each rule is a function by its name."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.domain.capacity import LEVELS
from services.domain.commands import Placement, PlacementOutcome
from services.domain.requirements import mismatch
from services.domain.schedule import QueueRule
from services.domain.task_order import Place
from tests.domain.placement_model import Model, Operation

byte = st.integers(0, 255)
operation = st.tuples(st.integers(0, 16), byte, byte, byte)
# Fleets of nothing find nothing: each run begins with agents and tasks.
joins = st.lists(st.tuples(st.just(0), byte, byte, byte), min_size=1, max_size=5)
submits = st.lists(st.tuples(st.just(4), byte, byte, byte), min_size=1, max_size=8)
operations = st.builds(lambda a, b, c: [*a, *b, *c], joins, submits, st.lists(operation, max_size=60))
# Derandomized: the same examples each time, so that a failure of `make check` is one that everybody sees.
seeded = settings(max_examples=250, deadline=None, derandomize=True)


def no_agent_is_ineligible(model: Model, placements: list[Placement]) -> None:
    for placement in placements:
        agent = model.agents[f"default/{placement.agent_id}"]
        task = model.waiting[placement.task_id]
        assert agent.accepting
        assert agent.session == placement.session
        assert model.is_eligible(agent, task)
        assert model.groups_of(task).queue not in model.paused


def nothing_is_oversubscribed(model: Model, placements: list[Placement]) -> None:
    for agent_id in {placement.agent_id for placement in placements}:
        given = [placement for placement in placements if placement.agent_id == agent_id]
        assert not model.oversubscribed(model.agents[f"default/{agent_id}"], given)


def no_task_is_placed_twice(model: Model, placements: list[Placement]) -> None:
    ids = [placement.task_id for placement, _, _ in model.outstanding.values()]
    assert len(ids) == len(set(ids))
    assert all(placement.task_id in model.waiting for placement in placements)


def priority_and_age_decide_among_equal_needs(model: Model, placements: list[Placement]) -> None:
    """What is left behind in the order of its needs comes after what was placed, unless it avoids an agent."""
    placed = {placement.task_id for placement in placements}
    for placement in placements:
        task = model.waiting[placement.task_id]
        group = model.groups_of(task)
        for other in model.waiting.values():
            rival = model.groups_of(other)
            waiting = model.view.tasks[other.task_id]
            if other.task_id in placed or (rival.queue, rival.needs_id) != (group.queue, group.needs_id):
                continue
            if waiting.place is Place.QUEUED and not waiting.task.avoid:
                assert (-rival.priority, other.queued_time) >= (-group.priority, task.queued_time)


def nobody_blocks_another(model: Model, placements: list[Placement]) -> None:
    """After a plan, no task waits for which an agent is free."""
    placed = {placement.task_id for placement in placements}
    for task in model.waiting.values():
        group = model.groups_of(task)
        gate = model.view.backlog.groups[group.id].needs.gate
        delayed = model.view.tasks[task.task_id].place is Place.DELAYED
        if task.task_id in placed or gate.closed or delayed:
            continue
        for agent in model.agents.values():
            refused = model.view.capacity.by_key[agent.key].refused
            free = agent.accepting and not refused and model.is_eligible(agent, task) and model.has_room(agent, task)
            assert not free, f"{task.task_id} waits although {agent.key} is free"


RULES = (
    no_agent_is_ineligible,
    nothing_is_oversubscribed,
    no_task_is_placed_twice,
    priority_and_age_decide_among_equal_needs,
    nobody_blocks_another,
)


def checked_model() -> Model:
    model = Model()

    def check(placements: list[Placement]) -> None:
        for rule in RULES:
            rule(model, placements)

    model.on_placements = check
    return model


def indexes_equal_a_rebuild(model: Model) -> None:
    """Every index says what looking at all agents and tasks says."""
    view = model.view
    for record in view.capacity.by_key.values():
        assert record.band == record.proper_band()
        assert record.reserved == len(model.reserved(record.agent))
        assert bool(view.capacity.ready & record.bit) == (record.band < LEVELS)
        assert [bool(band & record.bit) for band in view.capacity.bands].index(True) == record.band
    assert sum(band.bit_count() for band in view.capacity.bands) == len(model.agents)
    for needs in view.backlog.needs.values():
        found = {
            record.index: mismatch(record.agent.profile, needs.kind, queue=needs.queue, requirements=needs.requirements)
            for record in view.capacity.by_key.values()
        }
        assert needs.eligible == sum(1 << index for index, reason in found.items() if reason is None)
        assert needs.mismatches.total() == sum(reason is not None for reason in found.values())
        assert needs.open | sum(1 << index for index in needs.shut) == needs.eligible
        assert not (needs.parked and needs.open & view.capacity.ready), "parked needs have nobody who is free"
    assert set(model.waiting) == {id_ for id_, waiting in view.tasks.items() if waiting.place is not Place.PLACED}
    for group in view.backlog.groups.values():
        queued = sorted(waiting.task.task_id for waiting in group.tasks)
        assert queued == sorted(
            id_ for id_, w in view.tasks.items() if w.task.group_id == group.id and w.place is Place.QUEUED
        )


# An agent with a disk in use declares none any more, and gets a task that needs no disk.
NO_DISK_LEFT = [
    (0, 0, 0, 0), (0, 2, 0, 0), (0, 28, 0, 0), (0, 1, 0, 1), (0, 3, 0, 0),
    (4, 1, 0, 0), (4, 76, 1, 0), (1, 108, 74, 1),
]  # fmt: skip


@seeded
@given(operations)
@example(NO_DISK_LEFT)
def test_every_rule_holds_after_every_change(script: list[Operation]) -> None:
    model = checked_model()
    model.run(script)
    indexes_equal_a_rebuild(model)


@seeded
@given(operations)
def test_the_same_changes_give_the_same_placements(script: list[Operation]) -> None:
    first, second = Model(), Model()
    first.run(script)
    second.run(script)
    assert first.placements == second.placements


@seeded
@given(operations)
def test_every_placeable_task_is_placed_once_agents_keep_freeing(script: list[Operation]) -> None:
    model = checked_model()
    model.run(script)
    model.paused.clear()
    model.tell(queues=tuple(QueueRule("default", queue) for queue in ("q0", "q1")))
    for agent in list(model.agents.values()):
        model.put_agent(model.loaded(agent))
    placeable = {
        task.task_id
        for task in model.waiting.values()
        for agent in model.agents.values()
        if agent.accepting and eligible_when_idle(model, agent.key, task.group_id)
    }
    for _ in range(400):
        model.plan()
        for number in list(model.outstanding):
            model.answer(number, PlacementOutcome.GRANTED)
        model.finish(0, 3, 0)
        model.now += 300_000
    assert not placeable & set(model.waiting)
    indexes_equal_a_rebuild(model)


def eligible_when_idle(model: Model, key: str, group_id: int) -> bool:
    group, agent = model.groups[group_id], model.agents[key]
    return mismatch(agent.profile, group.kind, queue=group.queue, requirements=group.requirements) is None
