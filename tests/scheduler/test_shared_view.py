"""Several coordinators, one view: what one tells of meets what another tells of, and leaves with its stream."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from missioncontrol.v1 import queue_pb2
from missioncontrol.v1 import scheduler_service_pb2 as pb
from prometheus_client import CollectorRegistry

from services.domain.schedule import source_of
from services.domain.schedule_view import ScheduleView
from services.domain.standing import REVISE_INTERVAL_MICROS
from services.domain.task_order import Place
from services.scheduler import limits
from services.scheduler.metrics import SchedulerMetrics
from services.scheduler.planner import Planner

GRANTED = pb.PLACEMENT_OUTCOME_GRANTED
NOT_VISIBLE = pb.PLACEMENT_OUTCOME_NOT_VISIBLE
OUTCOMES = [outcome for outcome in pb.PlacementOutcome.values() if outcome]


def agent(agent_id: str, *, session: int = 1, slots: int = 1, leases: int = 0) -> pb.SchedulableAgent:
    return pb.SchedulableAgent(
        namespace="default", agent_id=agent_id, session=session, accepting=True, kinds=["build"], slots=slots,
        leases=leases,
    )  # fmt: skip


def group(number: int = 1, *, kind: str = "build", priority: int = 0) -> pb.TaskGroup:
    return pb.TaskGroup(id=number, namespace="default", queue="q", kind=kind, needs_id=kind, priority=priority)


def ready(*task_ids: str, number: int = 1, time: int = 1) -> pb.ReadyTasks:
    tasks = [pb.ReadyTask(task_id=task_id, queued_time_micros=time + n) for n, task_id in enumerate(task_ids)]
    return pb.ReadyTasks(group_id=number, tasks=tasks)


class Fleet:
    """A planner, and streams with what was said on them."""

    def __init__(self) -> None:
        self.planner = Planner(SchedulerMetrics(CollectorRegistry()))
        self.now = 1_000_000_000
        self.streams: dict[int, Stream] = {}

    @property
    def view(self) -> ScheduleView:
        return self.planner.view

    def stream(self, **snapshot: object) -> Stream:
        stream = Stream(self, f"c{len(self.streams)}")
        stream.tell(coordinator_id=stream.name, snapshot=True, snapshot_complete=True, **snapshot)
        return stream

    def decide(self) -> None:
        while True:
            for session, response in self.planner.decide(self.now):
                self.streams[session.source].hear(response)
            if not self.planner.more:
                return

    def pass_time(self, micros: int) -> None:
        self.now += micros
        self.decide()


class Stream:
    """One coordinator's."""

    def __init__(self, fleet: Fleet, name: str) -> None:
        self.name = name
        self.session = fleet.planner.join()
        self.placed: dict[str, pb.Placement] = {}  # the last one of each task
        self.numbers: list[int] = []  # that were not answered
        self.offers: dict[int, list[str]] = {}
        self.unplaceable: list[pb.Unplaceable] = []
        self._fleet = fleet
        fleet.streams[self.session.source] = self

    def tell(self, **fields: object) -> None:
        request = pb.ScheduleRequest(**fields)  # type: ignore[arg-type]  # by field name
        self._fleet.planner.receive(self.session, request, self._fleet.now)
        self._fleet.decide()

    def answer(self, task_id: str, outcome: pb.PlacementOutcome.ValueType, **fields: object) -> None:
        self.answer_number(self.placed.pop(task_id).number, outcome, **fields)

    def answer_number(self, number: int, outcome: pb.PlacementOutcome.ValueType, **fields: object) -> None:
        self.numbers.remove(number)
        self.tell(results=[pb.PlacementResult(number=number, outcome=outcome)], **fields)

    def hear(self, response: pb.ScheduleResponse) -> None:
        for placement in response.placements:
            self.placed[placement.task_id] = placement
            self.numbers.append(placement.number)
        for offer in response.standing:
            self.offers[offer.group_id] = sorted(offered.agent_id for offered in offer.agents)
        self.unplaceable += response.unplaceable

    def leave(self) -> None:
        self._fleet.planner.leave(self.session)
        self._fleet.decide()

    def pairs(self) -> set[tuple[str, str]]:
        return {(placement.task_id, placement.agent_id) for placement in self.placed.values()}


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


