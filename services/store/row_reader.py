"""Reads the rows that a flush touches, on either database, as one JSON array of rows."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import Connection

from services.domain.agent import Agent, AgentKey
from services.domain.commands import RequestKey
from services.domain.cron_schedule import Schedule
from services.domain.ledger import RequestRecord
from services.domain.links import Link
from services.domain.queue import Queue, QueueKey
from services.domain.requirements import Requirements
from services.domain.task import Task
from services.store import postgres_dialect, sqlite_dialect
from services.store.away import explained
from services.store.dependencies import read_dependents
from services.store.queues import count_pending
from services.store.statements import READ_AGENTS, READ_NEEDS, READ_QUEUES, READ_REQUESTS, READ_TASKS, Read

_encode = msgspec.json.Encoder().encode
decode_tasks = msgspec.json.Decoder(list[Task]).decode
decode_agents = msgspec.json.Decoder(list[Agent]).decode
decode_queues = msgspec.json.Decoder(list[Queue]).decode
decode_requests = msgspec.json.Decoder(list[RequestRecord]).decode
decode_schedules = msgspec.json.Decoder(list[Schedule]).decode
decode_needs = msgspec.json.Decoder(list[tuple[str, Requirements]]).decode


class Rows(msgspec.Struct, frozen=True):
    """Rows as values. `requirements` are those of the tasks, by their names."""

    tasks: list[Task]
    agents: list[Agent]
    queues: list[Queue]
    requirements: dict[str, Requirements]


class RowReader:
    """Reads on one connection, which is not in a transaction: each read sees the last commit."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._on_postgres = connection.dialect.name == "postgresql"

    def rows(self, read: Read, keys: Collection[Any]) -> str:
        """The rows with these keys; a key of several columns is a tuple."""
        if not keys:
            return "[]"
        if self._on_postgres:
            statement = postgres_dialect.reading(read)
            columns = zip(*keys, strict=True) if len(read.key) > 1 else [keys]
            arguments: tuple[Any, ...] = tuple(map(list, columns))
        else:
            statement, arguments = sqlite_dialect.reading(read), (_encode(sorted(keys)).decode(),)
        with explained(self._connection):
            found: str = self._connection.exec_driver_sql(statement, arguments).scalar_one()
        return found

    def dependents(self, task_ids: Collection[str], *, limit: int) -> list[Link]:
        """The links to these tasks, by the task that is waited for, at most so many."""
        with explained(self._connection):
            return read_dependents(self._connection, task_ids, limit=limit)

    def pending(self, key: QueueKey) -> tuple[int, int]:
        """How many tasks of a queue are pending, and the last event by then."""
        with explained(self._connection):
            return count_pending(self._connection, key)


def read_requests(connection: Connection, keys: Collection[RequestKey]) -> list[RequestRecord]:
    """Which tasks these request ids belong to, as far as they were used."""
    return decode_requests(RowReader(connection).rows(READ_REQUESTS, keys))


def read_rows(
    connection: Connection,
    *,
    task_ids: Collection[str],
    agents: Collection[AgentKey],
    queues: Collection[QueueKey],
) -> Rows:
    """These rows, as far as they are there, and the requirements of the tasks."""
    reader = RowReader(connection)
    tasks = decode_tasks(reader.rows(READ_TASKS, task_ids))
    needs = {task.needs_id for task in tasks}
    return Rows(
        tasks,
        decode_agents(reader.rows(READ_AGENTS, agents)),
        decode_queues(reader.rows(READ_QUEUES, queues)),
        dict(decode_needs(reader.rows(READ_NEEDS, needs))),
    )
