"""Scripts: strings of bytes that have commands at random sent to journals, and compare what comes with the model.

Two bytes and their place are the seed of one step, which looks at the model to name what is there. Zeros are no step
at all, so a script that fails shrinks to the few steps that matter. (With a draw for each step, or a rule, hypothesis
makes most scripts by repeating parts of earlier ones: two grants in 1,800 commands.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from random import Random
from typing import Any

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
    EnforceDrain,
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
from services.domain.dependencies import DependencyPolicy
from services.domain.failure import Failure, FailureReason, Progress
from services.domain.policy import QueuePolicy, Strategy
from services.domain.requirements import Requirements
from services.domain.retry import RetryPolicy
from services.domain.task import TaskState
from services.domain.task_changes import Cancel, ChangeTasks, Move, Reprioritize
from services.domain.task_filter import TaskFilter
from tests.store.journals import Journals, Sent
from tests.store.model import Model
from tests.store.model_values import HELD, OVER, SECOND, ModelAgent, agree, seen
from tests.store.remains import Remains, compare
from tests.store.world import KIND, new_task

# Each agent with its slots, the depth of its own queue, and its gpus.
AGENTS = {"a": (2, 0, 2.0), "b": (1, 1, 1.0), "c": (1, 0, 0.0)}
QUEUES = ("q1", "q2")
START = 1_800_000_000 * SECOND
MANY = 1_000
REDELIVERIES_MAX = 1
# Steps name one of so many tasks, the newest.
NEWEST = 5
LIMITS = (0, 0, 15 * SECOND)
# What changes of many tasks ask for.
STATES = (list(TaskState), [TaskState.PENDING], [TaskState.PENDING, TaskState.SCHEDULED])


class Clock:
    """The flushes' clock, microseconds."""

    def __init__(self) -> None:
        self.now = START

    def time_ns(self) -> int:
        return self.now * 1000


