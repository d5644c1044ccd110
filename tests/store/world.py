"""A coordinator's database with short words for what happens to it: each test states only what matters to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from services.domain.agent import Agent, AgentKey, Declaration
from services.domain.commands import (
    Admission,
    AdmitAgent,
    ApplyReports,
    CancelTask,
    Command,
    CreateAnswer,
    CreateTasks,
    EndSession,
    GrantLeases,
    LeaseKey,
    NewTask,
    Placement,
    PlacementOutcome,
    Refusal,
    Report,
    ReportKind,
    RevokeLeases,
    RevokeReason,
    WakeTasks,
)
from services.domain.errors import MissionControlError
from services.domain.event import Event
from services.domain.failure import Failure, FailureReason
from services.domain.ledger import Rules, Touches
from services.domain.requirements import Requirements, needs_id
from services.domain.task import Task
from services.store.check import check
from services.store.coordinators import claim_term
from services.store.database import open_database
from services.store.flush import Committed, Flusher
from services.store.row_reader import RowReader
from services.store.schema_check import prepare_schema
from services.store.writer import RequestsKnown, Writer
from services.store.writer_process import open_writer

NAMESPACE = "default"
KIND = "work"


class World:
    """One database with one writer, and agents that are nothing but their words."""

    def __init__(self, url: str, rules: Rules | None = None) -> None:
        self.engine = open_database(url)
        prepare_schema(self.engine)
        self.rules = rules or Rules()
        self.connection: Connection = self.engine.connect()
        self.readers: list[Connection] = []
        self.writers: list[Writer] = []
        self.flusher, self.writer = self.new_flusher("coordinator-1")
        self.last: Committed | None = None
        self.events: list[Event] = []
        self.reports = 0
        self.incarnations: dict[str, str] = {}
        self.sessions: dict[str, int] = {}
        self.on_committed: Callable[[Committed], None] = lambda _committed: None

    def new_flusher(self, coordinator_id: str) -> tuple[Flusher, Writer]:
        """Another writer on the same database; the ones before have lost their terms."""
        connection = self.engine.connect()
        self.readers.append(connection)
        self.writers.append(open_writer(self.engine.url, claim_term(connection, coordinator_id)))
        shared = self.engine.dialect.name == "postgresql"
        return Flusher(RowReader(connection), self.rules, shared=shared), self.writers[-1]

    def close(self) -> None:
        """Lets go of the file."""
        for connection in (self.connection, *self.readers, *self.writers):
            connection.close()
        self.engine.dispose()

    def flush(self, *commands: Command) -> list[Any]:
        """One flush of these commands; their answers."""
        prepared = self.flusher.prepare(commands)
        try:
            base = self.writer.write(prepared.batch)
        except RequestsKnown:
            self.flusher.discard()
            prepared = self.flusher.prepare(commands, read_requests=True)
            base = self.writer.write(prepared.batch)
        except BaseException:
            self.flusher.discard()
            raise
        self.last = self.flusher.settle(prepared, base)
        self.events += self.last.events
        self.on_committed(self.last)
        return prepared.answers

    def do(self, command: Command) -> Any:
        """One flush of one command; its answer, or its error raised."""
        (answer,) = self.flush(command)
        if isinstance(answer, MissionControlError):
            raise answer
        return answer

    def submit(self, task_id: str, **fields: Any) -> CreateAnswer:
        """Submits a task under a readable id."""
        answer: CreateAnswer = self.flush(CreateTasks([new_task(task_id, **fields)]))[0][0]
        return answer

    def connect(
        self, agent_id: str, *, held: list[LeaseKey] | None = None, again: bool = False, **declared: Any
    ) -> Admission:
        """Hello: of a new process, or, `again`, of the same one on a new stream."""
        if not again:
            number = len(self.incarnations) + self.reports + 1
            self.incarnations[agent_id] = str(UUID(int=number))
            self.reports += 1
        offer = {"kinds": (KIND,), "slots": 2, **declared}
        command = AdmitAgent(key(agent_id), self.incarnations[agent_id], Declaration(**offer), held or [], False, "c1")
        admission: Admission = self.do(command)
        self.sessions[agent_id] = admission.session
        return admission

    def grant(self, task_id: str, agent_id: str) -> PlacementOutcome:
        """The scheduler proposes, the transaction decides."""
        placement = Placement(1, task_id, agent_id, self.sessions[agent_id])
        outcome: PlacementOutcome = self.do(GrantLeases([placement], [key(agent_id)]))[0]
        return outcome

    def report(self, agent_id: str, *reports: Report) -> list[Refusal]:
        """Reports on the agent's newest session."""
        command = ApplyReports(key(agent_id), self.incarnations[agent_id], self.sessions[agent_id], reports)
        refusals: list[Refusal] = self.do(command)
        return refusals

    def start(self, agent_id: str, task_id: str) -> list[Refusal]:
        """The agent starts its current lease of the task."""
        return self.report(agent_id, Report(self.number(), task_id, self.task(task_id).token, ReportKind.STARTED))

    def finish(
        self, agent_id: str, task_id: str, kind: ReportKind = ReportKind.SUCCEEDED, **fields: Any
    ) -> list[Refusal]:
        """The agent ends its current lease of the task."""
        return self.report(agent_id, ended(self.number(), task_id, self.task(task_id).token, kind, **fields))

    def run(self, agent_id: str, task_id: str) -> None:
        """Granted and started."""
        assert self.grant(task_id, agent_id) is PlacementOutcome.GRANTED
        assert self.start(agent_id, task_id) == []

    def lose(self, agent_id: str, task_id: str) -> None:
        """The lease runs out."""
        lease = (task_id, self.task(task_id).token)
        self.do(RevokeLeases(key(agent_id), self.sessions[agent_id], [lease], RevokeReason.EXPIRED))

    def leave(self, agent_id: str, *, goodbye: bool = True) -> None:
        """The stream ends."""
        self.do(EndSession(key(agent_id), self.sessions[agent_id], goodbye))

    def cancel(self, task_id: str) -> Task:
        """Somebody asks for a cancel."""
        task: Task = self.do(CancelTask(NAMESPACE, task_id))
        return task

    def wake(self, task_id: str) -> None:
        """The task's timer is looked at."""
        self.do(WakeTasks([task_id]))

    def number(self) -> int:
        """The next report's number."""
        self.reports += 1
        return self.reports

    def task(self, task_id: str) -> Task:
        """The row as it is on disk."""
        return self.flusher._read(touching(task_id)).tasks[task_id]

    def agent(self, agent_id: str) -> Agent:
        """The agent's row as it is on disk."""
        touches = touching()
        touches.agents.add(key(agent_id))
        return self.flusher._read(touches).agents[key(agent_id)]

    def findings(self) -> list[Any]:
        """What the checker says of the whole database."""
        return list(check(self.connection))


def touching(*task_ids: str) -> Any:
    """What to read for these tasks."""
    touches = Touches()
    touches.task_ids.update(task_ids)
    return touches


def key(agent_id: str) -> AgentKey:
    """An agent of the one namespace."""
    return (NAMESPACE, agent_id)


def new_task(task_id: str, **fields: Any) -> NewTask:
    """A task with defaults."""
    requirements = fields.pop("requirements", Requirements())
    values: dict[str, Any] = {
        "namespace": NAMESPACE,
        "queue": "default",
        "kind": KIND,
        "priority": 0,
        "digest": "digest",
        "document": b"\x00document",
        **fields,
    }
    return NewTask(id=task_id, requirements=requirements, needs_id=needs_id(values["kind"], requirements), **values)


def ended(number: int, task_id: str, token: int, kind: ReportKind, **fields: Any) -> Report:
    """A report that ends an attempt."""
    failure = Failure(FailureReason.ERROR, "boom") if kind is ReportKind.FAILED else None
    values: dict[str, Any] = {"digest": f"{kind.name}-digest", "failure": failure, **fields}
    return Report(number, task_id, token, kind, **values)
