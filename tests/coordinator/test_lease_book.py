"""The book of leases against the table: whatever happened, it is what a count over the rows is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from services.coordinator.agent_news import AgentNews
from services.coordinator.queue_book import QueueBook
from services.coordinator.tail import Foreign
from services.domain.agent import AgentKey, Declaration
from services.domain.commands import (
    OUTCOMES,
    AdmitAgent,
    AdoptAgents,
    ApplyReports,
    ChangeQueue,
    GrantLeases,
    LeaseKey,
    Placement,
    PlacementOutcome,
    Report,
    ReportKind,
    RevokeLeases,
    RevokeReason,
    WakeTasks,
)
from services.domain.policy import Lane, Limits, QueuePolicy, Strategy
from services.domain.schedule import LeaseLoad
from services.domain.task import HELD, TaskState
from services.store.flush import Committed
from services.store.schema import tasks
from tests.store.conftest import world
from tests.store.world import KIND, NAMESPACE, World, ended, key

__all__ = ["world"]

HERE, THERE = "c1", "c2"
AGENTS = ("a", "b", "c")
COUNTED = QueuePolicy(lanes=(Lane("urgent", 5), Lane("rest", -100)), limits=Limits(leases_max=3))


class Watched:
    """A world whose commits are told to a coordinator's books, as own ones or as those of another coordinator."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.begin()

    def begin(self) -> None:
        """A coordinator starts: it knows nothing but the queues."""
        self.queues = QueueBook(lease_ttl_micros=30_000_000)
        self.news = AgentNews(HERE, self.queues)
        self.world.on_committed = self.own

    def own(self, committed: Committed) -> None:
        if committed.events:
            self.queues.on_committed(committed)
            self.news.on_committed(committed)

    def foreign(self, committed: Committed) -> None:
        """Another coordinator did it: this one hears of it by the log, and reads the rows."""
        named = {event.agent_id for event in committed.events if event.agent_id}
        agents = [self.world.agent(agent_id) for agent_id in sorted(named) if key(agent_id) in self.news.known]
        self.news.on_foreign(Foreign(committed.events, [], {}, agents, []))

    @contextmanager
    def elsewhere(self) -> Iterator[None]:
        """What is done now, another coordinator does."""
        self.world.on_committed = self.foreign
        yield
        self.world.on_committed = self.own

    def connect(self, agent_id: str, *, held: list[LeaseKey] | None = None, coordinator_id: str = HERE) -> None:
        """Hello: of a new process, or of the one before if it says what it holds."""
        if held is None:
            self.world.incarnations[agent_id] = str(uuid4())
        declared = Declaration(kinds=(KIND,), slots=3, queue_limit=2)
        incarnation = self.world.incarnations[agent_id]
        hello = AdmitAgent(key(agent_id), incarnation, declared, held or [], False, coordinator_id)
        self.world.sessions[agent_id] = self.world.do(hello).session

    def lease(self, task_id: str, agent_id: str, **fields: Any) -> None:
        self.world.submit(task_id, **fields)
        assert self.world.grant(task_id, agent_id) is PlacementOutcome.GRANTED

    def told(self) -> dict[str, tuple[LeaseLoad, ...]]:
        """The loads that the scheduler is told now, by agent."""
        return {told.agent.id: tuple(told.loads) for _, told in self.news.take() if told is not None}

    def held(self) -> dict[AgentKey, list[Any]]:
        """What each agent holds by the rows."""
        with self.world.engine.connect() as connection:
            rows = connection.execute(select(tasks).where(tasks.c.state.in_([int(state) for state in HELD]))).all()
        found: dict[AgentKey, list[Any]] = {}
        for row in rows:
            found.setdefault((row.namespace, row.agent_id), []).append(row)
        return found

    def compare(self) -> None:
        """The book against the rows, for every agent that is here."""
        held = self.held()
        for agent_key, agent in self.news.known.items():
            rows = held.get(agent_key, [])
            told = self.news.leases.loads(agent_key, lambda _: True)
            by_book = Counter({(load.queue, load.priority, load.fairness_key): load.leases for load in told})
            assert by_book == Counter((row.queue, row.priority, row.fairness_key) for row in rows)
            assert agent.leases == len(rows)
            for queue in ("q1", "q2"):
                waiting = {(r.id, r.token) for r in rows if r.queue == queue and r.state == TaskState.LEASED}
                assert set(self.news.leases.unstarted(agent_key, queue, 100)) == waiting
        assert all(agent_key in self.news.known for agent_key in held if self.is_here(agent_key))

    def is_here(self, agent_key: AgentKey) -> bool:
        agent = self.world.agent(agent_key[1])
        return agent.connected and agent.coordinator_id == HERE