# Tasks of one on agents of another.


def test_a_task_goes_to_the_agent_of_another_coordinator_on_that_ones_stream(fleet: Fleet) -> None:
    feeder = fleet.stream(groups=[group()], ready=[ready("t")])
    holder = fleet.stream(agents=[agent("a")])
    assert (feeder.pairs(), holder.pairs()) == (set(), {("t", "a")})
    assert holder.placed["t"].namespace == "default"
    holder.answer("t", GRANTED, agents=[agent("a", leases=1)])
    assert not fleet.view.tasks
    feeder.tell(removed_task_ids=["t"])
    assert not fleet.view.tasks


def test_a_task_that_is_not_visible_to_the_agents_coordinator_yet_is_tried_again(fleet: Fleet) -> None:
    fleet.stream(groups=[group()], ready=[ready("t")])
    holder = fleet.stream(agents=[agent("a")])
    holder.answer("t", NOT_VISIBLE)
    assert not holder.placed
    fleet.pass_time(1_000)
    assert holder.pairs() == {("t", "a")}


def test_a_result_for_a_task_that_was_removed_meanwhile_only_frees_the_slot(fleet: Fleet) -> None:
    feeder = fleet.stream(groups=[group()], ready=[ready("t1", "t2")])
    holder = fleet.stream(agents=[agent("a")])
    feeder.tell(removed_task_ids=["t1"])
    assert holder.pairs() == {("t1", "a")}
    holder.answer("t1", NOT_VISIBLE)
    assert holder.pairs() == {("t2", "a")}


def test_a_result_counts_only_on_the_stream_that_the_placement_went_to(fleet: Fleet) -> None:
    feeder = fleet.stream(groups=[group()], ready=[ready("t")])
    holder = fleet.stream(agents=[agent("a")])
    feeder.tell(results=[pb.PlacementResult(number=holder.placed["t"].number, outcome=GRANTED)])
    assert len(fleet.view.outstanding) == 1


def test_groups_of_two_streams_stand_in_one_line_by_priority_and_age(fleet: Fleet) -> None:
    holder = fleet.stream(agents=[agent("a", slots=0)])
    fleet.stream(groups=[group(7)], ready=[ready("t3", "t4", number=7, time=30)])
    fleet.stream(groups=[group(7), group(8, priority=1)], ready=[ready("t2", number=7), ready("t1", number=8, time=99)])
    holder.tell(agents=[agent("a", slots=4)])
    assert list(holder.placed) == ["t1", "t2", "t3", "t4"]


# The same thing on two streams.


def test_a_task_that_two_streams_tell_of_is_placed_once_and_stays_until_both_have_removed_it(fleet: Fleet) -> None:
    holder = fleet.stream(agents=[agent("a", slots=2)])
    before = fleet.stream(groups=[group()], ready=[ready("t")])
    after = fleet.stream(groups=[group()], ready=[ready("t")])
    assert len(fleet.view.outstanding) == 1
    before.tell(removed_task_ids=["t"])
    assert len(fleet.view.outstanding) == 1
    holder.answer("t", pb.PLACEMENT_OUTCOME_AGENT_FULL)
    fleet.pass_time(20_000)
    assert holder.pairs() == {("t", "a")}
    after.tell(removed_task_ids=["t"])
    assert not fleet.view.tasks


def test_a_waiting_task_is_the_other_streams_once_the_first_removes_it(fleet: Fleet) -> None:
    before = fleet.stream(groups=[group()], ready=[ready("t")])
    after = fleet.stream(groups=[group(5)], ready=[ready("t", number=5)])
    before.tell(removed_task_ids=["t"], removed_groups=[1])
    holder = fleet.stream(agents=[agent("a")])
    assert holder.pairs() == {("t", "a")}
    after.leave()
    assert not fleet.view.tasks


