"""A stateful property test of the whole store: whatever is asked for, in whatever order and company, real journals on a
real database answer what a small model answers, and leave behind what it has.

Commands go out one at a time, or several at once, so that they share a flush or ride on one that is not written yet;
among them some that the database does not take, and some whose caller goes away. Replay a long run with its seed:
`make faults SEED=… TESTS=tests/store/test_model.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from services.domain.agent import Declaration, DrainMode
from services.domain.commands import (
    AdmitAgent,
    AdoptAgents,
    AgentAction,
    ApplyReports,
    CancelTask,
    ChangeAgent,
    ChangeQueue,
    Command,
    CreateTasks,
    EndSession,
    ExpireAgent,
    Forget,
    GrantLeases,
    LeaseKey,
    NewTask,
    Placement,
    Report,
    ReportKind,
    RevokeLeases,
    RevokeReason,
    WakeTasks,
)
from services.domain.failure import Failure, FailureReason, Progress
from services.domain.queue import QueuePolicy
from services.domain.requirements import Requirements
from services.domain.retry import RetryPolicy
from services.domain.task import TaskState
from services.store import flush, journal
from services.store.agents import AgentFilter, list_agents
from services.store.queues import get_queue
from services.store.task_index import TaskFilter
from services.store.tasks import list_attempts, list_tasks
from tests.faults.figures import SEED
from tests.store.journals import Journals, Sent
from tests.store.log_promises import PROMISES, Past
from tests.store.model import SECOND, Model, ModelAgent, ModelTask, agree, seen
from tests.store.world import KIND, new_task

# Each agent with its slots, the depth of its own queue, and its gpus.
AGENTS = {"a": (2, 0, 2.0), "b": (1, 1, 1.0), "c": (1, 0, 0.0)}
QUEUES = ("q1", "q2")
START = 1_800_000_000 * SECOND
MANY = 1_000
REDELIVERIES_MAX = 1
# One journal starts in half a second: one in so many restarts happens.
RESTARTS = 6

agents = st.sampled_from(sorted(AGENTS))
queues = st.sampled_from(QUEUES)
newest = st.integers(0, 5)  # a task, counted from the newest
seldom = st.sampled_from([False, False, False, True])
limits = st.sampled_from([0, 0, 15 * SECOND])
# Off by so much from the current token.
offsets = st.sampled_from([0, 0, 0, 0, -1, 1])


class Clock:
    """The flushes' clock, microseconds."""

    def __init__(self) -> None:
        self.now = START

    def time_ns(self) -> int:
        return self.now * 1000


