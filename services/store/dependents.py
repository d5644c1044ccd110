"""Moves the dependents of tasks on that a flush has ended, inside that flush.

    the fold ends tasks · their dependents are read · the rules move them on, which may end some of them · again

A task without dependents costs nothing here, since its row says so. What does not fit into a flush stays where it is,
and is named in the ledger's `unsettled`.
"""

from __future__ import annotations

from collections.abc import Iterable

from services.domain.dependencies import settle
from services.domain.ledger import Ledger
from services.domain.links import Link
from services.store import statements
from services.store.limits import DEPENDENCY_ROUNDS_MAX, DEPENDENTS_MAX
from services.store.row_cache import RowCache
from services.store.row_reader import RowReader, decode_needs, decode_tasks


class Dependents:
    """See the module. One for each flush. `read` are the ids and versions of the tasks that the flush has read."""

    def __init__(self, reader: RowReader, cache: RowCache, ledger: Ledger, read: dict[str, int]) -> None:
        self._reader = reader
        self._cache = cache
        self._ledger = ledger
        self._read = read
        self._settled: dict[str, None] = {}

    @property
    def settled(self) -> Iterable[str]:
        """The tasks for which nobody waits any more, if it is still so when the flush is written."""
        return self._settled

    def move_on(self) -> None:
        """Moves on what waits for the tasks that have ended in this flush since the last call, within the bounds."""
        ledger = self._ledger
        for _ in range(DEPENDENCY_ROUNDS_MAX):
            ended, ledger.ended_dependencies = list(ledger.ended_dependencies), {}
            if not ended:
                return
            links = self._take_links(ended)
            self._read_tasks({task_id for _, task_id in links})
            settle(ledger, links)
        ledger.unsettled |= ledger.ended_dependencies
        ledger.ended_dependencies = {}

    def _take_links(self, ended: list[str]) -> list[Link]:
        """The links to these tasks, as many as there is room for. A task that has more is not settled yet."""
        ledger, room = self._ledger, max(0, DEPENDENTS_MAX - len(self._ledger.links))
        found = self._reader.dependents(ended, limit=room)
        # Those read are the first ones by the task that is waited for: what comes behind the last was not looked at.
        left = {task_id for task_id in ended if len(found) == room and (not found or task_id >= found[-1][0])}
        ledger.unsettled |= dict.fromkeys(left)
        self._settled |= dict.fromkeys(task_id for task_id in ended if task_id not in left)
        return ledger.links.after(self._cache.links_after(found, ended), ended)

    def _read_tasks(self, wanted: set[str]) -> None:
        """Puts the tasks into the ledger that are not there yet, with what they require: they may become ready."""
        ledger = self._ledger
        missing = self._cache.take_tasks(wanted - ledger.tasks.keys(), ledger)
        for task in decode_tasks(self._reader.rows(statements.READ_TASKS, missing)):
            ledger.tasks[task.id] = task
        dependents = [ledger.tasks[task_id] for task_id in wanted if task_id in ledger.tasks]
        for task in dependents:
            if task.id not in ledger.created:
                self._read.setdefault(task.id, task.version)
        unknown = {task.needs_id for task in dependents} - ledger.requirements.keys()
        ledger.requirements.update(decode_needs(self._reader.rows(statements.READ_NEEDS, unknown)))
