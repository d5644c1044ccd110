"""What a script left behind, compared with what the model has: the rows, and the log with its promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.domain.commands import NewTask
from services.domain.dependencies import DependencyPolicy
from services.domain.task import TaskState
from services.domain.task_filter import TaskFilter
from services.store.agents import AgentFilter, list_agents
from services.store.queues import get_queue
from services.store.tasks import list_attempts, list_tasks
from tests.store.journals import Journals
from tests.store.log_promises import PROMISES, Past
from tests.store.model import Model
from tests.store.model_values import seen

# More than a script makes.
MANY = 1_000


@dataclass(frozen=True)
class Remains:
    """Where to look, and what a script said. `agents` has the leases and the gpus that each may hold."""

    journals: Journals
    namespace: str
    model: Model
    queues: Sequence[str]
    agents: Mapping[str, tuple[int, float]]
    news: Mapping[str, NewTask]
    incarnations: Mapping[tuple[str, int], str]
    redeliveries_max: int


def compare(run: Remains) -> None:
    """Raises AssertionError for the first thing that is not as it must be."""
    tasks_are_the_models(run)
    agents_and_queues_are_the_models(run)
    log_keeps_the_promises(run)
    assert run.journals.findings(run.namespace) == []


def tasks_are_the_models(run: Remains) -> None:
    rows = rows_of(run)
    assert sorted(rows) == sorted(run.model.tasks)
    for task_id, task in run.model.tasks.items():
        row = rows[task_id]
        assert seen(row) == task.summary()
        assert not task.held or row.agent_id == task.agent
        backoff = task.state is TaskState.SCHEDULED and task.failures  # it has a jitter
        assert backoff or row.wake_time == task.wake, f"{task_id}: {row.wake_time} {task.wake}"
        assert row.end_time == task.end_time
        attempts = {one.token: one for one in attempts_of(run, task_id)}
        found = {n: (one.agent_id, one.incarnation, one.outcome, one.digest) for n, one in attempts.items()}
        assert found == task.attempts


def agents_and_queues_are_the_models(run: Remains) -> None:
    page = run.journals.read(list_agents, AgentFilter(namespace=run.namespace), after="", limit=MANY)
    assert [row.id for row in page.agents] == sorted(run.model.agents)
    for row in page.agents:
        agent, held = run.model.agents[row.id], run.model.held_by(row.id)
        started = sum(task.state is TaskState.RUNNING for task in held)
        assert seen(row) == agent.summary()
        assert (row.leases, row.started) == (len(held), started)
        assert row.resources_used.get("gpu", 0.0) == sum(task.gpus for task in held)
        assert (row.expire_time, set(row.superseded)) == (agent.expire_time, agent.superseded)
    for name in run.queues:
        queue, model = run.journals.read(get_queue, (run.namespace, name))[0], run.model.queue(name)
        assert seen(queue) == (model.policy, model.paused, model.version)


def log_keeps_the_promises(run: Remains) -> None:
    numbered = run.journals.log(run.namespace)
    heard = [
        (committed.first_sequence + place, event)
        for committed in run.journals.heard
        for place, event in enumerate(committed.events)
    ]
    if run.journals.count == 1:
        assert numbered == heard, "what the listeners heard is not what is in the log"
    past = Past(
        events=[event for _, event in numbered],
        tasks=list(rows_of(run).values()),
        attempts={task_id: attempts_of(run, task_id) for task_id in run.model.tasks},
        slots={agent_id: slots for agent_id, (slots, _) in run.agents.items()},
        gpus={agent_id: gpus for agent_id, (_, gpus) in run.agents.items()},
        needs={task_id: new.requirements.resources.get("gpu", 0.0) for task_id, new in run.news.items()},
        incarnations=run.incarnations,
        attempts_max={task_id: new.retry.attempts_max for task_id, new in run.news.items() if new.retry},
        redeliveries_max=run.redeliveries_max,
        depends_on={task_id: new.depends_on for task_id, new in run.news.items()},
        runs_anyway={task_id for task_id, new in run.news.items() if new.dependency_policy == DependencyPolicy.RUN},
    )
    for promise in PROMISES:
        promise(past)


def rows_of(run: Remains) -> dict[str, Any]:
    page = run.journals.read(list_tasks, TaskFilter(namespace=run.namespace), before="", limit=MANY)
    return {stored.row.id: stored.row for stored in page.tasks}


def attempts_of(run: Remains, task_id: str) -> list[Any]:
    """Those that have ended."""
    page = run.journals.read(list_attempts, run.namespace, task_id, after=0, limit=MANY)
    return [attempt for attempt in page.attempts if attempt.end_time]