class Coordination(RuleBasedStateMachine):
    """See the module. A rule is a command; `together` has the next ones go out at once."""

    def __init__(self, journals: Journals, clock: Clock) -> None:
        super().__init__()
        self.journals = journals
        self.clock = clock
        self.namespace = journals.new_namespace()
        self.model = Model(self.namespace)
        self.at = 0  # the journal that commands go to
        self.batch: list[Sent] = []
        self.batch_size, self.turns, self.gone = 1, 0, 0
        self.made: list[str] = []
        self.news: dict[str, NewTask] = {}
        self.said: list[ApplyReports] = []
        self.numbers = 0
        self.incarnations: dict[tuple[str, int], str] = {}
        self.failed = False

    # What commands are made of.

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def named(self, name: str) -> str:
        return f"{self.namespace}.{name}"

    def key(self, agent_id: str) -> tuple[str, str]:
        return (self.namespace, agent_id)

    def agent(self, name: str) -> ModelAgent:
        return self.model.agents[self.named(name)]

    def task(self, place: int) -> ModelTask | None:
        """One of the newest; None if its submit is not answered yet, or it is forgotten."""
        return self.model.tasks.get(self.task_id(place))

    def task_id(self, place: int) -> str:
        return self.made[-1 - place % len(self.made)]

    def token(self, place: int, offset: int) -> int:
        task = self.task(place)
        return max(1, (task.token if task else 1) + offset)

    def holder(self, place: int, other: str) -> ModelAgent:
        """Who holds the task, or held it last; another agent if nobody did."""
        task = self.task(place)
        return self.model.agents[task.agent] if task is not None and task.agent else self.agent(other)

    def placement(self, task_id: str, agent: str, *, stale: bool = False) -> Placement:
        return Placement(1, task_id, self.named(agent), self.agent(agent).session - stale)

    def leases(self, agent: ModelAgent) -> list[LeaseKey]:
        return [(task.new.id, task.token) for task in self.model.held_by(agent.id)]

    # How they go out.

    def say(self, command: Command) -> None:
        self.batch.append((self.at, command))
        if len(self.batch) >= self.batch_size:
            self.submit()

    def submit(self) -> None:
        """Sends what has gathered, and compares the answers with the model's."""
        sent, self.batch, self.batch_size = self.batch, [], 1
        if not sent:
            return
        gone = self.gone if 0 <= self.gone < len(sent) and len(sent) > 1 else None
        self.model.now = self.clock.now
        try:
            found = self.journals.ask(sent, turns=self.turns, gone=gone)
            answers = [None if place == gone else seen(answer) for place, answer in enumerate(found)]
            self.model = self.explained(sent, answers, gone)
        except BaseException:
            self.failed = True
            raise

    def explained(self, sent: Sequence[Sent], answers: Sequence[Any], gone: int | None) -> Model:
        """The model after these commands, in an order in which it gives the same answers."""
        expected: dict[int, Any] = {}
        for order in orders([number for number, _ in sent]):
            model = self.model.copy()
            expected = {place: model.apply(sent[place][1]) for place in order}
            if all(place == gone or agree(expected[place], answers[place]) for place in order):
                self.note_sessions(sent, expected)
                return model
        told = [f"{c}\n    answered {answers[n]}\n    expected {expected[n]}" for n, (_, c) in enumerate(sent)]
        raise AssertionError("\n".join(told))

    def note_sessions(self, sent: Sequence[Sent], answers: dict[int, Any]) -> None:
        for place, (_, command) in enumerate(sent):
            if isinstance(command, AdmitAgent) and isinstance(answers[place], tuple):
                self.incarnations[(command.agent[1], answers[place][0])] = command.incarnation

    @rule(count=st.integers(2, 6), turns=st.sampled_from([0, 2, 4]), gone=st.integers(-3, 5))
    def together(self, count: int, turns: int, gone: int) -> None:
        self.submit()
        self.batch_size, self.turns, self.gone = count, turns, gone

    @precondition(lambda self: self.journals.count > 1)
    @rule(number=st.integers(0, MANY))
    def elsewhere(self, number: int) -> None:
        self.at = number % self.journals.count

    @rule(seconds=st.sampled_from([5, 20, 60]))
    def wait(self, seconds: int) -> None:
        self.submit()
        self.clock.now += seconds * SECOND

    @rule(luck=st.integers(0, RESTARTS))
    def restart(self, luck: int) -> None:
        """A coordinator starts anew, and finds agents without streams."""
        self.submit()
        if luck == RESTARTS:
            self.journals.restart(self.at)
            self.say(AdoptAgents([self.key(agent_id) for agent_id in self.model.agents]))

    # Tasks.

    @initialize()
    def connect(self) -> None:
        for name in AGENTS:
            self.admit(name, "new", "none", False)

    @rule(
        request=st.sampled_from([None, None, 0, 1, 2]),
        digest=st.sampled_from(["x", "x", "y"]),
        later=st.sampled_from([0, 0, 0, -1, 30]),
        gpus=st.sampled_from([0.0, 0.0, 1.0]),
        attempts=st.integers(1, 3),
        queue=queues,
        queue_limit=limits,
        run_limit=limits,
        to=st.sampled_from(["", "", *AGENTS]),
    )
    def create(
        self,
        request: int | None,
        digest: str,
        later: int,
        gpus: float,
        attempts: int,
        queue: str,
        queue_limit: int,
        run_limit: int,
        to: str,
    ) -> None:
        """With `to`: under a standing placement."""
        new = new_task(
            self.named(f"t{self.number()}"),
            namespace=self.namespace,
            queue=self.named(queue),
            request_id="" if request is None else f"r{request}",
            digest=digest,
            not_before_time=self.clock.now + later * SECOND if later else 0,
            requirements=Requirements(resources={"gpu": gpus} if gpus else {}),
            retry=RetryPolicy(attempts, initial_backoff_seconds=0.5, redeliveries_max=REDELIVERIES_MAX),
            queue_limit_micros=queue_limit,
            run_limit_micros=run_limit,
        )
        self.made.append(new.id)
        self.news[new.id] = new
        self.say(CreateTasks([new], [self.placement(new.id, to)] if to else []))

    @rule(field=st.sampled_from(["queue", "affinity_key"]))
    def create_what_no_database_takes(self, field: str) -> None:
        """It fails alone. What the journal remembers is gone with it."""
        values = {"namespace": self.namespace, "queue": self.named("q1"), field: None}
        self.say(CreateTasks([new_task(self.named(f"t{self.number()}"), **values)]))

    @precondition(lambda self: self.made)
    @rule(place=newest, foreign=seldom)
    def cancel(self, place: int, foreign: bool) -> None:
        self.say(CancelTask("elsewhere" if foreign else self.namespace, self.task_id(place)))

    @precondition(lambda self: self.made)
    @rule(places=st.lists(newest, min_size=1, max_size=3))
    def wake(self, places: list[int]) -> None:
        self.say(WakeTasks([self.task_id(place) for place in places]))

    @precondition(lambda self: self.made)
    @rule(places=st.lists(newest, min_size=1, max_size=3), all_=st.booleans())
    def forget(self, places: list[int], all_: bool) -> None:
        """Not together with others: whether they find the task still is nobody's promise."""
        self.submit()
        before = self.clock.now + all_ - 10 * SECOND * (not all_)
        self.say(Forget([self.task_id(place) for place in dict.fromkeys(places)], before, []))
        self.submit()

    # Leases.

    @precondition(lambda self: self.made)
    @rule(places=st.lists(newest, min_size=1, max_size=3), agent=agents, stale=seldom)
    def grant(self, places: list[int], agent: str, stale: bool) -> None:
        """Perhaps the same task twice."""
        placements = [self.placement(self.task_id(place), agent, stale=stale) for place in places]
        self.say(GrantLeases(placements, [self.key(self.named(agent))]))

    @precondition(lambda self: self.made)
    @rule(place=newest, agent=agents, offset=offsets, undelivered=st.booleans(), stale=seldom)
    def revoke(self, place: int, agent: str, offset: int, undelivered: bool, stale: bool) -> None:
        holder = self.holder(place, agent)
        lease = (self.task_id(place), self.token(place, offset))
        reason = RevokeReason.UNDELIVERED if undelivered else RevokeReason.EXPIRED
        self.say(RevokeLeases(self.key(holder.id), holder.session - stale, [lease], reason))

    @rule(agent=agents, stale=seldom)
    def expire(self, agent: str, stale: bool) -> None:
        self.say(ExpireAgent(self.key(self.named(agent)), self.agent(agent).session - stale))

    # Reports.

    @precondition(lambda self: self.made)
    @rule(
        place=newest,
        kinds=st.lists(st.sampled_from(ReportKind), min_size=1, max_size=3),
        agent=st.sampled_from(["", "", "", *AGENTS]),
        offset=offsets,
        older_session=seldom,
        other_process=seldom,
        digest=st.sampled_from(["", "", "", "-other"]),
        failure=st.sampled_from(["again", "again", "permanent", "invalid"]),
    )
    def report(
        self,
        place: int,
        kinds: list[ReportKind],
        agent: str,
        offset: int,
        older_session: bool,
        other_process: bool,
        digest: str,
        failure: str,
    ) -> None:
        """By the holder, unless an agent is named."""
        speaker = self.agent(agent) if agent else self.holder(place, "a")
        reason = FailureReason.INVALID_INPUT if failure == "invalid" else FailureReason.ERROR
        what = Failure(reason, "boom", permanent=failure == "permanent")
        reports = [
            Report(
                self.number(),
                self.task_id(place),
                self.token(place, offset),
                kind,
                digest=f"{kind.name}{digest}",
                failure=what if kind is ReportKind.FAILED else None,
                progress=Progress(0.5) if kind is ReportKind.PROGRESS else None,
                document=b"\x00document",
            )
            for kind in kinds
        ]
        incarnation = "other" if other_process else speaker.incarnation
        command = ApplyReports(self.key(speaker.id), incarnation, speaker.session - older_session, reports)
        self.said.append(command)
        self.say(command)

    @precondition(lambda self: self.said)
    @rule(place=newest, anew=st.booleans())
    def report_again(self, place: int, anew: bool) -> None:
        """The same words, as on a connection that broke; `anew`: on the agent's current session."""
        command = self.said[-1 - place % len(self.said)]
        session = self.model.agents[command.agent[1]].session if anew else command.session
        self.say(ApplyReports(command.agent, command.incarnation, session, command.reports))

    # Agents and queues.

    @rule(
        agent=agents,
        process=st.sampled_from(["same", "same", "new", "superseded"]),
        names=st.sampled_from(["all", "all", "none", "wrong"]),
        draining=seldom,
    )
    def admit(self, agent: str, process: str, names: str, draining: bool) -> None:
        """Hello."""
        known = self.model.agents.get(self.named(agent))
        incarnation = f"process-{self.number()}"
        if known is not None and process == "same":
            incarnation = known.incarnation
        elif known is not None and process == "superseded":
            incarnation = min(known.superseded, default=incarnation)
        held = self.leases(known) if known is not None and names != "none" else []
        if names == "wrong":
            held = [(task_id, token + 1) for task_id, token in held]
        slots, queue_limit, gpus = AGENTS[agent]
        offer = Declaration(
            kinds=(KIND,), slots=slots, queue_limit=queue_limit, resources={"gpu": gpus} if gpus else {}
        )
        self.say(AdmitAgent(self.key(self.named(agent)), incarnation, offer, held, draining, "c"))

    @rule(agent=agents, goodbye=st.booleans(), grace=st.sampled_from([0, 5]), stale=seldom)
    def end_session(self, agent: str, goodbye: bool, grace: int, stale: bool) -> None:
        expire_time = self.clock.now + grace * SECOND if grace else 0
        session = self.agent(agent).session - stale
        self.say(EndSession(self.key(self.named(agent)), session, goodbye, expire_time))

    @rule(
        agent=st.sampled_from([*AGENTS, "nobody"]),
        action=st.sampled_from([*AgentAction, AgentAction.UNCORDON, AgentAction.UNCORDON]),
        mode=st.sampled_from(DrainMode),
        limit=limits,
        stale=seldom,
    )
    def change_agent(self, agent: str, action: AgentAction, mode: DrainMode, limit: int, stale: bool) -> None:
        known = self.model.agents.get(self.named(agent))
        session = known.session - stale if known is not None else 1
        self.say(ChangeAgent(self.key(self.named(agent)), action, mode, limit, session))

    @rule(queue=queues, paused=st.sampled_from([None, False, False, True]), ttl=st.sampled_from([None, 0, 10]))
    def change_queue(self, queue: str, paused: bool | None, ttl: int | None) -> None:
        policy = None if ttl is None else QueuePolicy(lease_ttl_micros=ttl * SECOND, queue_limit_micros=ttl * SECOND)
        self.say(ChangeQueue((self.namespace, self.named(queue)), policy, paused))

    # What is left behind.

    def teardown(self) -> None:
        if self.failed:
            return
        self.submit()
        self.tasks_are_the_models()
        self.agents_and_queues_are_the_models()
        self.log_keeps_the_promises()
        assert self.journals.findings(self.namespace) == []

    def tasks_are_the_models(self) -> None:
        rows = self.rows()
        assert sorted(rows) == sorted(self.model.tasks)
        for task_id, task in self.model.tasks.items():
            row = rows[task_id]
            assert seen(row) == task.summary()
            assert not task.held or row.agent_id == task.agent
            backoff = task.state is TaskState.SCHEDULED and task.failures  # it has a jitter
            assert backoff or row.wake_time == task.wake, f"{task_id}: {row.wake_time - START} {task.wake - START}"
            assert row.end_time == task.end_time
            attempts = {one.token: one for one in self.attempts(task_id)}
            found = {n: (one.agent_id, one.incarnation, one.outcome, one.digest) for n, one in attempts.items()}
            assert found == task.attempts

    def agents_and_queues_are_the_models(self) -> None:
        page = self.journals.read(list_agents, AgentFilter(namespace=self.namespace), after="", limit=MANY)
        assert [row.id for row in page.agents] == sorted(self.model.agents)
        for row in page.agents:
            agent, held = self.model.agents[row.id], self.model.held_by(row.id)
            started = sum(task.state is TaskState.RUNNING for task in held)
            assert seen(row) == agent.summary()
            assert (row.leases, row.started) == (len(held), started)
            assert row.resources_used.get("gpu", 0.0) == sum(task.gpus for task in held)
            assert (row.expire_time, set(row.superseded)) == (agent.expire_time, agent.superseded)
        for name in map(self.named, QUEUES):
            queue, model = self.journals.read(get_queue, (self.namespace, name))[0], self.model.queue(name)
            assert seen(queue) == (model.policy, model.paused, model.version)

    def log_keeps_the_promises(self) -> None:
        numbered = self.journals.log(self.namespace)
        heard = [
            (committed.first_sequence + place, event)
            for committed in self.journals.heard
            for place, event in enumerate(committed.events)
        ]
        if self.journals.count == 1:
            assert numbered == heard, "what the listeners heard is not what is in the log"
        past = Past(
            events=[event for _, event in numbered],
            tasks=list(self.rows().values()),
            attempts={task_id: self.attempts(task_id) for task_id in self.model.tasks},
            slots={self.named(name): slots + depth for name, (slots, depth, _) in AGENTS.items()},
            gpus={self.named(name): gpus for name, (_, _, gpus) in AGENTS.items()},
            needs={task_id: new.requirements.resources.get("gpu", 0.0) for task_id, new in self.news.items()},
            incarnations=self.incarnations,
            attempts_max={task_id: new.retry.attempts_max for task_id, new in self.news.items() if new.retry},
            redeliveries_max=REDELIVERIES_MAX,
        )
        for promise in PROMISES:
            promise(past)

    def rows(self) -> dict[str, Any]:
        page = self.journals.read(list_tasks, TaskFilter(namespace=self.namespace), before="", limit=MANY)
        return {stored.row.id: stored.row for stored in page.tasks}

    def attempts(self, task_id: str) -> list[Any]:
        """Those that have ended."""
        page = self.journals.read(list_attempts, self.namespace, task_id, after=0, limit=MANY)
        return [attempt for attempt in page.attempts if attempt.end_time]


