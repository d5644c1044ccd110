"""Fills a database with a million tasks in seconds: one is made by the store itself, and copied by SQL.

The copies have no events, so `missionctl db check` would find them; nothing that is measured looks for them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text
from sqlalchemy.sql.schema import Table

from services.domain.agent import AgentKey, Declaration
from services.domain.commands import (
    Admission,
    AdmitAgent,
    ApplyReports,
    ChangeQueue,
    Command,
    CreateTasks,
    EndSession,
    NewTask,
    Placement,
    Report,
    ReportKind,
)
from services.domain.ledger import Rules
from services.domain.requirements import Requirements, needs_id
from services.store import schema
from services.store.coordinators import claim_term
from services.store.flush import Flusher
from services.store.row_reader import RowReader
from services.store.writer_process import open_writer

NAMESPACE, QUEUE = "default", "default"
SEEDER: AgentKey = (NAMESPACE, "seeder")
INCARNATION = "00000000-0000-0000-0000-000000000001"


@dataclass(frozen=True)
class Seed:
    """Tasks that are in the database before the fleet starts."""

    tasks: int
    kind: str
    document: bytes
    finished: bool = False
    capability: str = ""
    priority: int = 0


def seed(engine: Engine, seeds: list[Seed]) -> None:
    """Pauses the default queue and puts the tasks in, then has the database look at its statistics."""
    with engine.connect() as connection:
        identity = claim_term(connection, "seeder")
        # Nobody else writes here, so no version is looked at again.
        flusher, writer = Flusher(RowReader(connection), Rules(), shared=False), open_writer(engine.url, identity)

        def flush(command: Command) -> object:
            prepared = flusher.prepare([command])
            flusher.settle(prepared, writer.write(prepared.batch))
            return prepared.answers[0]

        if engine.dialect.name == "postgresql":
            connection.execute(text("SET statement_timeout = 0"))
        flush(ChangeQueue((NAMESPACE, QUEUE), paused=True))
        for number, one in enumerate(seeds):
            template = f"{number:08d}-0000-7000-8000-{0:012d}"
            new = template_task(template, one)
            if one.finished:
                finish(flush, new)
            else:
                flush(CreateTasks([new]))
            multiply(connection, schema.tasks, "id", template, one.tasks - 1)
            multiply(connection, schema.task_details, "task_id", template, one.tasks - 1)
            if one.finished:
                multiply(connection, schema.attempts, "task_id", template, one.tasks - 1)
        writer.close()
        connection.execute(text("VACUUM (ANALYZE)" if engine.dialect.name == "postgresql" else "ANALYZE"))


def template_task(task_id: str, one: Seed) -> NewTask:
    """The task that the others are copies of."""
    requirements = Requirements(capabilities=(one.capability,) if one.capability else ())
    return NewTask(
        id=task_id,
        namespace=NAMESPACE,
        queue=QUEUE,
        kind=one.kind,
        priority=one.priority,
        needs_id=needs_id(one.kind, requirements),
        requirements=requirements,
        digest="0" * 32,
        document=one.document,
    )


def finish(flush: Callable[[Command], object], new: NewTask) -> None:
    """Has an agent of ours run the task."""
    flush(ChangeQueue((NAMESPACE, QUEUE), paused=False))
    admission = flush(AdmitAgent(SEEDER, INCARNATION, Declaration(kinds=(new.kind,), slots=1), [], False, "seeder"))
    assert isinstance(admission, Admission)
    session = admission.session
    flush(CreateTasks([new], [Placement(0, new.id, SEEDER[1], session)]))
    flush(ApplyReports(SEEDER, INCARNATION, session, [Report(1, new.id, 1, ReportKind.SUCCEEDED, digest="0" * 16)]))
    flush(EndSession(SEEDER, session, goodbye=True))


def multiply(connection: Connection, table: Table, key: str, template: str, copies: int) -> None:
    """Copies of one row, each under a key of its own; tasks also with a queued time of their own."""
    postgres = connection.dialect.name == "postgresql"
    number = "lpad(s.n::text, 12, '0')" if postgres else "printf('%012d', s.n)"
    new = {key: f"'{template[:-12]}' || {number}"}
    if table is schema.tasks:
        new["queued_time"] = "CASE WHEN t.queued_time > 0 THEN t.queued_time + s.n ELSE 0 END"
    names = [column.name for column in table.columns]
    values = ", ".join(new.get(name, f"t.{name}") for name in names)
    series = "generate_series(1, :copies) AS s(n)" if postgres else "s"
    head = "" if postgres else "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < :copies) "
    insert = f"INSERT INTO {table.name} ({', '.join(names)}) "  # names of our own schema
    select = f"SELECT {values} FROM {table.name} AS t, {series} WHERE t.{key} = :template"
    connection.execute(text(head + insert + select), {"copies": copies, "template": template})