class Run:
    """One script. Steps take chance from where they can; `together` has the next commands go out at once."""

    def __init__(self, journals: Journals, clock: Clock) -> None:
        self.journals = journals
        self.clock = clock
        self.begin = clock.now
        self.namespace = journals.new_namespace()
        self.model = Model(self.namespace)
        self.batch: list[Sent] = []
        self.batch_size, self.turns, self.gone = 1, 0, -1
        self.made: list[str] = []
        self.news: dict[str, NewTask] = {}
        self.said: list[ApplyReports] = []
        self.numbers = 0
        self.incarnations: dict[tuple[str, int], str] = {}
        self.transcript: list[str] = []

    def play(self, script: bytes) -> None:
        """All of it, and what is left behind."""
        try:
            for name in AGENTS:
                self.admit(Random(0), name)
            for place in range(0, len(script), 2):
                if seed_of_step := script[place] + 256 * script[place + 1]:
                    self.step(Random(seed_of_step * len(script) + place))
            self.submit()
            compare(self.left_behind())
        except Exception as error:
            error.add_note("\n".join(["after:", *self.transcript]))
            raise

    def left_behind(self) -> Remains:
        return Remains(
            journals=self.journals,
            namespace=self.namespace,
            model=self.model,
            queues=[self.named(name) for name in QUEUES],
            agents={self.named(name): (slots + depth, gpus) for name, (slots, depth, gpus) in AGENTS.items()},
            news=self.news,
            incarnations=self.incarnations,
            redeliveries_max=REDELIVERIES_MAX,
        )

    def step(self, chance: Random) -> None:
        (step,) = chance.choices(list(STEPS), list(STEPS.values()))
        if self.made or step not in OF_TASKS:
            step(self, chance)

    # What commands are made of.

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def named(self, name: str) -> str:
        return f"{self.namespace}.{name}"

    def key(self, agent: ModelAgent) -> tuple[str, str]:
        return (self.namespace, agent.id)

    def agent(self, name: str) -> ModelAgent:
        return self.model.agents[self.named(name)]

    def some_agent(self, chance: Random) -> ModelAgent:
        return self.agent(chance.choice(list(AGENTS)))

    def some_task(self, chance: Random, *wanted: TaskState) -> str:
        """One of the newest, mostly in a wanted state. The model has none if its submit is not answered yet, or if it
        is forgotten.
        """
        fitting = [task.new.id for task in self.model.tasks.values() if task.state in wanted]
        return chance.choice(fitting if fitting and chance.random() < 0.8 else self.made[-NEWEST:])

    def some_tasks(self, chance: Random, *wanted: TaskState) -> list[str]:
        return [self.some_task(chance, *wanted) for _ in range(chance.randint(1, 3))]

    def token(self, chance: Random, task_id: str) -> int:
        """The current one, or seldom the one before or after it."""
        task = self.model.tasks.get(task_id)
        return max(1, (task.token if task else 1) + chance.choice([0, 0, 0, 0, 0, -1, 1]))

    def holder(self, chance: Random, task_id: str) -> ModelAgent:
        """Who holds the task, or held it last; seldom, or if nobody did, any agent."""
        task = self.model.tasks.get(task_id)
        held = task is not None and task.agent and chance.random() < 0.85
        return self.model.agents[task.agent] if task is not None and held else self.some_agent(chance)

    def session(self, chance: Random, agent: ModelAgent) -> int:
        """The current one, or seldom the one before."""
        return agent.session - seldom(chance)

    def placement(self, chance: Random, task_id: str, agent: ModelAgent) -> Placement:
        return Placement(1, task_id, agent.id, self.session(chance, agent))

    def leases(self, agent: ModelAgent) -> list[LeaseKey]:
        return [(task.new.id, task.token) for task in self.model.held_by(agent.id)]

    # How they go out.

    def say(self, chance: Random, command: Command) -> None:
        self.batch.append((chance.randrange(self.journals.count), command))
        if len(self.batch) >= self.batch_size:
            self.submit()

    def submit(self) -> None:
        """Sends what has gathered, and compares the answers with the model's."""
        sent, self.batch, self.batch_size = self.batch, [], 1
        if not sent:
            return
        gone = self.gone if 0 <= self.gone < len(sent) and len(sent) > 1 else None
        self.model.now = self.clock.now
        self.transcript.append(
            f"at {(self.clock.now - self.begin) / SECOND:g} s, {self.turns} turns apart, gone: {gone}"
        )
        self.transcript += [f"    {number}: {command}" for number, command in sent]
        found = self.journals.ask(sent, turns=self.turns, gone=gone)
        answers = [None if place == gone else seen(answer) for place, answer in enumerate(found)]
        self.model = self.explained(sent, answers, gone)

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

    # Steps.

    def together(self, chance: Random) -> None:
        """Several commands in one flush, or in several that are on their way at once."""
        self.submit()
        self.batch_size, self.turns, self.gone = chance.randint(2, 6), chance.choice([0, 2, 4]), chance.randint(-6, 5)

    def wait(self, chance: Random) -> None:
        self.submit()
        self.clock.now += chance.choice([5, 11, 20, 60]) * SECOND

    def restart(self, chance: Random) -> None:
        """A coordinator starts anew, and finds agents without streams."""
        self.submit()
        self.journals.restart(chance.randrange(self.journals.count))
        self.say(chance, AdoptAgents([(self.key(agent), agent.session) for agent in self.model.agents.values()]))

    def create(self, chance: Random) -> None:
        """Perhaps under a standing placement, perhaps with a request id that was used."""
        recent = f"r{self.numbers // 8}"
        gpus, later = chance.choice([0.0, 0.0, 1.0]), chance.choice([0, 0, 0, 0, -1, 30])
        new = new_task(
            self.named(f"t{self.number()}"),
            namespace=self.namespace,
            queue=self.named(chance.choice(QUEUES)),
            request_id=chance.choice(["", "", recent, recent, "r0"]),
            digest=chance.choice(["x", "x", "x", "y"]),
            not_before_time=self.clock.now + later * SECOND if later else 0,
            requirements=Requirements(resources={"gpu": gpus} if gpus else {}),
            retry=RetryPolicy(chance.randint(1, 3), initial_backoff_seconds=0.5, redeliveries_max=REDELIVERIES_MAX),
            depends_on=self.waited_for(chance),
            dependency_policy=chance.choice(list(DependencyPolicy)),
            queue_limit_micros=chance.choice(LIMITS),
            run_limit_micros=chance.choice(LIMITS),
        )
        self.made.append(new.id)
        self.news[new.id] = new
        to = [self.placement(chance, new.id, self.some_agent(chance))] if chance.random() < 0.4 else []
        self.say(chance, CreateTasks([new], to))

    def waited_for(self, chance: Random) -> tuple[str, ...]:
        """Mostly nothing; some of the newest tasks, which may be gone, or never have been."""
        count = chance.choice([0, 0, 0, 1, 1, 2]) if self.made else 0
        return tuple({self.some_task(chance, *HELD, TaskState.BLOCKED): None for _ in range(count)})

    def create_what_no_database_takes(self, chance: Random) -> None:
        """It fails alone. What the journal remembers is gone with it."""
        values = {
            "namespace": self.namespace,
            "queue": self.named("q1"),
            chance.choice(["queue", "affinity_key"]): None,
        }
        self.say(chance, CreateTasks([new_task(self.named(f"t{self.number()}"), **values)]))

    def cancel(self, chance: Random) -> None:
        namespace = "elsewhere" if seldom(chance) else self.namespace
        self.say(chance, CancelTask(namespace, self.some_task(chance)))

    def change_tasks(self, chance: Random) -> None:
        filter_ = TaskFilter(namespace=self.namespace, states=frozenset(chance.choice(STATES)))
        change = chance.choice([Cancel(), Reprioritize(chance.choice([0, 1])), Move(self.named(chance.choice(QUEUES)))])
        tasks = self.some_tasks(chance, TaskState.PENDING, TaskState.SCHEDULED)
        self.say(chance, ChangeTasks(filter_, tasks, change))

    def wake(self, chance: Random) -> None:
        self.say(chance, WakeTasks(self.some_tasks(chance)))

    def forget(self, chance: Random) -> None:
        """Not together with others: whether they find the task still is nobody's promise."""
        self.submit()
        before = self.clock.now + chance.choice([1, 1, -10 * SECOND])
        self.say(chance, Forget(list(dict.fromkeys(self.some_tasks(chance, *OVER))), before, []))

    def grant(self, chance: Random) -> None:
        """Perhaps the same task twice."""
        agent = self.some_agent(chance)
        placements = [self.placement(chance, task_id, agent) for task_id in self.some_tasks(chance, TaskState.PENDING)]
        self.say(chance, GrantLeases(placements, [self.key(agent)]))

    def revoke(self, chance: Random) -> None:
        task_id = self.some_task(chance, *HELD)
        holder, lease = self.holder(chance, task_id), (task_id, self.token(chance, task_id))
        reason = chance.choice(list(RevokeReason))
        self.say(chance, RevokeLeases(self.key(holder), self.session(chance, holder), [lease], reason))

    def expire(self, chance: Random) -> None:
        agent = self.some_agent(chance)
        self.say(chance, ExpireAgent(self.key(agent), self.session(chance, agent)))

    def report(self, chance: Random) -> None:
        """By the holder mostly, of one lease: each kind, perhaps several, in words that may differ from the last."""
        task_id = self.some_task(chance, *HELD)
        speaker, token = self.holder(chance, task_id), self.token(chance, task_id)
        words = chance.choice(["", "", "", "-other"])
        reports = []
        for kind in chance.choices(list(ReportKind), [4, 1, 1, 2, 2, 1, 1, 1], k=chance.choice([1, 1, 1, 2, 3])):
            reason = chance.choice([FailureReason.ERROR, FailureReason.ERROR, FailureReason.INVALID_INPUT])
            report = Report(
                self.number(),
                task_id,
                token,
                kind,
                digest=f"{kind.name}{words}",
                failure=Failure(reason, "boom", permanent=seldom(chance)) if kind is ReportKind.FAILED else None,
                progress=Progress(0.5) if kind is ReportKind.PROGRESS else None,
                document=b"\x00document",
            )
            reports.append(report)
        incarnation = "other" if seldom(chance) else speaker.incarnation
        self.said.append(ApplyReports(self.key(speaker), incarnation, self.session(chance, speaker), reports))
        self.say(chance, self.said[-1])

    def report_again(self, chance: Random) -> None:
        """The same words, as on a connection that broke, or on the agent's current session."""
        if self.said:
            told = self.said[-1] if chance.random() < 0.5 else chance.choice(self.said[-NEWEST:])
            session = chance.choice([told.session, self.model.agents[told.agent[1]].session])
            self.say(chance, ApplyReports(told.agent, told.incarnation, session, told.reports))

    def admit(self, chance: Random, name: str = "") -> None:
        """Hello, of the same process, a new one, or a superseded one; naming what it holds, or not, or wrongly."""
        name = name or chance.choice(list(AGENTS))
        agent = self.model.agents.get(self.named(name))
        incarnation, held = f"process-{self.number()}", []
        if agent is not None:
            superseded = min(agent.superseded, default=incarnation)
            incarnation = chance.choice([agent.incarnation, agent.incarnation, incarnation, superseded])
            off = chance.choice([None, 0, 0, 1])
            held = [(id_, token + off) for id_, token in self.leases(agent)] if off is not None else []
        slots, queue_limit, gpus = AGENTS[name]
        resources = {"gpu": gpus} if gpus else {}
        offer = Declaration(kinds=(KIND,), slots=slots, queue_limit=queue_limit, resources=resources)
        key = (self.namespace, self.named(name))
        self.say(chance, AdmitAgent(key, incarnation, offer, held, agent is not None and seldom(chance), "c"))

    def end_session(self, chance: Random) -> None:
        agent = self.some_agent(chance)
        expire_time = self.clock.now + 5 * SECOND if chance.random() < 0.5 else 0
        goodbye = chance.random() < 0.3
        self.say(chance, EndSession(self.key(agent), self.session(chance, agent), goodbye, expire_time))

    def change_agent(self, chance: Random) -> None:
        agent = self.some_agent(chance)
        key = (self.namespace, "nobody") if seldom(chance) else self.key(agent)
        action = chance.choice([*AgentAction, AgentAction.DRAIN, AgentAction.REOPEN, AgentAction.REOPEN])
        mode, limit = chance.choice(list(DrainMode)), chance.choice(LIMITS)
        self.say(chance, ChangeAgent(key, action, mode, limit, self.session(chance, agent)))

    def enforce_drain(self, chance: Random) -> None:
        self.say(chance, EnforceDrain(self.key(self.some_agent(chance))))

    def change_queue(self, chance: Random) -> None:
        seconds = chance.choice([None, 0, 10])
        limit = (seconds or 0) * SECOND
        strategy = chance.choice([Strategy.CENTRAL_QUEUE, Strategy.SHORTEST_QUEUE])
        policy = None
        if seconds is not None:
            policy = QueuePolicy(strategy=strategy, lease_ttl_micros=limit, queue_limit_micros=limit)
        paused = chance.choice([None, False, False, False, True])
        self.say(chance, ChangeQueue((self.namespace, self.named(chance.choice(QUEUES))), policy, paused))


