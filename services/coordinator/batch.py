"""A batch of submits: each judged by itself, and brought into an order in which none comes before what it depends on.

A batch may name its own tasks by "#" and their index. Their ids are made here, so such a name becomes an id before the
journal hears of the task, and stays one in its spec. A submit that is repeated keeps the id that it got before.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Sequence

import msgspec
from missioncontrol.v1 import task_service_pb2 as wire

from services.domain.batch_order import circle_of, order_of
from services.domain.commands import CreateAnswer, NewTask, RequestKey
from services.domain.errors import InvalidArgument, MissionControlError, Unavailable
from services.domain.ledger import RequestRecord
from services.transport import convert_task
from services.transport.surely_valid import submit_surely_valid
from services.transport.validation import invalid, validate_items

REFERENCE = re.compile(r"#(0|[1-9][0-9]{0,8})", re.ASCII)

Prepared = NewTask | MissionControlError
FindRequests = Callable[[Collection[RequestKey]], Awaitable[list[RequestRecord]]]


class Batch:
    """The submits of one request. `items` are tasks, or why they are none; `order` is that of making the tasks."""

    def __init__(self, request: wire.BatchCreateTasksRequest) -> None:
        self.items = prepare(request)
        self._request = request
        self._references = {
            index: [(place, name) for place, name in enumerate(item.depends_on) if name.startswith("#")]
            for index, item in enumerate(self.items)
            if isinstance(item, NewTask) and item.depends_on
        }
        self._waited_for: dict[int, list[int]] = {}
        self._ids: dict[int, str] = {}
        self.order: Sequence[int] = range(len(self.items))

    async def resolve(self, find_requests: FindRequests) -> None:
        """Turns names of the batch's own tasks into ids, and refuses what they make impossible."""
        if not any(self._references.values()):
            return
        for index, references in self._references.items():
            self._note(index, references)
        self.order, stuck = order_of(len(self.items), self._waited_for)
        for index in sorted(stuck):
            circle = " → ".join(f"#{each}" for each in circle_of(index, self._waited_for, stuck))
            self.items[index] = wrong("spec.depends_on", f"tasks of the batch wait for each other: {circle}")
        await self._find_ids(find_requests)
        for index in self.order:
            self._name(index)
        self._mark()

    @property
    def tasks(self) -> list[NewTask]:
        """The tasks to make, in order."""
        return [item for item in map(self.items.__getitem__, self.order) if isinstance(item, NewTask)]

    def results(self, answers: Sequence[CreateAnswer]) -> Sequence[CreateAnswer]:
        """What became of each submit, given the answers to `tasks`."""
        if len(answers) == len(self.items) and not self._waited_for:
            return answers
        results: list[CreateAnswer | None] = [
            item if isinstance(item, MissionControlError) else None for item in self.items
        ]
        later = iter(answers)
        for index in self.order:
            item = self.items[index]
            if isinstance(item, NewTask):
                results[index] = self._explained(index, next(later), results)
        return [result for result in results if result is not None]

    def _note(self, index: int, references: list[tuple[int, str]]) -> None:
        """Which tasks of the batch one names."""
        for place, name in references:
            match = REFERENCE.fullmatch(name)
            other = int(match[1]) if match else -1
            if not 0 <= other < len(self.items):
                self.items[index] = wrong(
                    f"spec.depends_on[{place}]",
                    f"{name!r} names no task of the batch: they are #0 to #{len(self.items) - 1}",
                )
                self._waited_for.pop(index, None)
                return
            self._waited_for.setdefault(index, []).append(other)

    async def _find_ids(self, find_requests: FindRequests) -> None:
        """The ids of the tasks that others name: new ones, or those of earlier submits with the same request id."""
        named = {other for waited_for in self._waited_for.values() for other in waited_for}
        tasks = {index: item for index in sorted(named) if isinstance(item := self.items[index], NewTask)}
        keys = {(item.namespace, item.request_id) for item in tasks.values() if item.request_id}
        earlier = (
            {(record.namespace, record.request_id): record for record in await find_requests(keys)} if keys else {}
        )
        for index, item in tasks.items():
            record = earlier.get((item.namespace, item.request_id))
            self._ids[index] = record.task_id if record is not None and record.digest == item.digest else item.id

    def _name(self, index: int) -> None:
        """Puts ids in the place of names, in the task and in the spec that is kept of it. Its digest stays."""
        item, waited_for = self.items[index], self._waited_for.get(index)
        if waited_for is None or isinstance(item, MissionControlError):
            return
        refused = next((other for other in waited_for if isinstance(self.items[other], MissionControlError)), None)
        if refused is not None:
            self.items[index] = was_refused(refused)
            return
        ids = iter(waited_for)
        depends_on = [self._ids[next(ids)] if name.startswith("#") else name for name in item.depends_on]
        spec = self._request.requests[index].spec
        spec.depends_on[:] = depends_on
        document = spec.SerializeToString(deterministic=True)
        self.items[index] = msgspec.structs.replace(item, depends_on=tuple(depends_on), document=document)

    def _mark(self) -> None:
        """Has those made with the mark that others of the batch depend on: nobody needs to be told of it later."""
        for index in {other for waited_for in self._waited_for.values() for other in waited_for}:
            item = self.items[index]
            if isinstance(item, NewTask):
                self.items[index] = msgspec.structs.replace(item, has_dependents=True)

    def _explained(self, index: int, answer: CreateAnswer, results: Sequence[CreateAnswer | None]) -> CreateAnswer:
        """The answer, in words of the batch if one of its own tasks is what is wrong."""
        if not isinstance(answer, InvalidArgument):
            return answer
        for other in self._waited_for.get(index, ()):
            result = results[other]
            if isinstance(result, MissionControlError):
                return was_refused(other)
            if result is not None and result.task_id != self._ids[other]:
                return Unavailable("the same batch is being submitted by another call: try again")
        return answer


def prepare(request: wire.BatchCreateTasksRequest) -> list[Prepared]:
    """Each submit of a batch as a task, or why it is none."""
    plain = all(map(submit_surely_valid, request.requests))
    violations = {} if plain else validate_items(request, "requests")
    prepared: list[Prepared] = []
    for index, item in enumerate(request.requests):
        if index in violations:
            prepared.append(invalid(violations[index]))
            continue
        try:
            prepared.append(convert_task.new_task(item))
        except InvalidArgument as error:
            prepared.append(error)
    return prepared


def refuse_names(new: NewTask) -> None:
    """Raises InvalidArgument for a submit by itself that names a task of a batch."""
    for place, name in enumerate(new.depends_on):
        if name.startswith("#"):
            raise wrong(f"spec.depends_on[{place}]", f"{name!r} names a task of a batch, and this is none")


def was_refused(index: int) -> InvalidArgument:
    """It depends on a task of the batch that will not be."""
    return wrong("spec.depends_on", f"task #{index} of the batch was refused")


def wrong(field: str, reason: str) -> InvalidArgument:
    """One field of one submit is wrong."""
    return InvalidArgument(f"{field}: {reason}", fields=[(field, reason)])