def test_what_another_stream_says_of_a_task_outlives_its_lease_and_is_tried_once(fleet: Fleet) -> None:
    """It may be from after the lease: told here before the holder's result came."""
    holder = fleet.stream(agents=[agent("a", slots=2)])
    fleet.stream(groups=[group()], ready=[ready("t")])
    fleet.stream(groups=[group()], ready=[ready("t")])
    holder.answer("t", GRANTED, agents=[agent("a", slots=2, leases=1)])
    assert holder.pairs() == {("t", "a")}
    holder.answer("t", pb.PLACEMENT_OUTCOME_TASK_GONE)
    assert not fleet.view.tasks


def test_a_removal_of_the_stream_that_told_of_a_task_second_leaves_the_firsts(fleet: Fleet) -> None:
    fleet.stream(groups=[group()], ready=[ready("t")])
    fleet.stream(groups=[group()], ready=[ready("t")]).tell(removed_task_ids=["t"])
    assert list(fleet.view.tasks) == ["t"]


def test_an_agent_that_moved_is_its_new_coordinators_and_the_olds_removal_is_too_late(fleet: Fleet) -> None:
    feeder = fleet.stream(groups=[group()], ready=[ready("t1")])
    before = fleet.stream(agents=[agent("a", session=1)])
    after = fleet.stream(agents=[agent("a", session=2)])
    before.tell(agents=[agent("a", session=1, slots=9)])
    feeder.tell(ready=[ready("t2")])
    assert after.pairs() == {("t2", "a")}
    assert after.placed["t2"].session == 2
    before.tell(removed_agents=["default/a"])
    before.answer("t1", pb.PLACEMENT_OUTCOME_AGENT_GONE)
    assert fleet.view.capacity.by_key["default/a"].reserved == 1
    after.answer("t2", GRANTED, agents=[agent("a", session=2)])
    assert after.pairs() == {("t1", "a")}


def test_an_agent_that_two_streams_tell_the_same_of_stays_with_the_one_that_is_left(fleet: Fleet) -> None:
    one = fleet.stream(agents=[agent("a")])
    other = fleet.stream(agents=[agent("a")])
    one.leave()
    fleet.stream(groups=[group()], ready=[ready("t")])
    assert other.pairs() == {("t", "a")}


def test_an_agent_is_the_other_streams_again_once_the_newer_one_says_that_it_left(fleet: Fleet) -> None:
    older = fleet.stream(agents=[agent("a", session=1)])
    newer = fleet.stream(agents=[agent("a", session=2)])
    newer.tell(removed_agents=["default/a"])
    fleet.stream(groups=[group()], ready=[ready("t")])
    assert older.pairs() == {("t", "a")}


def test_of_a_queue_the_newest_version_counts_and_without_one_the_last_word(fleet: Fleet) -> None:
    paused = queue_pb2.Queue(namespace="default", name="q", paused=True, version=5)
    one = fleet.stream(groups=[group()], ready=[ready("t")], queues=[paused])
    other = fleet.stream(agents=[agent("a")], queues=[queue_pb2.Queue(namespace="default", name="q", version=4)])
    assert not other.placed
    one.tell(queues=[queue_pb2.Queue(namespace="default", name="q")])
    assert other.pairs() == {("t", "a")}


# The end of a stream.


def test_a_stream_that_ends_takes_its_tasks_groups_and_agents_with_it(fleet: Fleet) -> None:
    staying = fleet.stream(agents=[agent("a", slots=0)])
    ending = fleet.stream(groups=[group()], ready=[ready("t1", "t2")], agents=[agent("b")])
    assert ending.pairs() == {("t1", "b")}
    ending.leave()
    view = fleet.view
    assert (list(view.tasks), list(view.backlog.groups), list(view.outstanding)) == ([], [], [])
    assert list(view.capacity.by_key) == ["default/a"]
    staying.tell(agents=[agent("a", slots=2)])
    assert not staying.placed


