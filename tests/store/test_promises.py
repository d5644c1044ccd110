"""A stateful property test:

any sequence of what may happen keeps the promises, as the checker and a small model see them.
"""

from __future__ import annotations

import tempfile

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from services.domain.commands import PlacementOutcome, Report, ReportKind
from services.domain.retry import RetryPolicy
from services.domain.task import TERMINAL, TaskState
from tests.store.world import World, ended

AGENTS = ("a", "b", "c")
ENDINGS = [ReportKind.SUCCEEDED, ReportKind.FAILED, ReportKind.CANCELLED, ReportKind.RETURNED, ReportKind.REJECTED]


class Coordination(RuleBasedStateMachine):
    """Agents come and go, leases are granted, lost and ended, reports come late and twice. The model:

    who may hold what.
    """

    tasks = Bundle("tasks")

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(f"sqlite:///{self.folder.name}/missioncontrol.db")
        self.submitted: set[str] = set()
        self.terminal: dict[str, TaskState] = {}
        self.tokens: dict[str, int] = {}
        self.said: list[tuple[str, Report, str]] = []
        for agent in AGENTS:
            self.world.connect(agent, slots=2)

    @rule(target=tasks, attempts=st.integers(1, 3))
    def submit(self, attempts: int) -> str:
        task_id = f"t{len(self.submitted)}"
        policy = RetryPolicy(attempts_max=attempts, initial_backoff_seconds=0.0)
        self.world.submit(task_id, retry=policy, request_id=task_id)
        self.submitted.add(task_id)
        return task_id

    @rule(task_id=tasks)
    def submit_again(self, task_id: str) -> None:
        answer = self.world.submit("never", retry=None, request_id=task_id)
        assert getattr(answer, "task_id", None) == task_id

    @rule(task_id=tasks, agent=st.sampled_from(AGENTS))
    def grant(self, task_id: str, agent: str) -> None:
        before = self.world.task(task_id)
        load = self.world.agent(agent).leases
        if self.world.grant(task_id, agent) is PlacementOutcome.GRANTED:
            assert before.state is TaskState.PENDING
            assert load < 2
            assert self.world.task(task_id).token == before.token + 1

    @rule(task_id=tasks, agent=st.sampled_from(AGENTS), late=st.integers(0, 2))
    def start(self, task_id: str, agent: str, late: int) -> None:
        token = self.world.task(task_id).token - late
        if token > 0:
            self.say(agent, Report(self.world.number(), task_id, token, ReportKind.STARTED))

    @rule(task_id=tasks, agent=st.sampled_from(AGENTS), kind=st.sampled_from(ENDINGS), late=st.integers(0, 2))
    def end(self, task_id: str, agent: str, kind: ReportKind, late: int) -> None:
        token = self.world.task(task_id).token - late
        if token > 0:
            self.say(agent, ended(self.world.number(), task_id, token, kind))

    def say(self, agent: str, report: Report) -> None:
        before = self.world.task(report.task_id)
        holds = before.held and before.agent_id == agent and before.token == report.token
        refused = bool(self.world.report(agent, report))
        after = self.world.task(report.task_id)
        if not holds:
            assert after == before, "a report without the lease changed something"
        if not refused:
            self.said.append((agent, report, self.world.incarnations[agent]))

    @rule(data=st.data())
    def say_again(self, data: st.DataObject) -> None:
        """Whatever was accepted is accepted again from the same process, and changes nothing, once its attempt is
        over.
        """
        if not self.said:
            return
        agent, report, incarnation = data.draw(st.sampled_from(self.said))
        before = self.world.task(report.task_id)
        if incarnation != self.world.incarnations[agent] or (before.held and before.token == report.token):
            return
        self.world.report(agent, report)
        assert self.world.task(report.task_id) == before

    @rule(task_id=tasks)
    def cancel(self, task_id: str) -> None:
        self.world.cancel(task_id)

    @rule(task_id=tasks)
    def wake(self, task_id: str) -> None:
        self.world.wake(task_id)

    @rule(task_id=tasks, agent=st.sampled_from(AGENTS))
    def lose(self, task_id: str, agent: str) -> None:
        self.world.lose(agent, task_id)

    @rule(agent=st.sampled_from(AGENTS), again=st.booleans(), keep=st.booleans())
    def reconnect(self, agent: str, again: bool, keep: bool) -> None:
        held = [
            (task_id, task.token)
            for task_id in self.submitted
            if (task := self.world.task(task_id)).held and task.agent_id == agent
        ]
        admission = self.world.connect(agent, again=again, held=held if keep else [], slots=2)
        assert {(task.id, task.token) for task in admission.kept} == (set(held) if keep and again else set())

    @rule(agent=st.sampled_from(AGENTS), goodbye=st.booleans())
    def leave(self, agent: str, goodbye: bool) -> None:
        self.world.leave(agent, goodbye=goodbye)

    @invariant()
    def promises_hold(self) -> None:
        if not hasattr(self, "world"):
            return
        assert self.world.findings() == []
        for task_id in self.submitted:
            task = self.world.task(task_id)
            assert task.token >= self.tokens.get(task_id, 0)
            self.tokens[task_id] = task.token
            assert self.terminal.get(task_id, task.state) == task.state, "terminal is final"
            if task.state in TERMINAL:
                self.terminal[task_id] = task.state

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.close()
            self.folder.cleanup()


Coordination.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
TestCoordination = Coordination.TestCase
