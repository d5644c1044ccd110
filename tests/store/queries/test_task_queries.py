from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert

from services.domain.commands import CancelTask, ReportKind
from services.domain.errors import NotFound
from services.domain.failure import AttemptOutcome, Failure, FailureReason, Progress
from services.domain.retry import RetryPolicy
from services.domain.task import TaskState
from services.domain.task_filter import TaskFilter
from services.store import task_index
from services.store.feed import read_position
from services.store.schema import tasks
from services.store.tasks import StoredTask, get_task, list_attempts, list_tasks
from services.store.transactions import begin_writing
from tests.store.queries.store import Store

TERMINAL_ONCE = RetryPolicy(attempts_max=1)


async def page_of(store: Store, *, before: str = "", limit: int = 100, **fields: object) -> list[str]:
    filter_ = TaskFilter(**{"namespace": "default", **fields})  # type: ignore[arg-type]  # what the test gives
    page = await store.read(partial(list_tasks, filter_=filter_, before=before, limit=limit))
    return [stored.row.id for stored in page.tasks]


async def test_a_task_is_read_with_its_document_and_its_position(store: Store) -> None:
    task = await store.submit(document=b"\x00spec", labels={"team": "a"}, retry=RetryPolicy(attempts_max=7))

    stored, position = await store.read(partial(get_task, namespace="default", task_id=task.id))

    assert stored == StoredTask(task, b"\x00spec", None, None)
    assert position == await store.read(read_position)
    assert position.sequence == 1


async def test_foreign_and_missing_tasks_are_refused_with_the_same_words(store: Store) -> None:
    task = await store.submit(namespace="theirs")

    with pytest.raises(NotFound) as foreign:
        await store.read(partial(get_task, namespace="default", task_id=task.id))
    with pytest.raises(NotFound) as missing:
        await store.read(partial(get_task, namespace="default", task_id="f" * 36))

    assert foreign.value.message.replace(task.id, "f" * 36) == missing.value.message


async def test_a_finished_task_comes_with_the_attempt_that_ended_it(store: Store) -> None:
    await store.admit()
    task = await store.submit()
    await store.grant(task)
    await store.report(task, ReportKind.STARTED)
    await store.report(task, ReportKind.PROGRESS, progress=Progress(0.5, "half"))
    await store.report(task, ReportKind.SUCCEEDED, document=b"output", usage=b"usage", digest="d")

    stored, _ = await store.read(partial(get_task, namespace="default", task_id=task.id))

    assert stored.row.state is TaskState.SUCCEEDED
    assert stored.progress == Progress(0.5, "half")
    assert stored.attempt is not None
    assert (stored.attempt.output, stored.attempt.usage) == (b"output", b"usage")
    assert stored.attempt.outcome is AttemptOutcome.SUCCEEDED


async def test_lists_are_newest_first_and_go_on_by_key(store: Store) -> None:
    ids = [(await store.submit()).id for _ in range(5)]

    first = await page_of(store, limit=2)
    second = await page_of(store, before=first[-1], limit=2)
    third = await page_of(store, before=second[-1], limit=2)

    assert first + second + third == ids[::-1]


async def test_the_last_page_has_nothing_to_go_on_from(store: Store) -> None:
    await store.submit()
    await store.submit()
    wanted = TaskFilter(namespace="default")

    page = await store.read(partial(list_tasks, filter_=wanted, before="", limit=2))

    assert page.before is None


async def test_filters_hold_all_at_once(store: Store) -> None:
    await store.admit()
    wanted = await store.submit(queue="a", kind="noop", labels={"x": "1", "y": "2"})
    await store.submit(queue="b", labels={"x": "1"})
    await store.submit(queue="a", labels={"x": "2"})
    await store.submit(namespace="theirs", queue="a", labels={"x": "1"})
    await store.grant(wanted)

    assert await page_of(store, queue="a", labels={"x": "1"}) == [wanted.id]
    assert await page_of(store, labels={"x": "1", "y": "2"}, kind="noop") == [wanted.id]
    assert await page_of(store, agent_id="agent-1") == [wanted.id]
    assert await page_of(store, states=frozenset({3, 4})) == [wanted.id]
    assert await page_of(store, states=frozenset({4})) == []
    assert len(await page_of(store, states=frozenset({2, 3}))) == 3


async def test_a_task_that_waits_again_is_not_listed_for_its_last_agent(store: Store) -> None:
    await store.admit()
    task = await store.submit()
    await store.grant(task)
    await store.report(task, ReportKind.RETURNED, digest="d")

    assert await page_of(store, agent_id="agent-1") == []