def orders(numbers: Sequence[int]) -> Iterator[list[int]]:
    """Every order of commands, given the journal of each, in which each journal's own stay in theirs."""
    for mixed in sorted(set(permutations(numbers))) if len(set(numbers)) > 1 else [tuple(numbers)]:
        waiting = {number: deque(place for place, at in enumerate(numbers) if at == number) for number in mixed}
        yield [waiting[number].popleft() for number in mixed]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Time goes on when the test says so; a flush is prepared on top of another whenever there is one."""
    made = Clock()
    monkeypatch.setattr(flush, "time", made)
    monkeypatch.setattr(journal, "PIPELINED_ITEMS_MIN", 1)
    return made


@pytest.fixture
def journals(database_url: str, clock: Clock) -> Iterator[Journals]:
    made = Journals(database_url)
    yield made
    made.close()


FORM = settings(deadline=None, database=None, print_blob=True, suppress_health_check=list(HealthCheck))


def test_the_store_answers_and_keeps_what_the_model_does(journals: Journals, clock: Clock) -> None:
    """The same commands each time."""
    form = settings(FORM, max_examples=60, stateful_step_count=40, derandomize=True)
    run_state_machine_as_test(lambda: Coordination(journals, clock), settings=form)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_store_answers_and_keeps_what_the_model_does_for_long(journals: Journals, clock: Clock) -> None:
    print(f"\nseed {SEED}: make faults SEED={SEED} TESTS=tests/store/test_model.py")
    form = settings(FORM, max_examples=1_000, stateful_step_count=60)
    run_state_machine_as_test(hypothesis.seed(SEED)(lambda: Coordination(journals, clock)), settings=form)