@pytest.fixture
def watched(world: World) -> Iterator[Watched]:
    made = Watched(world)
    yield made
    made.compare()


class Script:
    """Things at random that may happen to leases. `chance` replays."""

    def __init__(self, watched: Watched, chance: Random) -> None:
        self.watched = watched
        self.world = watched.world
        self.chance = chance
        self.made: list[str] = []

    def step(self) -> None:
        often = [self.submit] * 8 + [self.grant] * 16 + [self.report] * 16 + [self.pass_on] * 6
        seldom = [self.restart, self.leave, self.connect, self.reconnect, self.move]
        anywhere = [self.lose, self.cancel, self.wake]
        step = self.chance.choice(often + seldom + anywhere)
        for agent_id in AGENTS:
            if not self.watched.is_here(key(agent_id)) and self.chance.random() < 0.2:
                self.watched.connect(agent_id, held=self.most_leases_of(agent_id))
        if step in anywhere and self.chance.random() < 0.5:
            with self.watched.elsewhere():
                step()
        else:
            step()

    def submit(self) -> None:
        task_id = f"t{len(self.made)}"
        self.made.append(task_id)
        self.world.submit(
            task_id,
            queue=self.chance.choice(("q1", "q2")),
            priority=self.chance.choice((0, 5)),
            fairness_key=self.chance.choice(("", "ann", "bob")),
            queue_limit_micros=self.chance.choice((0, 1)),
        )

    def grant(self) -> None:
        for task_id in self.made[-12:]:
            agent_id = self.chance.choice(AGENTS)
            if self.watched.is_here(key(agent_id)):
                self.world.grant(task_id, agent_id)

    def a_lease(self) -> tuple[str, str] | None:
        """Of an agent that is here."""
        held = self.watched.held().items()
        leases = sorted((agent[1], row.id) for agent, rows in held if self.watched.is_here(agent) for row in rows)
        return self.chance.choice(leases) if leases else None

    def report(self) -> None:
        lease = self.a_lease()
        kind = self.chance.choice((ReportKind.STARTED, ReportKind.STARTED, *OUTCOMES))
        if lease is not None and kind is ReportKind.STARTED:
            self.world.start(*lease)
        elif lease is not None:
            self.world.finish(*lease, kind)

    def pass_on(self) -> None:
        """In one flush an agent gives a lease back, and another one gets the task, or the same one again."""
        lease, agent_id = self.a_lease(), self.chance.choice(AGENTS)
        if lease is None or not self.watched.is_here(key(agent_id)):
            return
        holder, task_id = lease
        back = ended(self.world.number(), task_id, self.world.task(task_id).token, ReportKind.RETURNED)
        sessions, incarnation = self.world.sessions, self.world.incarnations[holder]
        reporting = ApplyReports(key(holder), incarnation, sessions[holder], [back])
        granting = GrantLeases([Placement(1, task_id, agent_id, sessions[agent_id])], [key(agent_id)])
        self.world.flush(reporting, granting)

    def lose(self) -> None:
        lease = self.a_lease()
        if lease is not None:
            self.world.lose(*lease)

    def cancel(self) -> None:
        if self.made:
            self.world.cancel(self.chance.choice(self.made))

    def wake(self) -> None:
        self.world.do(WakeTasks(list(self.made)))

    def connect(self) -> None:
        self.watched.connect(self.chance.choice(AGENTS))

    def reconnect(self) -> None:
        agent_id = self.chance.choice(AGENTS)
        self.watched.connect(agent_id, held=self.most_leases_of(agent_id))

    def move(self) -> None:
        """To another coordinator."""
        agent_id = self.chance.choice(AGENTS)
        with self.watched.elsewhere():
            self.watched.connect(agent_id, held=self.most_leases_of(agent_id), coordinator_id=THERE)

    def most_leases_of(self, agent_id: str) -> list[LeaseKey]:
        return [(row.id, row.token) for row in self.watched.held().get(key(agent_id), []) if self.chance.random() < 0.8]

    def leave(self) -> None:
        agent_id = self.chance.choice(AGENTS)
        if self.watched.is_here(key(agent_id)):
            self.world.leave(agent_id, goodbye=self.chance.random() < 0.3)

    def restart(self) -> None:
        """The coordinator is killed; the new one adopts the agents that were connected."""
        self.watched.begin()
        self.world.do(AdoptAgents([(key(agent_id), self.world.sessions[agent_id]) for agent_id in AGENTS]))


@pytest.mark.parametrize("seed", range(4))
def test_the_book_is_what_a_count_over_the_rows_is(watched: Watched, seed: int) -> None:
    """S13. With new processes, broken streams, moves to and fro, restarts, and what other coordinators do to leases."""
    for agent_id in AGENTS:
        watched.connect(agent_id)
    script = Script(watched, Random(seed))
    for _ in range(100):
        script.step()
        watched.compare()