def test_a_task_that_was_placed_on_an_agent_of_a_stream_that_ends_waits_again(fleet: Fleet) -> None:
    feeder = fleet.stream(groups=[group()], ready=[ready("t")])
    ending = fleet.stream(agents=[agent("b")])
    assert ending.pairs() == {("t", "b")}
    ending.leave()
    feeder.tell(agents=[agent("a")])
    assert feeder.pairs() == {("t", "a")}


def test_a_slot_that_is_reserved_for_a_task_of_a_stream_that_ends_is_free_with_the_result(fleet: Fleet) -> None:
    holder = fleet.stream(agents=[agent("a")])
    ending = fleet.stream(groups=[group()], ready=[ready("t1")])
    ending.leave()
    fleet.stream(groups=[group()], ready=[ready("t2")])
    assert holder.pairs() == {("t1", "a")}
    holder.answer("t1", pb.PLACEMENT_OUTCOME_TASK_GONE)
    assert holder.pairs() == {("t2", "a")}


def test_with_the_last_stream_everything_is_forgotten(fleet: Fleet) -> None:
    paused = queue_pb2.Queue(namespace="default", name="q", paused=True)
    fleet.stream(queues=[paused], groups=[group()], ready=[ready("t")]).leave()
    fresh = fleet.stream(groups=[group()], ready=[ready("t")], agents=[agent("a")])
    assert fresh.pairs() == {("t", "a")}


# Snapshots, offers, news.


def test_a_snapshot_counts_when_it_is_complete_and_holds_up_nobody_else(fleet: Fleet) -> None:
    beginning = Stream(fleet, "late")
    beginning.tell(
        coordinator_id="late", snapshot=True, groups=[group()], agents=[agent("b", slots=5)], ready=[ready("t1")]
    )
    other = fleet.stream(groups=[group()], ready=[ready("t2")], agents=[agent("a")])
    assert other.pairs() == {("t2", "a")}
    assert not beginning.placed
    beginning.tell(snapshot=True, snapshot_complete=True)
    assert beginning.pairs() == {("t1", "b")}


def test_a_group_is_offered_agents_of_its_own_stream_only(fleet: Fleet) -> None:
    one = fleet.stream(groups=[group(3)], agents=[agent("a")])
    other = fleet.stream(groups=[group(3)], agents=[agent("b")])
    fleet.pass_time(REVISE_INTERVAL_MICROS)
    assert (one.offers, other.offers) == ({3: ["a"]}, {3: ["b"]})


def test_an_offer_is_withdrawn_while_a_task_of_any_stream_could_use_the_agent(fleet: Fleet) -> None:
    one = fleet.stream(groups=[group(3)], agents=[agent("a")])
    fleet.pass_time(REVISE_INTERVAL_MICROS)
    other = fleet.stream(groups=[group(3)], ready=[ready("t1", "t2", number=3)])
    assert one.offers == {3: []}
    other.tell(removed_task_ids=["t1", "t2"])
    fleet.pass_time(REVISE_INTERVAL_MICROS)
    assert one.offers == {3: ["a"]}


def test_an_agent_that_moved_is_offered_by_its_new_coordinator(fleet: Fleet) -> None:
    one = fleet.stream(groups=[group(3)], agents=[agent("a", session=1)])
    fleet.pass_time(REVISE_INTERVAL_MICROS)
    other = fleet.stream(groups=[group(4)], agents=[agent("a", session=2)])
    assert one.offers == {3: []}
    fleet.pass_time(REVISE_INTERVAL_MICROS)
    assert other.offers == {4: ["a"]}


