"""Whatever is done, and whatever fails: one flush ahead gives what one after the other gives."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from services.domain.agent import Declaration
from services.domain.commands import (
    AdmitAgent,
    AgentAction,
    ApplyReports,
    CancelTask,
    ChangeAgent,
    ChangeQueue,
    Command,
    CreateTasks,
    EndSession,
    ExpireAgent,
    GrantLeases,
    Placement,
    Report,
    ReportKind,
    RevokeLeases,
    RevokeReason,
    WakeTasks,
)
from services.domain.requirements import Requirements
from services.domain.retry import RetryPolicy
from services.domain.task import Task
from services.store.flush import Committed
from tests.store.ahead import Ahead, untimed
from tests.store.world import KIND, NAMESPACE, World, ended, key, new_task

AGENTS = ("a", "b", "c")
KINDS = (
    ReportKind.STARTED,
    ReportKind.SUCCEEDED,
    ReportKind.FAILED,
    ReportKind.CANCELLED,
    ReportKind.RETURNED,
    ReportKind.REJECTED,
)


class Chance:
    """Commands at random that have to do with each other. It looks at a world to name what is there."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = random.Random(seed)
        self.made = 0  # tasks that were submitted without a request id, and so are there
        self.there = 0  # of these, the ones that were flushed
        self.incarnations = 0

    def commands(self) -> list[Command]:
        self.there = self.made
        return [self.command() for _ in range(self.random.randint(1, 3))]

    def command(self) -> Command:
        often = [self.create] * 3 + [self.grant] * 4 + [self.report] * 8
        seldom = [self.admit, self.end, self.expire, self.revoke, self.cancel, self.wake, self.pause, self.cordon]
        command: Command = self.random.choice([*often, *seldom])()
        return command

    def task(self) -> Task:
        """One of the latest."""
        return self.world.task(f"t{self.random.randrange(max(0, self.there - 6), self.there)}")

    def agent(self) -> Any:
        return self.world.agent(self.random.choice(AGENTS))

    def holder(self, task: Task) -> Any:
        return self.world.agent(task.agent_id or "a")

    def create(self) -> CreateTasks:
        fields: dict[str, Any] = {"retry": RetryPolicy(attempts_max=2, initial_backoff_seconds=0.0)}
        fields["requirements"] = Requirements(capabilities=(self.random.choice(["gpu", "tpu"]),))
        self.made += 1
        repeated = new_task(f"x{self.made}", request_id=f"r{self.random.randrange(20)}", **fields)
        tasks = [new_task(f"t{self.made - 1}", **fields), repeated]
        agent = self.agent()
        placements = [Placement(0, task.id, agent.id, agent.session) for task in tasks]
        return CreateTasks(tasks, self.random.choice([(), placements, [None, placements[1]]]))

    def grant(self) -> GrantLeases:
        agent = self.agent()
        wanted = [self.task().id, f"t{self.made - 1}"]  # the latter may be of this very flush
        return GrantLeases([Placement(1, task_id, agent.id, agent.session) for task_id in wanted], [agent.key])

    def report(self) -> ApplyReports:
        task = self.task()
        agent = self.holder(task)
        token = max(1, task.token - self.random.choice([0, 0, 0, 1]))
        kind = self.random.choice(KINDS)
        said = Report(1, task.id, token, kind) if kind is ReportKind.STARTED else ended(1, task.id, token, kind)
        return ApplyReports(agent.key, agent.incarnation, agent.session, [said])

    def admit(self) -> AdmitAgent:
        agent = self.agent()
        self.incarnations += 1
        incarnation = self.random.choice([agent.incarnation, f"next-{self.incarnations}"])
        held = [(task.id, task.token) for task in [self.task(), self.task()] if task.held]
        return AdmitAgent(agent.key, incarnation, declared(), held, False, "c1")

    def end(self) -> EndSession:
        agent = self.agent()
        return EndSession(agent.key, agent.session, self.random.random() < 0.5, expire_time=1)

    def expire(self) -> ExpireAgent:
        agent = self.agent()
        return ExpireAgent(agent.key, agent.session)

    def revoke(self) -> RevokeLeases:
        task = self.task()
        agent = self.holder(task)
        return RevokeLeases(agent.key, agent.session, [(task.id, task.token)], RevokeReason.EXPIRED)

    def cancel(self) -> CancelTask:
        return CancelTask(NAMESPACE, self.task().id)

    def wake(self) -> WakeTasks:
        return WakeTasks([self.task().id, self.task().id])

    def pause(self) -> ChangeQueue:
        return ChangeQueue((NAMESPACE, "default"), paused=self.random.random() < 0.3)

    def cordon(self) -> ChangeAgent:
        action = self.random.choice([AgentAction.CORDON, AgentAction.UNCORDON, AgentAction.UNCORDON])
        return ChangeAgent(key(self.random.choice(AGENTS)), action)


def declared() -> Declaration:
    return Declaration(kinds=(KIND,), slots=2, capabilities=("gpu", "tpu"))


def new_world(folder: Path) -> World:
    folder.mkdir()
    folder.mkdir(parents=True, exist_ok=True)
    world = World(f"sqlite:///{folder}/missioncontrol.db")
    for agent_id in AGENTS:
        world.connect(agent_id, capabilities=("gpu", "tpu"))
    return world


TABLES = (
    "SELECT id, state, version, token, agent_id, failures, redeliveries FROM tasks ORDER BY id",
    "SELECT task_id, token, agent_id, outcome, digest FROM attempts ORDER BY task_id, token",
    "SELECT id, incarnation, session, state, cordoned, leases, started FROM agents ORDER BY id",
    "SELECT request_id, task_id FROM requests ORDER BY request_id",
    "SELECT name, paused, version FROM queues ORDER BY name",
    "SELECT head FROM feed",
)


def written(world: World) -> list[Any]:
    """Everything that is on disk, apart from times."""
    return [world.connection.exec_driver_sql(table).all() for table in TABLES]


def told(commits: list[Committed]) -> list[list[str]]:
    """The events of each commit. In which order an agent's leases end together is nobody's business."""
    return [sorted(untimed(event) for event in committed.events) for committed in commits]


@pytest.mark.parametrize("seed", range(5))
def test_one_flush_ahead_gives_what_one_after_the_other_gives(tmp_path: Path, seed: int) -> None:
    in_turn, other = new_world(tmp_path / "in-turn"), new_world(tmp_path / "ahead")
    chance, ahead = Chance(in_turn, seed), Ahead(other)
    pending: deque[tuple[Sequence[Command], list[Any]]] = deque()
    expected: list[Committed] = []
    found: list[Committed] = []
    for number in range(60):
        commands = chance.commands() if number else [chance.create()]
        answers = in_turn.flush(*commands)
        assert in_turn.last is not None
        expected.append(in_turn.last)
        pending.append((commands, answers))
        assert untimed(ahead.prepare(*commands)) == untimed(answers)
        if chance.random.random() < 0.2:
            ahead.discard()
            for lost, answers_again in pending:
                assert untimed(ahead.prepare(*lost)) == untimed(answers_again)
        if len(pending) == 2:
            pending.popleft()
            found.append(ahead.write())
    found += ahead.write_all()
    assert told(found) == told(expected)
    assert written(other) == written(in_turn)
    for world in (in_turn, other):
        assert world.findings() == []
        world.close()
