"""Offers of agents in advance: made while nothing waits that could use them, and taken back in time."""

from __future__ import annotations

import pytest

from services.domain import standing
from services.domain.placement import plan
from services.domain.requirements import Requirements
from services.domain.schedule import QueueRule, ScheduleChanges
from services.domain.schedule_view import ScheduleView
from services.domain.standing import REVISE_INTERVAL_MICROS, Standing, StandingOffers
from tests.domain.test_placement import NOW, agent, group, task, view_of

LATER = NOW + REVISE_INTERVAL_MICROS


def said(offers: StandingOffers, view: ScheduleView, now: int = NOW) -> dict[int, list[str]]:
    """What is said after a plan: the agents by group, none where an offer is withdrawn."""
    plan(view, now)
    return {offer.group_id: sorted(name for name, _ in offer.agents) for offer in offers.revise(view, now)}


def test_agents_are_offered_to_every_group_that_they_may_serve_while_nothing_waits() -> None:
    rare = Requirements(capabilities=("rare",))
    view = view_of(ScheduleChanges(groups=(group(1), group(2, requirements=rare)), agents=(agent("a"), agent("b"))))
    assert said(StandingOffers(), view) == {1: ["a", "b"]}


def test_an_offer_is_said_once_and_again_only_when_it_changes() -> None:
    offers, view = StandingOffers(), view_of(ScheduleChanges(groups=(group(1),), agents=(agent("a"),)))
    assert said(offers, view) == {1: ["a"]}
    assert said(offers, view, LATER) == {}
    view.apply(ScheduleChanges(agents=(agent("b"),)), LATER)
    assert said(offers, view, LATER) == {}, "it follows the loads no more often than the interval"
    assert said(offers, view, LATER + REVISE_INTERVAL_MICROS) == {1: ["a", "b"]}


def test_an_offer_is_withdrawn_as_soon_as_a_task_waits_that_could_use_the_agent() -> None:
    """Also for other groups: the order of those that wait is what decides then."""
    offers = StandingOffers()
    view = view_of(ScheduleChanges(groups=(group(1), group(2, priority=5)), agents=(agent("a", leases=1),)))
    assert said(offers, view) == {1: ["a"], 2: ["a"]}
    view.apply(ScheduleChanges(ready=(task("t", group_id=2),)), NOW)
    assert said(offers, view) == {1: [], 2: []}
    view.apply(ScheduleChanges(removed_task_ids=("t",)), NOW)
    assert said(offers, view) == {1: ["a"], 2: ["a"]}, "nothing waits any more: it comes back at once"


def test_a_task_that_no_agent_of_an_offer_could_run_does_not_end_it() -> None:
    offers = StandingOffers()
    rare = group(2, requirements=Requirements(capabilities=("rare",)))
    view = view_of(ScheduleChanges(groups=(group(1), rare), agents=(agent("a"),), ready=(task("t", group_id=2),)))
    assert said(offers, view) == {1: ["a"]}


def test_tasks_behind_the_window_wait_as_well() -> None:
    view = view_of(ScheduleChanges(groups=(group(1),), agents=(agent("a"),)))
    view.backlog.groups[1].unsent = 7
    view.backlog.unexplained[view.backlog.groups[1].needs] = None
    assert said(StandingOffers(), view) == {}


def test_a_task_that_was_just_proposed_does_not_wait() -> None:
    view = view_of(ScheduleChanges(groups=(group(1),), agents=(agent("a", slots=2),), ready=(task("t"),)))
    assert said(StandingOffers(), view) == {1: ["a"]}


def test_agents_that_take_no_work_and_closed_queues_are_left_out() -> None:
    changes = ScheduleChanges(
        queues=(QueueRule("default", "closed", True),),
        groups=(group(1), group(2, queue="closed")),
        agents=(agent("a"), agent("cordoned", accepting=False)),
    )
    offers, view = StandingOffers(), view_of(changes)
    assert said(offers, view) == {1: ["a"]}
    view.apply(ScheduleChanges(agents=(agent("a", accepting=False),)), NOW)
    assert said(offers, view) == {1: []}


@pytest.mark.parametrize(
    "change",
    [
        ScheduleChanges(agents=(agent("a", session=2),)),
        ScheduleChanges(removed_agents=("default/a",)),
        ScheduleChanges(queues=(QueueRule("default", "q", True),)),
        ScheduleChanges(removed_groups=(1,)),
    ],
)
def test_an_offer_ends_with_what_it_was_made_for(change: ScheduleChanges) -> None:
    offers, view = StandingOffers(), view_of(ScheduleChanges(groups=(group(1),), agents=(agent("a"),)))
    assert said(offers, view) == {1: ["a"]}
    view.apply(change, NOW)
    assert offers.revise(view, NOW)[0] == Standing(1)


def test_of_many_agents_the_least_loaded_are_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "AGENTS_MAX", 2)
    agents = tuple(agent(f"a{leases}", slots=4, leases=leases) for leases in (3, 0, 2, 1))
    view = view_of(ScheduleChanges(groups=(group(1),), agents=agents))
    assert said(StandingOffers(), view) == {1: ["a0", "a1"]}


def test_only_the_newest_groups_have_offers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "GROUPS_MAX", 2)
    view = view_of(ScheduleChanges(groups=(group(1), group(2), group(3)), agents=(agent("a"),)))
    assert set(said(StandingOffers(), view)) == {2, 3}


def test_where_many_sets_of_needs_wait_nothing_is_given_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "WAITING_MAX", 0)
    rare = group(2, requirements=Requirements(capabilities=("rare",)))
    view = view_of(ScheduleChanges(groups=(group(1), rare), agents=(agent("a"),), ready=(task("t", group_id=2),)))
    assert said(StandingOffers(), view) == {}