def test_news_of_a_group_go_to_its_own_stream_under_its_own_number(fleet: Fleet) -> None:
    fleet.stream(agents=[agent("a")])
    one = fleet.stream(groups=[group(1, kind="bake")], ready=[ready("t1")])
    other = fleet.stream(groups=[group(9, kind="bake")], ready=[ready("t2", number=9)])
    fleet.pass_time(limits.REPORT_INTERVAL_MICROS)
    assert [(news.group_id, news.never) for news in one.unplaceable] == [(1, True)]
    assert [(news.group_id, news.never) for news in other.unplaceable] == [(9, True)]
    other.leave()
    assert {source_of(group_id) for group_id in fleet.planner.unplaceable} == {one.session.source}


# Everything at once.


@pytest.mark.parametrize("seed", range(60))
def test_the_indexes_agree_whatever_the_streams_say(seed: int) -> None:
    chance = random.Random(seed)
    fleet = Fleet()
    living = [fleet.stream(groups=[group(1), group(2, priority=1)]) for _ in range(3)]
    for _ in range(150):
        stream = chance.choice(living)
        name, key = f"t{chance.randrange(12)}", f"a{chance.randrange(4)}"
        match chance.randrange(9):
            case 0 | 1 | 2:
                stream.tell(ready=[ready(name, number=chance.choice((1, 2)))])
            case 3:
                stream.tell(removed_task_ids=[name])
            case 4 | 5:
                stream.tell(agents=[agent(key, session=chance.randrange(1, 4), slots=chance.randrange(3))])
            case 6:
                stream.tell(removed_agents=[f"default/{key}"])
            case 7 if stream.numbers:
                stream.answer_number(chance.choice(stream.numbers), chance.choice(OUTCOMES))
            case 8 if chance.random() < 0.3:
                stream.leave()
                living.remove(stream)
                living.append(fleet.stream(groups=[group(1), group(2, priority=1)]))
        fleet.pass_time(chance.choice((0, 1_000, 300_000)))
        check(fleet)
    for stream in living[:-1]:
        stream.leave()
    for number in list(living[-1].numbers):
        living[-1].answer_number(number, pb.PLACEMENT_OUTCOME_TASK_GONE)
    check(fleet)


def check(fleet: Fleet) -> None:
    """What holds between any two calls, by looking at everything."""
    view = fleet.view
    alive = set(fleet.planner.sessions)
    sizes = Counter(waiting.task.group_id for waiting in view.tasks.values())
    assert {group.id: group.size for group in view.backlog.groups.values() if group.size} == sizes
    assert {source_of(group_id) for group_id in view.backlog.groups} <= alive
    held = Counter(known.record for known in view.outstanding.values() if known.record.voids == known.voids)
    for record in view.capacity.by_key.values():
        assert record.source in alive
        assert record.reserved == held[record]
        assert bool(view.capacity.told_by[record.source] & record.bit)
    assert sum(bits.bit_count() for bits in view.capacity.told_by.values()) == len(view.capacity.by_key)
    assert {known.source for known in view.outstanding.values()} <= alive
    placed = [known.waiting for known in view.outstanding.values() if known.waiting.place is Place.PLACED]
    assert len(placed) == len({waiting.task.task_id for waiting in placed})
    assert len(placed) == sum(waiting.place is Place.PLACED for waiting in view.tasks.values())
    if any(record.slots_free and not record.refused for record in view.capacity.by_key.values()):
        waiting = [known for known in view.tasks.values() if known.place is Place.QUEUED and not known.task.avoid]
        assert not waiting or all(view.backlog.groups[known.task.group_id].needs.gate.closed for known in waiting)


def test_the_offers_of_a_stream_that_ended_are_withdrawn_from_nobody_else(fleet: Fleet) -> None:
    """Groups have the numbers of their streams: the one that is left may have the same."""
    one = fleet.stream(groups=[group(3)], agents=[agent("a")])
    other = fleet.stream(groups=[group(3)], agents=[agent("b")])
    fleet.pass_time(REVISE_INTERVAL_MICROS)
    assert (one.offers, other.offers) == ({3: ["a"]}, {3: ["b"]})
    one.leave()
    assert other.offers == {3: ["b"]}
