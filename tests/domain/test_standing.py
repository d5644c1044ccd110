"""Standing placements: what the scheduler offers in advance, and when it takes that back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from services.domain import standing as module
from services.domain.commands import Placement, PlacementOutcome
from services.domain.placement import plan
from services.domain.requirements import AgentProfile, Requirements
from services.domain.schedule import (
    PlacementResult,
    QueueRule,
    ReadyTask,
    SchedulableAgent,
    ScheduleChanges,
    TaskGroup,
    group_id_of,
)
from services.domain.schedule_view import ScheduleView
from services.domain.standing import AGENTS_MAX, GROUPS_MAX, REVISE_INTERVAL_MICROS, StandingOffers

ANYTHING = AgentProfile(kinds=frozenset({"build"}), capabilities=frozenset({"gpu"}))
PLAIN = AgentProfile(kinds=frozenset({"build"}))


class Stream:
    """One stream: the view, what was offered, and the offers that stand by what was said."""

    def __init__(self) -> None:
        self.view = ScheduleView()
        self.offers = StandingOffers()
        self.now = 1_000_000
        self.standing: dict[int, tuple[tuple[str, int], ...]] = {}
        self.placements: list[Placement] = []

    def tell(self, **changes: Any) -> None:
        """Takes in a message at once: no time passes."""
        self.view.apply(ScheduleChanges(**changes), self.now)
        self.decide()

    def decide(self) -> None:
        self.placements += plan(self.view, self.now)
        for said in self.offers.revise(self.view, self.now):
            self.standing[said.group_id] = said.agents

    def settle(self) -> None:
        """The time comes at which offers follow the loads again."""
        self.now += REVISE_INTERVAL_MICROS
        self.decide()

    def names(self, group_id: int = 1) -> list[str]:
        """The agents that new tasks of a group may go to now."""
        return sorted(agent_id for agent_id, _ in self.standing.get(group_id, ()))

    def grant(self) -> None:
        """Every placement was granted."""
        results = tuple(PlacementResult(placement.number, PlacementOutcome.GRANTED) for placement in self.placements)
        self.placements = []
        self.tell(results=results)


def agent(agent_id: str, **fields: Any) -> SchedulableAgent:
    made = SchedulableAgent(f"default/{agent_id}", "default", agent_id, 1, True, PLAIN, 2)
    return msgspec.structs.replace(made, **fields)


def group(number: int = 1, **fields: Any) -> TaskGroup:
    made = TaskGroup(number, "default", "q", 0, "build", Requirements(), "plain")
    return msgspec.structs.replace(made, **fields)


def gpu_group(number: int = 2, **fields: Any) -> TaskGroup:
    return group(number, requirements=Requirements(capabilities=("gpu",)), needs_id="gpu", **fields)


def task(task_id: str = "t", group_id: int = 1) -> ReadyTask:
    return ReadyTask(group_id, task_id, 1)


@pytest.fixture
def stream() -> Stream:
    return Stream()


def test_an_offer_is_made_while_nothing_waits(stream: Stream) -> None:
    stream.tell(agents=(agent("a", session=7), agent("b")), groups=(group(),))
    assert sorted(stream.standing[1]) == [("a", 7), ("b", 1)]


def test_what_was_said_is_not_said_again(stream: Stream) -> None:
    stream.tell(agents=(agent("a"),), groups=(group(),))
    stream.now += REVISE_INTERVAL_MICROS
    assert stream.offers.revise(stream.view, stream.now) == []


def test_an_offer_names_agents_that_are_full_just_now(stream: Stream) -> None:
    """They reserve nothing: the coordinator knows the loads better, and the next slot is theirs to give."""
    stream.tell(agents=(agent("a", leases=2),), groups=(group(),))
    assert stream.names() == ["a"]


def test_an_offer_is_withdrawn_at_once_when_a_task_waits_that_could_use_the_agent(stream: Stream) -> None:
    stream.tell(agents=(agent("a", leases=2),), groups=(group(),))
    stream.tell(ready=(task(),))
    assert stream.names() == []


def test_a_waiting_task_of_another_group_withdraws_only_the_offers_of_its_agents(stream: Stream) -> None:
    gpu = agent("g", profile=ANYTHING, leases=2)
    stream.tell(agents=(agent("a"), gpu), groups=(group(), gpu_group()))
    assert stream.names(1) == ["a", "g"]
    assert stream.names(2) == ["g"]
    stream.tell(ready=(task(group_id=2),))
    assert stream.names(1) == []
    stream.settle()
    assert stream.names(1) == ["a"]
    assert stream.names(2) == []


def test_a_task_of_lower_priority_that_waits_withdraws_too(stream: Stream) -> None:
    """Which of the two is served first is for `plan`: an agent is not given away past anybody."""
    stream.tell(agents=(agent("a", leases=2),), groups=(group(priority=5), group(2, priority=1)))
    stream.tell(ready=(task(group_id=2),))
    assert stream.names(1) == []


def test_what_waits_behind_the_window_withdraws_although_all_of_the_window_is_placed(stream: Stream) -> None:
    stream.tell(agents=(agent("a"),), groups=(group(),))
    stream.tell(ready=(task(),), groups=(group(unsent=3),))
    assert [placement.task_id for placement in stream.placements] == ["t"]
    stream.settle()
    assert stream.names() == []


def test_an_offer_comes_back_as_soon_as_nothing_waits_any_more(stream: Stream) -> None:
    stream.tell(agents=(agent("a", leases=2),), groups=(group(),))
    stream.tell(ready=(task(),))
    stream.tell(agents=(agent("a", leases=0),))
    assert [placement.task_id for placement in stream.placements] == ["t"]
    assert stream.names() == ["a"], "not only when offers are due again"
    stream.grant()
    assert stream.names() == ["a"]


def test_an_offer_comes_back_when_the_waiting_task_is_cancelled(stream: Stream) -> None:
    stream.tell(agents=(agent("a", leases=2),), groups=(group(),))
    stream.tell(ready=(task(),))
    stream.tell(removed_task_ids=("t",))
    assert stream.names() == ["a"]


def test_nothing_is_offered_to_a_closed_queue(stream: Stream) -> None:
    stream.tell(agents=(agent("a"),), groups=(group(), group(2, queue="other")))
    stream.tell(queues=(QueueRule("default", "q", paused=True),))
    assert stream.names(1) == []
    assert stream.names(2) == ["a"]
    stream.tell(queues=(QueueRule("default", "q", paused=False),))
    stream.settle()
    assert stream.names(1) == ["a"]


def test_the_backlog_of_a_closed_queue_takes_no_agent_from_another(stream: Stream) -> None:
    stream.tell(queues=(QueueRule("default", "q", paused=True),))
    stream.tell(agents=(agent("a", leases=2),), groups=(group(), group(2, queue="other")), ready=(task(),))
    stream.settle()
    assert stream.names(2) == ["a"]
    stream.tell(queues=(QueueRule("default", "q", paused=False),))
    assert stream.names(2) == [], "from the moment on at which it is open, its tasks wait"


def test_an_agent_that_does_not_accept_is_taken_out_at_once(stream: Stream) -> None:
    stream.tell(agents=(agent("a"), agent("b")), groups=(group(),))
    stream.tell(agents=(agent("a", accepting=False),))
    assert stream.names() == []
    stream.settle()
    assert stream.names() == ["b"]


def test_an_agent_that_left_is_taken_out_at_once(stream: Stream) -> None:
    stream.tell(agents=(agent("a"),), groups=(group(),))
    stream.tell(removed_agents=("default/a",))
    assert stream.names() == []


def test_an_agent_on_a_new_session_is_offered_anew(stream: Stream) -> None:
    stream.tell(agents=(agent("a"),), groups=(group(),))
    stream.tell(agents=(agent("a", session=2),))
    assert stream.standing[1] == ()
    stream.settle()
    assert stream.standing[1] == (("a", 2),)


def test_an_agent_that_may_not_run_the_tasks_is_not_offered(stream: Stream) -> None:
    stream.tell(agents=(agent("a"), agent("b", profile=ANYTHING)), groups=(gpu_group(),))
    assert stream.names(2) == ["b"]


def test_of_many_agents_the_least_loaded_are_offered(stream: Stream) -> None:
    busy = [agent(f"busy{number:02}", leases=1) for number in range(AGENTS_MAX)]
    idle = [agent(f"idle{number:02}") for number in range(AGENTS_MAX - 3)]
    stream.tell(agents=(*busy, *idle), groups=(group(),))
    offered = stream.names()
    assert len(offered) == AGENTS_MAX
    assert {known.agent_id for known in idle} <= set(offered)


def test_offers_follow_the_loads_no_more_often_than_the_interval_says(stream: Stream) -> None:
    fleet = [agent(f"a{number:02}") for number in range(AGENTS_MAX + 1)]
    stream.tell(agents=tuple(fleet), groups=(group(),))
    (left_out,) = {known.agent_id for known in fleet} - set(stream.names())
    stream.tell(agents=tuple(msgspec.structs.replace(a, leases=int(a.agent_id != left_out)) for a in fleet))
    assert left_out not in stream.names()
    stream.settle()
    assert left_out in stream.names()


def test_a_group_that_is_gone_has_no_offer(stream: Stream) -> None:
    stream.tell(agents=(agent("a"),), groups=(group(),))
    stream.tell(removed_groups=(1,))
    assert stream.names() == []


def test_only_the_newest_groups_have_offers(stream: Stream) -> None:
    many = tuple(group(number, needs_id=f"n{number}") for number in range(1, GROUPS_MAX + 1))
    stream.tell(agents=(agent("a"),), groups=many)
    assert all(stream.names(known.id) == ["a"] for known in many)
    stream.tell(groups=(group(GROUPS_MAX + 1, needs_id="newest"),))
    stream.settle()
    assert stream.names(1) == []
    assert stream.names(2) == stream.names(GROUPS_MAX + 1) == ["a"]


def test_where_more_sets_of_needs_wait_than_are_looked_at_nothing_is_offered(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING_MAX", 2)
    starved = tuple(group(10 + number, kind="unknown", needs_id=f"n{number}") for number in range(3))
    stream.tell(agents=(agent("a"),), groups=(group(), *starved))
    stream.tell(ready=tuple(task(f"t{known.id}", known.id) for known in starved[:2]))
    assert stream.names() == ["a"], "nobody can run them: they take no agent from anybody"
    stream.tell(ready=(task("last", 12),))
    assert stream.names() == []


def test_the_same_history_gives_the_same_offers() -> None:
    streams = [Stream(), Stream()]
    for each in streams:
        each.tell(agents=tuple(agent(f"a{number}", leases=number % 3) for number in range(50)), groups=(group(),))
        each.tell(ready=(task(),))
        each.settle()
    assert streams[0].standing == streams[1].standing


def test_a_task_that_was_refused_withdraws_the_offers_of_the_agents_that_it_may_go_to(stream: Stream) -> None:
    stream.tell(agents=(agent("a", slots=1),), groups=(group(),), ready=(task(),))
    (placement,) = stream.placements
    stream.settle()
    assert stream.names() == ["a"]
    full = PlacementResult(placement.number, PlacementOutcome.AGENT_FULL)
    stream.tell(results=(full,), agents=(agent("a", slots=1, leases=1),))
    assert stream.names() == []
    stream.tell(agents=(agent("a", slots=1, last_grant_time=1),))
    assert [placed.task_id for placed in stream.placements] == ["t", "t"]


def test_a_refused_task_that_is_of_another_stream_and_other_needs_by_now_withdraws_offers(stream: Stream) -> None:
    """Another coordinator took it over and put it elsewhere, while its placement was on its way."""
    here, there = group_id_of(1, 1), group_id_of(2, 1)
    stream.tell(source=2, groups=(gpu_group(there),))
    stream.tell(source=1, agents=(agent("g", profile=ANYTHING, slots=1),), groups=(group(here),))
    stream.settle()
    assert stream.names(here) == ["g"]
    stream.tell(source=1, ready=(task(group_id=here),))
    (placement,) = stream.placements
    stream.tell(source=2, ready=(task(group_id=there),))
    stream.tell(source=1, removed_task_ids=("t",))
    full = PlacementResult(placement.number, PlacementOutcome.AGENT_FULL)
    stream.tell(source=1, results=(full,), agents=(agent("g", profile=ANYTHING, slots=1, leases=1),))
    assert stream.names(here) == []
