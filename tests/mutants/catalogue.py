"""The mutants as data: which promise each breaks, the change that does it, and the tests that must fail then."""

from __future__ import annotations

from typing import NamedTuple

FOLD, SUBMIT, PROMISES = "tests/store/test_fold.py", "tests/store/test_submit.py", "tests/store/test_promises.py"
FLUSH, JOURNAL, WRITER = (
    "tests/store/test_flush.py",
    "tests/store/test_journal.py",
    "tests/store/test_writer_process.py",
)
MODEL, SEVERAL = "tests/store/test_model.py", "tests/store/test_several_writers.py"
SESSION, SDK = "tests/domain/test_session.py", "tests/clients/session"
SIMULATION = "tests/simulation/test_simulation.py"


class Mutant(NamedTuple):
    """One bug. `before` stands exactly once in the file."""

    name: str
    promise: str
    bug: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]


MUTANTS = (
    Mutant(
        "the answer comes before the commit",
        "S1",
        "the caller hears OK when the flush is handed over, not when it is on disk",
        "services/store/journal.py",
        "        self._writer.commit(flight.prepared.batch).add_done_callback(self._finish)\n",
        "        self._writer.commit(flight.prepared.batch).add_done_callback(self._finish)\n"
        "        self._answer(flight.entries, flight.prepared.answers)\n",
        (JOURNAL,),
    ),
    Mutant(
        "commits that a power cut takes back",
        "S1",
        "SQLite with synchronous=NORMAL acknowledges what is not on disk",
        "services/store/database.py",
        '"synchronous = FULL"',
        '"synchronous = NORMAL"',
        ("tests/store/test_sqlite_writer.py",),
    ),
    Mutant(
        "a repeated submit makes another task",
        "S2",
        "the request id is not looked up",
        "services/domain/submit.py",
        "        if earlier is not None:\n            return repeated(new, earlier)\n",
        "",
        (SUBMIT, SIMULATION),
    ),
    Mutant(
        "another body under the same request id is taken for the same",
        "S2",
        "the digest of the body is not compared",
        "services/domain/submit.py",
        "    if earlier.digest == new.digest:\n",
        "    if earlier.digest:\n",
        (SUBMIT, MODEL),
    ),
    Mutant(
        "a task is leased twice",
        "S3",
        "the grant does not look at the task's state",
        "services/domain/grant.py",
        "    if task.state is not TaskState.PENDING:\n        return PlacementOutcome.TASK_GONE\n",
        "",
        (FOLD, PROMISES, MODEL, SIMULATION),
    ),
    Mutant(
        "a fence of the agent's id alone",
        "S4",
        "a report with an older token of the same agent is accepted",
        "services/domain/report.py",
        "        and task.token == report.token\n",
        "",
        (FOLD, PROMISES, MODEL),
    ),
    Mutant(
        "a report on an earlier stream counts",
        "S4",
        "the session of the report is not compared",
        "services/domain/report.py",
        " or agent.session != command.session:\n",
        ":\n",
        (FOLD, PROMISES, MODEL),
    ),
    Mutant(
        "another outcome of the same attempt gets OK",
        "S5",
        "the digest of the outcome is not compared, so a failure is answered as if the success had said it",
        "services/domain/report.py",
        "    return report.kind not in OUTCOMES or attempt.digest == report.digest\n",
        "    return True\n",
        (FOLD, PROMISES, MODEL),
    ),
    Mutant(
        "the sweeper overwrites what has ended",
        "S6",
        "a due timer does not look whether the task is terminal, nor whether it was moved",
        "services/domain/revoke.py",
        "        if task is not None and not task.terminal and 0 < task.wake_time <= ledger.now:\n",
        "        if task is not None:\n",
        (FOLD, PROMISES, MODEL, SIMULATION),
    ),
    Mutant(
        "a task that kills its agents runs for ever",
        "S7",
        "redeliveries are not counted",
        "services/domain/attempt_end.py",
        "    redeliveries = task.redeliveries + 1\n",
        "    redeliveries = task.redeliveries\n",
        (FOLD, PROMISES, SIMULATION),
    ),
    Mutant(
        "an edge that is not in the table",
        "S8",
        "an attempt that failed goes back to PENDING without its backoff",
        "services/domain/attempt_end.py",
        "    after = advance(task, TaskState.SCHEDULED, failures=failures, wake_time=wake_time)\n",
        "    after = advance(task, TaskState.PENDING, failures=failures, wake_time=wake_time)\n",
        (FOLD, PROMISES, MODEL, SIMULATION),
    ),
    Mutant(
        "a change without an event",
        "S9",
        "the start of a task is written, but not told",
        "services/domain/report.py",
        "    ledger.put_task(task, running, EventType.TASK_STARTED)\n",
        "    ledger.tasks[running.id] = running\n    ledger.changed_tasks[running.id] = None\n",
        (FOLD, MODEL, SIMULATION),
    ),
    Mutant(
        "an event is numbered before its place is taken",
        "S10",
        "the feed's head is moved by one less than there are events: the next flush takes a number again",
        "services/store/sqlite_writer.py",
        "self._connection.execute(sqlite_dialect.ADVANCE_FEED, (batch.events,))",
        "self._connection.execute(sqlite_dialect.ADVANCE_FEED, (max(1, batch.events - 1),))",
        (FOLD,),
    ),
    Mutant(
        "a row is changed whatever its version",
        "S3",
        "two coordinators grant one task, since each writes what it decided on what it had read",
        "services/store/postgres_writer.py",
        "        if before:\n",
        "        if False:\n",
        (SEVERAL,),
    ),
    Mutant(
        "what was only read is not looked at again",
        "S14",
        "a coordinator grants a task of a queue that another one has paused since",
        "services/store/flush.py",
        "        checks = before.checks(ledger) if self._shared else []\n",
        "        checks: list[tuple[int, list[rows.Row]]] = []\n",
        (SEVERAL,),
    ),
    Mutant(
        "what stands on a failed batch is written",
        "S9, S10",
        "the writer does not leave out the batch behind one that failed",
        "services/store/writer_process.py",
        "            if failures_known < failures:\n",
        "            if failures_known < 0:\n",
        (WRITER,),
    ),
    Mutant(
        "a gap between history and live",
        "S11",
        "a reader joins the live feed where it is, not where its history ended",
        "services/coordinator/feed.py",
        "        index = bisect_left(self._chunks, after + 1, key=lambda chunk: chunk.last)\n",
        "        index = len(self._chunks) - 1\n",
        ("tests/coordinator/test_feed.py",),
    ),
    Mutant(
        "more leases than slots",
        "S13",
        "the grant does not count",
        "services/domain/grant.py",
        "    if agent.room < 1 or not fits(agent, demand):\n",
        "    if not fits(agent, demand):\n",
        (FOLD, PROMISES, MODEL, SIMULATION),
    ),
    Mutant(
        "resources that are never given back",
        "S13",
        "the end of an attempt frees the slot and keeps the gpu",
        "services/domain/agent.py",
        "        resources_used=added(agent.resources_used, demand, sign=-1),\n",
        "",
        (FOLD, PROMISES, "tests/store/test_check.py", MODEL, SIMULATION),
    ),
    Mutant(
        "a grant after a drain",
        "S14",
        "the grant does not ask whether the agent accepts work",
        "services/domain/grant.py",
        "    if not agent.accepting:\n        return PlacementOutcome.AGENT_NOT_ACCEPTING\n",
        "",
        (FOLD, MODEL),
    ),
    Mutant(
        "a cancelled task comes back",
        "S16",
        "a task whose cancel was asked for is retried when its attempt fails",
        "services/domain/attempt_end.py",
        "    elif task.cancel_request_time or ending.outcome is AttemptOutcome.CANCELLED:\n",
        "    elif ending.outcome is AttemptOutcome.CANCELLED:\n",
        (FOLD, PROMISES, MODEL, SIMULATION),
    ),
    Mutant(
        "two twins that fight for ever",
        "S17",
        "the incarnation before is not remembered as superseded",
        "services/domain/admission.py",
        "        superseded = (before.incarnation, *superseded)[:SUPERSEDED_MAX]\n",
        "        superseded = superseded[:SUPERSEDED_MAX]\n",
        (FOLD, PROMISES, MODEL, SIMULATION),
    ),
    Mutant(
        "a coordinator without its term writes",
        "S18",
        "the fence does not compare the term",
        "services/store/sqlite_dialect.py",
        'FENCE = "UPDATE coordinators SET flush = ?1 WHERE id = ?2 AND term = ?3"\n',
        'FENCE = "UPDATE coordinators SET flush = ?1 WHERE id = ?2 AND ?3 > 0"\n',
        (FOLD, WRITER),
    ),
    Mutant(
        "leases that nobody names live on",
        "L1",
        "a heartbeat renews every lease of the agent, also one that it does not name",
        "services/domain/session.py",
        "                    self._since.setdefault(lease, self.last_heartbeat)\n",
        "                    self._since.pop(lease, None)\n",
        (SESSION,),
    ),
    Mutant(
        "work goes on although nobody hears the agent",
        "L3",
        "the agent's trust in its leases is counted from the echo, not from what it sent",
        "clients/python/missioncontrol/session_liveness.py",
        "                self.echoed_sent_time, self.echoed_version = sent_time, version\n",
        "                self.echoed_sent_time, self.echoed_version = now, version\n",
        (SDK,),
    ),
    Mutant(
        "an outcome that overtakes a checkpoint",
        "S5",
        "an outcome takes the place of its start although a checkpoint was said in between",
        "clients/python/missioncontrol/session_reports.py",
        "        start = self._starts.pop(key, None) if self._starts else None\n",
        "        start = self._starts.get(key)\n",
        (SDK,),
    ),
    Mutant(
        "what was not acknowledged is never said again",
        "S5",
        "the reports of the stream before are not sent again on the next",
        "clients/python/missioncontrol/session.py",
        "        self.reports.rewind()\n",
        "",
        (SIMULATION,),
    ),
    Mutant(
        "leases that Hello does not name live on",
        "S17, L1",
        "an agent that comes back keeps what it does not know of, also of the process before it",
        "services/domain/admission.py",
        "            end_attempt(ledger, task, unnamed(task))\n",
        "            kept.append(task)\n",
        (SIMULATION,),
    ),
    Mutant(
        "a lease that waited while the agent was stopped is started",
        "L3",
        "a lease counts as new when it is read, however long ago the stream fell silent",
        "clients/python/missioncontrol/session.py",
        "        if now >= self.liveness.silence_time:\n            # The stream",
        "        if now >= inf:\n            # The stream",
        (SDK,),
    ),
)