def test_grant_start_and_end_in_one_flush_leave_nothing(watched: Watched) -> None:
    watched.connect("a")
    watched.world.submit("t")
    granting = GrantLeases([Placement(1, "t", "a", watched.world.sessions["a"])], [key("a")])
    reports = [Report(1, "t", 1, ReportKind.STARTED), ended(2, "t", 1, ReportKind.SUCCEEDED)]
    reporting = ApplyReports(key("a"), watched.world.incarnations["a"], watched.world.sessions["a"], reports)
    watched.world.flush(granting, reporting)
    assert watched.world.task("t").state is TaskState.SUCCEEDED
    assert watched.news.leases.loads(key("a"), lambda _: True) == ()


def test_loads_are_told_of_queues_that_count_their_leases_only(watched: Watched) -> None:
    watched.connect("a")
    watched.world.do(ChangeQueue((NAMESPACE, "q1"), policy=COUNTED))
    watched.lease("t1", "a", queue="q1", priority=5, fairness_key="ann")
    watched.lease("t2", "a", queue="q2")
    assert watched.told() == {"a": (LeaseLoad("q1", 5, "ann", 1),)}


def test_who_holds_leases_of_a_queue_is_told_again_when_its_policy_changes(watched: Watched) -> None:
    watched.connect("a")
    watched.connect("b")
    watched.lease("t1", "a", queue="q1")
    assert watched.told() == {"a": (), "b": ()}
    watched.world.do(ChangeQueue((NAMESPACE, "q1"), policy=COUNTED))
    assert watched.told() == {"a": (LeaseLoad("q1", 0, "", 1),)}


def test_an_agent_that_is_away_is_told_of_as_long_as_it_holds_leases(watched: Watched) -> None:
    """Also by a coordinator that was started again: what such an agent holds counts against limits."""
    watched.connect("a")
    watched.lease("t1", "a", queue="q1")
    watched.begin()
    watched.world.do(AdoptAgents([(key("a"), watched.world.sessions["a"])]))
    watched.world.do(ChangeQueue((NAMESPACE, "q1"), policy=COUNTED))
    (away,) = watched.news.snapshot()
    assert (away.agent.accepting, away.loads) == (False, (LeaseLoad("q1", 0, "", 1),))

    watched.world.do(RevokeLeases(key("a"), watched.world.sessions["a"], [("t1", 1)], RevokeReason.EXPIRED))
    assert watched.news.take() == [(key("a"), None)]
    assert watched.news.snapshot() == []


def test_the_newest_leases_that_have_not_started_are_recalled(watched: Watched) -> None:
    for queue in ("q1", "q2"):
        watched.world.do(ChangeQueue((NAMESPACE, queue), QueuePolicy(strategy=Strategy.SHORTEST_QUEUE)))
    watched.connect("a")
    asked: list[tuple[AgentKey, int, list[LeaseKey]]] = []
    watched.news.on_recall = lambda *order: asked.append(order)
    for task_id in ("t1", "t2", "t3", "t4"):
        watched.lease(task_id, "a", queue="q2" if task_id == "t2" else "q1")
    watched.world.start("a", "t4")
    session = watched.world.sessions["a"]
    watched.news.recall(key("a"), session, queue="q1", count=1)
    watched.news.recall(key("a"), session, queue="q1", count=9)
    watched.news.recall(key("a"), session + 1, queue="q1", count=9)
    watched.news.recall(key("nobody"), session, queue="q1", count=9)
    assert asked == [(key("a"), session, [("t3", 1)]), (key("a"), session, [("t3", 1), ("t1", 1)])]


def test_the_last_grant_is_known_also_of_leases_that_a_hello_brings(watched: Watched) -> None:
    watched.connect("a")
    assert watched.news.leases.last_grant_time(key("a")) == 0
    watched.lease("t", "a")
    granted = watched.world.task("t").grant_time
    assert watched.news.leases.last_grant_time(key("a")) == granted
    watched.begin()
    watched.connect("a", held=[("t", 1)])
    assert watched.news.leases.last_grant_time(key("a")) == granted


def test_what_is_told_late_of_an_earlier_lease_of_a_task_leaves_the_current_one(watched: Watched) -> None:
    watched.connect("a")
    watched.lease("t", "a")
    with watched.elsewhere():
        lease = [("t", 1)]
        watched.world.do(RevokeLeases(key("a"), watched.world.sessions["a"], lease, RevokeReason.UNDELIVERED))
    ending = watched.world.events[-1]
    assert watched.world.grant("t", "a") is PlacementOutcome.GRANTED
    watched.news.on_foreign(Foreign([ending], [], {}, [], []))
    assert watched.news.leases.unstarted(key("a"), "default", 9) == [("t", 2)]
