"""One flush: reads what its commands touch, folds them in order, and says what is to be written.

    read · fold (pure) · rows → `writer.py`

What the flush before has changed and not written yet is in the row cache, so a flush stands on it. On SQLite nobody
else writes: what was read is what is changed, although the transaction begins only then. On PostgreSQL others do, and
the versions of all that was read go with the flush: the transaction takes it only if they are still the same. Nothing
is answered before its COMMIT.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from services.domain.agent import Agent, AgentKey
from services.domain.commands import Command, NewTask, RequestKey
from services.domain.cron_schedule import Schedule, ScheduleKey
from services.domain.event import Event
from services.domain.failure import Attempt, Progress
from services.domain.fold import fold, touched
from services.domain.ledger import CancelOrder, Granted, Ledger, Revoked, Rules, Touches
from services.domain.membership import PROGRAM
from services.domain.queue import Queue, QueueKey
from services.domain.requirements import Requirements
from services.domain.stuck_group import StuckGroup, StuckKey
from services.domain.task import Task
from services.store import statements
from services.store.changes import (
    Versions,
    changed_agents,
    changed_rows,
    event_rows,
    forgotten_rows,
    link_rows,
    raise_versions,
)
from services.store.dependents import Dependents
from services.store.gates import Gates, may_refuse
from services.store.limits import REQUIREMENTS_CACHE_MAX
from services.store.row_cache import RowCache
from services.store.row_reader import (
    RowReader,
    decode_agents,
    decode_needs,
    decode_queues,
    decode_requests,
    decode_schedules,
    decode_stuck,
    decode_tasks,
)
from services.store.schedule_rows import schedule_rows
from services.store.stuck_rows import stuck_rows
from services.store.writer import Batch


class Committed(msgspec.Struct, frozen=True, kw_only=True):
    """What a commit made real, for those who follow it. The sequence of `events[i]` is `first_sequence + i`."""

    first_sequence: int
    events: list[Event]
    tasks: dict[str, Task]
    created: dict[str, NewTask]
    ready: list[Task]
    unready: list[Task]
    granted: list[Granted]
    revoked: list[Revoked]
    cancels: list[CancelOrder]
    agents: list[Agent]
    holdings: dict[AgentKey, list[Task]]  # all that they hold, of agents that came here: by a Hello, or adopted
    queues: list[Queue]
    stuck: list[StuckGroup]  # with reason NONE: gone
    ended: list[Attempt]
    progress: dict[str, Progress]
    unsettled: list[str]  # tasks that have ended, and whose dependents were not all moved on
    requirements: dict[str, Requirements]  # of the tasks in `ready`
    schedules: list[Schedule] = []


class Prepared:
    """A flush that waits to be written."""

    __slots__ = ("answers", "batch", "ledger", "queues")

    def __init__(self, answers: list[Any], ledger: Ledger, batch: Batch, queues: set[QueueKey]) -> None:
        self.answers = answers
        self.ledger = ledger
        self.batch = batch
        self.queues = queues


decode_attempts = msgspec.json.Decoder(list[Attempt]).decode


class Decided(NamedTuple):
    """What the commands of a flush came to, and on what; `settled` are tasks that no others wait for any more."""

    ledger: Ledger
    before: Versions
    answers: list[Any]
    settled: Iterable[str]


class Flusher:
    """Makes flushes, from rows that `reader` finds. Not thread-safe.

    `shard` is where new tasks go, `program` what every live coordinator knows. `shared`: whether others write to the
    database, too.
    """

    def __init__(self, reader: RowReader, rules: Rules, *, shared: bool) -> None:
        self._reader = reader
        self._rules = rules
        self._shared = shared
        self.shard = 0
        self.program = PROGRAM
        self._flush = 0
        self._cache = RowCache()
        self.gates = Gates(reader)
        self._queues: set[QueueKey] = set()  # that the flush looked at
        # Sets of requirements are named by their content, so what was read once stays true.
        self._requirements: dict[str, Requirements] = {}

    def prepare(self, commands: Sequence[Command], *, read_requests: bool = False) -> Prepared:
        """All of a flush but its transaction, on top of the one before, which may be on its way to the database still.

        `settle` has to follow once it is written, in the same order; or `discard`, for all of them.

        Request ids that are not remembered are taken for new. The database knows better: the writer then raises
        RequestsKnown, and `read_requests` has them looked up. Where a queue refuses a submit nothing is written, so
        they are looked up at once.
        """
        try:
            touches = touched(commands)
            decided = self._decide(commands, touches, read_requests=read_requests)
            if decided.ledger.gates.doubtful:
                self._requirements = self._cache.unwritten_requirements()  # the fold has put new ones into it
                decided = self._decide(commands, touches, read_requests=True)
            ledger = decided.ledger
            raise_versions(ledger)
            batch = self._batch(ledger, decided.before, decided.settled)
        except BaseException:
            self._requirements = self._cache.unwritten_requirements()  # it may hold what will never be written
            raise
        self._cache.hold(ledger)
        return Prepared(decided.answers, ledger, batch, self._queues)

    def _decide(self, commands: Sequence[Command], touches: Touches, *, read_requests: bool) -> Decided:
        """Reads what the commands touch and folds them; answers go with what they were decided on."""
        ledger = self._read(touches)
        self.gates.open(touches, ledger, unwritten=self._cache.unwritten)
        if read_requests or (ledger.gates and may_refuse(ledger, coming=len(touches.created))):
            self._read_all_requests(ledger, touches)
        before = Versions(ledger, self._queues, touches.stuck)
        dependents = Dependents(self._reader, self._cache, ledger, before.tasks)
        answers = []
        for command in commands:
            answers.append(fold(ledger, command))
            if ledger.ended_dependencies:
                dependents.move_on()
        return Decided(ledger, before, answers, dependents.settled)

    def settle(self, prepared: Prepared, base: int) -> Committed:
        """What was written is real: remembered for the next flush. Its events are numbered from `base`."""
        self._cache.remember(prepared.ledger, prepared.queues)
        self.gates.settle(prepared.ledger, last=base + len(prepared.ledger.events))
        return committed(prepared.ledger, base + 1)

    def discard(self) -> None:
        """Something was not written, or nobody knows whether: what was remembered is not certain any more."""
        self._cache.forget()
        self.gates.depths.forget()
        self._requirements = {}

    def discard_read(self, prepared: Sequence[Prepared]) -> None:
        """These were not written since somebody else has changed a row: what they stood on is read again."""
        for each in prepared:
            self._cache.forget_read(each.ledger, each.queues)
        self._requirements = {}

    def changed_elsewhere(
        self, task_ids: Iterable[str], agents: Iterable[AgentKey], queues: Iterable[QueueKey]
    ) -> None:
        """Somebody else has changed these: they are read again."""
        self._cache.forget_rows(task_ids, agents, queues)

    def _batch(self, ledger: Ledger, before: Versions, settled: Iterable[str]) -> Batch:
        """What the ledger has to have written, and what has to be looked at again for it."""
        changes = changed_rows(ledger, before)
        if ledger.schedules.changed:
            changes.update(schedule_rows(ledger.schedules, before.schedules))
        if self._shared:
            for write in changes:
                changes[write].sort(key=write.order)
        written = {**changes, **forgotten_rows(ledger), **link_rows(ledger)}
        if ledger.changed_stuck:
            written.update(stuck_rows(ledger, before.stuck))
        self._flush += 1
        writes = [
            (place, written[write], before.of(write, written[write]) if self._shared else [])
            for place, write in enumerate(statements.WRITES)
            if written.get(write)
        ]
        checks = before.checks(ledger, settled) if self._shared else []
        chunks, notes = event_rows(ledger)
        return Batch(self._flush, writes, checks, len(ledger.events), chunks, notes)

    def _read(self, touches: Touches) -> Ledger:
        """Everything that the commands touch, and what follows from it."""
        ledger = Ledger(time.time_ns() // 1000, self._rules, shard=self.shard, program=self.program)
        wanted = self._cache.take_tasks(touches.task_ids - touches.created, ledger)
        if wanted:
            self._take_tasks(ledger, self._reader.rows(statements.READ_TASKS, wanted))
        if touches.holders:
            # The agents first: whoever grants or ends a lease raises their versions, so these vouch for what they hold.
            self._read_agents(ledger, touches.holders)
            self._take_tasks(ledger, self._reader.rows(statements.READ_HELD, touches.holders))
            self._cache.correct_held(touches.holders, ledger)
        tasks = ledger.tasks.values()
        holders = {(t.namespace, t.agent_id) for t in tasks if t.held}
        self._read_agents(ledger, (touches.agents | holders) - touches.holders)
        self._queues = touches.queues | {(t.namespace, t.queue) for t in tasks}
        unread_queues = self._cache.take_queues(self._queues, ledger)
        if unread_queues:
            found_queues = decode_queues(self._reader.rows(statements.READ_QUEUES, unread_queues))
            ledger.queues.update((queue.key, queue) for queue in found_queues)
        if touches.schedules:
            self._read_schedules(ledger, touches.schedules)
        doubtful = self._cache.take_requests(touches.requests, ledger, shared=self._shared)
        self._read_requests(ledger, doubtful)
        if touches.stuck:
            self._read_stuck(ledger, touches.stuck)
        self._read_attempts(ledger, touches)
        self._read_dependencies(ledger, touches)
        ledger.requirements = self._known_requirements({t.needs_id for t in tasks})
        return ledger

    def _read_agents(self, ledger: Ledger, wanted: set[AgentKey]) -> None:
        unread = self._cache.take_agents(wanted, ledger)
        if unread:
            found = decode_agents(self._reader.rows(statements.READ_AGENTS, unread))
            ledger.agents.update((agent.key, agent) for agent in found)

    def _read_schedules(self, ledger: Ledger, wanted: set[ScheduleKey]) -> None:
        unread = self._cache.take_schedules(wanted, ledger)
        ledger.schedules.rows.update(dict.fromkeys(unread))
        for schedule in decode_schedules(self._reader.rows(statements.READ_SCHEDULES, unread)):
            ledger.schedules.rows[schedule.key] = schedule

    def _read_stuck(self, ledger: Ledger, wanted: set[StuckKey]) -> None:
        unread = self._cache.take_stuck(wanted, ledger)
        found = decode_stuck(self._reader.rows(statements.READ_STUCK, unread))
        ledger.stuck.update((group.key, group) for group in found)

    def _take_tasks(self, ledger: Ledger, rows: str) -> None:
        for task in decode_tasks(rows):
            ledger.tasks[task.id] = task

    def _read_dependencies(self, ledger: Ledger, touches: Touches) -> None:
        """The tasks that new ones depend on. Who holds them does not matter.

        A task that depends on one that is gone by now is refused, unless it was accepted before.
        """
        if touches.dependencies:
            self._read_all_requests(ledger, touches)
        wanted = touches.dependencies - touches.created - ledger.tasks.keys()
        if wanted:
            self._take_tasks(ledger, self._reader.rows(statements.READ_TASKS, self._cache.take_tasks(wanted, ledger)))

    def _read_all_requests(self, ledger: Ledger, touches: Touches) -> None:
        self._read_requests(ledger, touches.requests - ledger.requests.keys())
        ledger.gates.requests_read = True

    def _read_requests(self, ledger: Ledger, wanted: Collection[RequestKey]) -> None:
        found = decode_requests(self._reader.rows(statements.READ_REQUESTS, wanted))
        ledger.requests.update(((r.namespace, r.request_id), r) for r in found)

    def _read_attempts(self, ledger: Ledger, touches: Touches) -> None:
        """The attempts of those leases that are not current: they may be known already."""
        past = {lease for lease in touches.leases if not is_current(ledger.tasks.get(lease[0]), lease[1])}
        if past:
            found = decode_attempts(self._reader.rows(statements.READ_ATTEMPTS, past))
            ledger.attempts = {(a.task_id, a.token): a for a in found}
            self._cache.take_attempts(ledger)

    def _known_requirements(self, wanted: set[str]) -> dict[str, Requirements]:
        """The cache of requirements, with these in it. The fold adds new ones to it."""
        if len(self._requirements) > REQUIREMENTS_CACHE_MAX:
            self._requirements = self._cache.unwritten_requirements()
        missing = wanted - self._requirements.keys()
        if missing:
            self._requirements.update(decode_needs(self._reader.rows(statements.READ_NEEDS, missing)))
        return self._requirements


def is_current(task: Task | None, token: int) -> bool:
    """Whether this token is the task's current lease."""
    return task is not None and task.held and task.token == token


def committed(ledger: Ledger, first_sequence: int) -> Committed:
    """What the ledger has to tell."""
    return Committed(
        first_sequence=first_sequence,
        events=ledger.events,
        tasks={task_id: ledger.tasks[task_id] for task_id in ledger.changed_tasks},
        created=ledger.created,
        ready=ledger.ready,
        unready=ledger.unready,
        granted=ledger.granted,
        revoked=ledger.revoked,
        cancels=ledger.cancels,
        agents=changed_agents(ledger),
        holdings=ledger.holdings(),
        queues=[ledger.queues[key] for key in ledger.changed_queues],
        stuck=[ledger.stuck[key] for key in ledger.changed_stuck],
        ended=ledger.ended,
        progress=ledger.progress,
        unsettled=list(ledger.unsettled),
        requirements={task.needs_id: ledger.requirements[task.needs_id] for task in ledger.ready},
        schedules=[after for key in ledger.schedules.changed if (after := ledger.schedules.rows[key]) is not None],
    )
