"""What one task costs the coordinator in its own Python, step by step, without sockets and without a disk.

    python -m benchmarks.hot_path       prints a table, about 10 s

Batches of 100 tasks are taken from the wire, leased as they are created, delivered, reported and told to a follower of
the feed, as in `make bench`; nothing is written, so the figures hardly depend on what else the machine does. Each is
the least of many rounds.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from missioncontrol.v1 import agent_service_pb2, task_pb2, task_service_pb2

from services.coordinator.batch import Batch
from services.coordinator.feed import Chunk
from services.coordinator.outbox import Offer, Outbox
from services.coordinator.task_service import put_result
from services.domain.agent import AgentKey, Declaration
from services.domain.commands import Admission, AdmitAgent, ApplyReports, Command, CreateTasks, NewTask, Placement
from services.domain.ledger import Rules
from services.store.coordinators import claim_term
from services.store.database import open_database
from services.store.flush import Committed, Flusher, Prepared
from services.store.row_reader import RowReader
from services.store.schema_check import prepare_schema
from services.transport import convert_lease
from services.transport.decoding import Sure, tolerant, tolerant_of_items

ROUNDS, BATCHES, BATCH_TASKS = 40, 5, 100
AGENT: AgentKey = ("default", "agent-1")
INCARNATION = "00000000-0000-0000-0000-000000000001"


class HotPath:
    """The parts of a coordinator that a task passes, and the time that each of them took."""

    def __init__(self, url: str) -> None:
        engine = open_database(url)
        prepare_schema(engine)
        connection = engine.connect()
        claim_term(connection, "coordinator-1")
        self._flusher = Flusher(RowReader(connection), Rules(), shared=False)
        self._outbox = Outbox()
        self._number = 0
        self._events = 0
        self._reports = 0
        self.spent: defaultdict[str, float] = defaultdict(float)
        declared = Declaration(kinds=("noop",), slots=1_000_000)
        [admission], _ = self._flush(AdmitAgent(AGENT, INCARNATION, declared, [], False, "coordinator-1"))
        assert isinstance(admission, Admission)
        self._session = admission.session

    def round(self) -> None:
        """Five batches of 100 tasks, from submit to outcome."""
        requests = [self._request() for _ in range(BATCHES)]
        with self._timed("decode submit"):
            decode = tolerant_of_items(task_service_pb2.BatchCreateTasksRequest.FromString)
            decoded = [unwrapped(decode(request)) for request in requests]
        with self._timed("convert submit"):
            submits = [Batch(request) for request in decoded]
            prepared = [submit.tasks for submit in submits]
        commands = [CreateTasks(tasks, self._placements(tasks)) for tasks in prepared]
        answers, committed = self._flush(*commands, label="submit")
        with self._timed("answer submit"):
            for submit, answer in zip(submits, answers, strict=True):
                response = task_service_pb2.BatchCreateTasksResponse()
                for result in submit.results(answer):
                    put_result(response, result)
                response.SerializeToString()
        self._feed(committed)
        self._deliver(committed)
        batches = self._report_batches(committed)
        with self._timed("decode reports"):
            decode = tolerant(agent_service_pb2.AgentMessage.FromString)
            messages = [unwrapped(decode(batch)) for batch in batches]
        with self._timed("convert reports"):
            reports = [[convert_lease.report(one) for one in message.reports.reports] for message in messages]
        _, committed = self._flush(
            *(ApplyReports(AGENT, INCARNATION, self._session, batch) for batch in reports), label="reports"
        )
        self._feed(committed)

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        begin = time.process_time_ns()
        yield
        self.spent[name] += (time.process_time_ns() - begin) / 1000

    def _request(self) -> bytes:
        spec = task_pb2.TaskSpec(kind="noop", payload=task_pb2.Payload(data=bytes(200), content_type="text/plain"))
        requests = []
        for _ in range(BATCH_TASKS):
            self._number += 1
            requests.append(task_service_pb2.CreateTaskRequest(spec=spec, request_id=f"bench-{self._number}"))
        return task_service_pb2.BatchCreateTasksRequest(requests=requests).SerializeToString()

    def _placements(self, tasks: list[NewTask]) -> list[Placement | None]:
        return [Placement(0, task.id, AGENT[1], self._session) for task in tasks]

    def _flush(self, *commands: Command, label: str = "") -> tuple[list[Any], Committed]:
        with self._timed(f"flush {label}"):
            prepared: Prepared = self._flusher.prepare(commands)
        with self._timed(f"encode {label}"):
            msgspec.msgpack.encode(prepared.batch)
        with self._timed(f"settle {label}"):
            committed = self._flusher.settle(prepared, self._events)
            self._events += prepared.batch.events
        return prepared.answers, committed

    def _feed(self, committed: Committed) -> None:
        with self._timed("feed"):
            Chunk(committed.first_sequence, committed.events, 0).encoded("epoch")

    def _deliver(self, committed: Committed) -> None:
        with self._timed("deliver"):
            self._outbox.offer([Offer(one, committed.created[one.task.id].document) for one in committed.granted])
            while (message := self._outbox._compose()) is not None:
                message.SerializeToString()

    def _report_batches(self, committed: Committed) -> list[bytes]:
        batches = []
        tasks = [granted.task for granted in committed.granted]
        for start in range(0, len(tasks), 64):
            message = agent_service_pb2.AgentMessage()
            for task in tasks[start : start + 64]:
                output = task_pb2.Payload(data=b"36500812150000", content_type="application/octet-stream")
                self._reports += 1
                message.reports.reports.add(
                    number=self._reports,
                    task_id=task.id,
                    token=task.token,
                    succeeded=agent_service_pb2.Succeeded(output=output),
                )
            batches.append(message.SerializeToString())
        return batches


def unwrapped(request: Any) -> Any:
    """What a decoder gives, without the mark that it needs no further look."""
    return request.message if isinstance(request, Sure) else request


def main() -> int:
    """Measures and prints, microseconds a task."""
    least: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="missioncontrol-bench-") as folder:
        path = HotPath(f"sqlite:///{folder}/missioncontrol.db")
        for _ in range(ROUNDS):
            path.spent.clear()
            path.round()
            for name, spent in path.spent.items():
                each = spent / (BATCHES * BATCH_TASKS)
                least[name] = min(each, least.get(name, each))
    for name, spent in least.items():
        print(f"{name:16} {spent:6.2f} µs a task")
    print(f"{'in all':16} {sum(least.values()):6.2f} µs a task")
    return 0


if __name__ == "__main__":
    sys.exit(main())