def seldom(chance: Random) -> bool:
    return chance.random() < 0.1


# The steps, each with how often it comes.
STEPS: dict[Callable[[Run, Random], None], float] = {
    Run.together: 25,
    Run.wait: 4,
    Run.restart: 0.15,
    Run.create: 18,
    Run.create_what_no_database_takes: 2,
    Run.cancel: 3,
    Run.change_tasks: 3,
    Run.wake: 5,
    Run.forget: 2,
    Run.grant: 14,
    Run.revoke: 3,
    Run.expire: 2,
    Run.report: 22,
    Run.report_again: 8,
    Run.admit: 7,
    Run.end_session: 3,
    Run.change_agent: 4,
    Run.enforce_drain: 1,
    Run.change_queue: 3,
}
OF_TASKS = (Run.cancel, Run.change_tasks, Run.wake, Run.forget, Run.grant, Run.revoke, Run.report)


def orders(numbers: Sequence[int]) -> Iterator[list[int]]:
    """Every order of commands, given the journal of each, in which each journal's own stay in theirs."""
    for mixed in sorted(set(permutations(numbers))) if len(set(numbers)) > 1 else [tuple(numbers)]:
        waiting = {number: deque(place for place, at in enumerate(numbers) if at == number) for number in mixed}
        yield [waiting[number].popleft() for number in mixed]