async def test_failures_are_found_by_their_reason(store: Store) -> None:
    await store.admit()
    task = await store.submit(retry=TERMINAL_ONCE)
    other = await store.submit()
    await store.journal.submit(CancelTask("default", other.id))
    await store.grant(task)
    failure = Failure(FailureReason.TIMEOUT, "too long")
    await store.report(task, ReportKind.FAILED, failure=failure, digest="d")

    assert await page_of(store, failure_reason=int(FailureReason.TIMEOUT)) == [task.id]
    assert await page_of(store, failure_reason=int(FailureReason.DEAD_LETTER)) == []
    assert await page_of(store, states=frozenset({6, 7})) == [other.id, task.id]
    assert await page_of(store, states=frozenset({7}), failure_reason=int(FailureReason.TIMEOUT)) == []


async def test_a_walk_is_bounded_and_goes_on_where_it_stopped(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_index, "TASKS_SCAN_MAX", 3)
    rare = await store.submit(queue="rare")
    for _ in range(7):
        await store.submit()
    wanted = TaskFilter(namespace="default", queue="rare")

    found, before, pages = [], "", 0
    while True:
        page = await store.read(partial(list_tasks, filter_=wanted, before=before, limit=10))
        found += [stored.row.id for stored in page.tasks]
        pages += 1
        if page.before is None:
            break
        before = page.before

    assert found == [rare.id]
    assert pages == 3


async def test_attempts_are_oldest_first_with_the_current_one_last(store: Store) -> None:
    await store.admit()
    task = await store.submit()
    await store.grant(task)
    await store.report(task, ReportKind.RETURNED, digest="d", message="not now")
    await store.grant(task)
    await store.report(task, ReportKind.STARTED, token=2)
    await store.report(task, ReportKind.PROGRESS, token=2, progress=Progress(None, "on"))

    page = await store.read(partial(list_attempts, namespace="default", task_id=task.id, after=0, limit=10))
    first = await store.read(partial(list_attempts, namespace="default", task_id=task.id, after=0, limit=1))
    rest = await store.read(partial(list_attempts, namespace="default", task_id=task.id, after=1, limit=1))

    assert [attempt.token for attempt in page.attempts] == [1, 2]
    assert page.attempts[0].outcome is AttemptOutcome.RETURNED
    assert (page.attempts[1].end_time, page.attempts[1].incarnation) == (0, "incarnation-1")
    assert page.progress == Progress(None, "on")
    assert ([a.token for a in first.attempts], first.after) == ([1], 1)
    assert ([a.token for a in rest.attempts], rest.after) == ([2], None)


async def test_rare_states_are_found_by_their_index_among_many_tasks(store: Store) -> None:
    await store.admit()
    fail = await store.submit(retry=TERMINAL_ONCE)
    await store.grant(fail)
    await store.report(fail, ReportKind.FAILED, failure=Failure(FailureReason.ERROR), digest="d")
    held = await store.submit()
    await store.grant(held)
    await store.read(partial(add_finished, count=2_000))
    statements: list[str] = []

    def explain(connection: Connection) -> list[str]:
        @event.listens_for(connection, "before_cursor_execute")
        def _note(_c: object, cursor: object, statement: str, parameters: object, *_: object) -> None:
            if statement.startswith("SELECT tasks.id"):
                driver: Any = connection.connection.driver_connection
                explain, words = (
                    ("EXPLAIN", 0) if connection.dialect.name == "postgresql" else ("EXPLAIN QUERY PLAN", 3)
                )
                plan = driver.execute(f"{explain} {statement}", parameters)
                statements.append(" ".join(row[words] for row in plan))

        for states in ({1}, {2}, {3, 4}, {6, 7, 8}):
            task_index.find_tasks(
                connection, TaskFilter(namespace="default", states=frozenset(states)), before="", limit=10
            )
        return statements

    plans = await store.read(explain)

    for index in ("tasks_scheduled", "tasks_ready", "tasks_held_by", "tasks_unsuccessful"):
        assert any(index in plan for plan in plans), plans
    assert not any("SCAN tasks" in plan or "Seq Scan on tasks" in plan for plan in plans), plans


def add_finished(connection: Connection, *, count: int) -> None:
    row: dict[str, object] = {column.name: column.type.python_type() for column in tasks.columns}
    row |= {"namespace": "default", "queue": "default", "state": 5, "end_time": 1, "retry": None, "avoid": None}
    connection.exec_driver_sql("ROLLBACK")
    begin_writing(connection)
    connection.execute(insert(tasks), [{**row, "id": f"{number:08x}-f"} for number in range(count)])
    connection.exec_driver_sql("COMMIT")
    connection.exec_driver_sql("ANALYZE")
    connection.exec_driver_sql("BEGIN")
