"""Short ways to bring tasks into a state, through a real journal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection

from services.domain.agent import Declaration
from services.domain.commands import (
    Admission,
    AdmitAgent,
    ApplyReports,
    CreateTasks,
    GrantLeases,
    NewTask,
    Placement,
    PlacementOutcome,
    Report,
    ReportKind,
)
from services.domain.requirements import Requirements, needs_id
from services.domain.task import Task
from services.store.journal import Journal
from services.store.readers import Readers

Answer = TypeVar("Answer")
NO_NEEDS = Requirements()


class Store:
    """A writer and readers of a database, and short ways to bring tasks into a state."""

    def __init__(self, journal: Journal, readers: Readers) -> None:
        self.journal = journal
        self.readers = readers
        self._numbers = iter(range(1, 1_000_000))
        self._sessions: dict[tuple[str, str], Admission] = {}

    async def read(self, function: Callable[[Connection], Answer]) -> Answer:
        return await self.readers.run(function)

    def new_task(self, **fields: Any) -> NewTask:
        number = next(self._numbers)
        kind = fields.pop("kind", "noop")
        defaults: dict[str, Any] = {
            "id": f"{number:08x}-0000-7000-8000-000000000000",
            "namespace": "default",
            "queue": "default",
            "priority": 0,
            "needs_id": needs_id(kind, NO_NEEDS),
            "requirements": NO_NEEDS,
            "document": b"document",
        }
        return NewTask(kind=kind, **{**defaults, **fields})

    async def submit(self, **fields: Any) -> Task:
        new = self.new_task(**fields)
        [created] = await self.journal.submit(CreateTasks([new]))
        assert created.task is not None
        task: Task = created.task
        return task

    async def admit(self, agent_id: str = "agent-1", *, namespace: str = "default", **declared: Any) -> Admission:
        declaration = Declaration(**{"kinds": ("noop",), "slots": 1000, **declared})
        key = (namespace, agent_id)
        command = AdmitAgent(key, "incarnation-1", declaration, (), False, "coordinator-1")
        self._sessions[key] = await self.journal.submit(command)
        return self._sessions[key]

    async def grant(self, task: Task, agent_id: str = "agent-1") -> None:
        key = (task.namespace, agent_id)
        placement = Placement(next(self._numbers), task.id, agent_id, self._sessions[key].session)
        [outcome] = await self.journal.submit(GrantLeases([placement], [key]))
        assert outcome is PlacementOutcome.GRANTED

    async def report(
        self, task: Task, kind: ReportKind, *, token: int = 1, agent_id: str = "agent-1", **fields: Any
    ) -> None:
        said = Report(next(self._numbers), task.id, token, kind, **fields)
        key = (task.namespace, agent_id)
        refusals = await self.journal.submit(ApplyReports(key, "incarnation-1", self._sessions[key].session, [said]))
        assert refusals == []
