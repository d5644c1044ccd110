"""What the scheduler is told of the backlog: a bounded window of each group, and how much is behind it.

A group is the ready tasks of one queue and priority with the same needs and fairness key, in one of the shards that
this coordinator looks after; what is in the others' shards, they tell the scheduler. A group whose tasks are all in the
window takes new ones directly; one that has more behind it only counts, and is refilled from the database by key when
half its window is gone. A requeued task is older than the window's end and goes directly, so the refill by key has to
look back only when thousands of older tasks were moved here at once. The window is a memory of what was committed:
losing it costs a read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from services.coordinator.limits import EMPTY_GROUPS_MAX, WINDOW_OVERFULL_MAX, WINDOW_TASKS_MAX
from services.domain.commands import NewTask
from services.domain.membership import SHARDS
from services.domain.requirements import Requirements
from services.domain.task import Task, TaskState
from services.store.backlog import BacklogTask
from services.store.flush import Committed

GroupKey = tuple[str, str, int, str, int, str]  # namespace, queue, priority, needs id, shard, fairness key
LineKey = tuple[str, str, int, str, str]  # the same in any shard: namespace, queue, priority, needs id, fairness key


ALL_SHARDS = frozenset(range(SHARDS))


class Group:
    """See the module. `end` is the key of the last task that was taken in order; `turn_back` is where it goes back to
    after the refill that is under way.
    """

    def __init__(self, number: int, key: GroupKey, kind: str, requirements: Requirements) -> None:
        self.number = number
        self.key = key
        self.kind = kind
        self.requirements = requirements
        self.tasks: dict[str, BacklogTask] = {}
        self.placed: set[str] = set()  # of these, the ones whose placement waits for its result
        self.unsent = 0
        self.end: tuple[int, str] = (0, "")
        self.turn_back: tuple[int, str] | None = None
        self.refilling = False

    @property
    def behind(self) -> bool:
        """Whether tasks of it wait behind the window, or the window is full."""
        return self.unsent > 0 or self.refilling or len(self.tasks) >= WINDOW_TASKS_MAX

    @property
    def empty(self) -> bool:
        """Whether nothing is in it."""
        return not self.tasks and not self.unsent

    @property
    def waits(self) -> bool:
        """Whether a task of it waits for a placement."""
        return self.unsent > 0 or len(self.tasks) > len(self.placed)


class Changes:
    """What the scheduler has not been told yet."""

    def __init__(self) -> None:
        self.groups: dict[int, Group] = {}
        self.ready: dict[int, dict[str, BacklogTask]] = {}
        self.removed: list[str] = []
        self.removed_groups: list[int] = []

    @property
    def any(self) -> bool:
        """Whether there is something to tell."""
        return bool(self.groups or self.ready or self.removed or self.removed_groups)


class Window:
    """All groups. Changed on the event loop, by commits in their order; `refill` asks for a read in that same order."""

    def __init__(self, refill: Callable[[Group, int], Any]) -> None:
        self._refill = refill
        self.shards: frozenset[int] = ALL_SHARDS  # that this coordinator looks after
        self.home = 0  # the shard of tasks that are submitted here
        self._groups: dict[GroupKey, Group] = {}
        self._by_number: dict[int, Group] = {}
        self._by_task: dict[str, Group] = {}
        self._numbers = 0
        self.changes = Changes()

    def on_committed(self, committed: Committed) -> None:
        """Takes in what became ready, and lets go of what is ready no more.

        A task may be granted and come back in one flush: what counts is where the commit left it.
        """
        if committed.unready:
            self._let_go(committed)
        for granted in committed.granted:
            self.leave(granted.task.id)
        for ready in committed.ready:
            if ready.shard not in self.shards:
                continue
            task = committed.tasks[ready.id]
            if task.state is TaskState.PENDING:
                self._add(task, committed.requirements[task.needs_id])
            else:
                self.retract(task.id)

    def _let_go(self, committed: Committed) -> None:
        """Lets go of what was cancelled, has expired, or was put into another group, where it is among the ready."""
        fresh = {(task.id, group_key(task)) for task in committed.ready}  # never counted as behind the window
        for task in committed.unready:
            if task.shard in self.shards and (task.id, group_key(task)) not in fresh:
                self._drop(task)

    def became_ready(self, task: Task, requirements: Requirements) -> None:
        """A task that another coordinator has made ready, by its row as it is now."""
        group = self._by_task.get(task.id)
        if task.shard in self.shards and (group is None or group.key != group_key(task)):
            self._add(task, requirements)

    def left_elsewhere(self, task_id: str, version: int) -> None:
        """Another coordinator has granted, cancelled or ended a task; `version` is the one that it got by that.

        One that was behind the window stays counted there: the next refill finds out. What came back since stays.
        """
        group = self._by_task.get(task_id)
        if group is not None and group.tasks[task_id].version < version:
            self.retract(task_id)

    def look_after(self, shards: frozenset[int]) -> None:
        """These shards are ours from now on: what is in the others is no longer told."""
        self.shards = shards
        self.home = min(shards, default=0)
        for key, group in list(self._groups.items()):
            if group.key[4] not in shards:
                for task_id in list(group.tasks):
                    del self._by_task[task_id]
                    self._take_back(task_id, group)
                group.tasks.clear()
                group.unsent = 0
                self._forget(key, group)

    def announce(self, new: NewTask, *, now: int) -> None:
        """A task that is about to be committed: told at once, if nothing of its group is behind the window.

        The scheduler then decides while the submit is still being written, and the grant is in the same flush or the
        next. `retract` takes back a task that was not accepted.
        """
        if self.home not in self.shards:
            return
        key = (new.namespace, new.queue, new.priority, new.needs_id, self.home, new.fairness_key)
        group = self._group(key, new.kind, new.requirements)
        if not group.behind:
            self._take(group, BacklogTask(new.id, now, new.affinity_key, ()))

    def retract(self, task_id: str) -> None:
        """An announced task that was not accepted."""
        group = self.leave(task_id)
        if group is not None:
            self._take_back(task_id, group)

    def found(self, key: GroupKey, kind: str, *, requirements: Requirements, count: int) -> None:
        """A group that was in the database when this coordinator began to look after its shard.

        What has come since then may have moved its end: the refill begins before all of it.
        """
        group = self._group(key, kind, requirements)
        group.unsent += count
        group.turn_back = (0, "")
        self._turn_back(group)
        self._ask(group)

    def refilled(self, group: Group, tasks: Iterable[BacklogTask], *, asked: int) -> None:
        """The answer of a refill. Fewer than asked means that nothing is behind the window any more."""
        group.refilling = False
        if self._by_number.get(group.number) is not group:
            return  # its shard went to another coordinator meanwhile
        found = list(tasks)
        unknown = [waiting for waiting in found if waiting.task_id not in group.tasks]
        for waiting in unknown:
            self._take(group, waiting)
        if found:
            group.end = (found[-1].queued_time, found[-1].task_id)
        group.unsent = 0 if len(found) < asked else max(group.unsent - len(unknown), 1)
        self._turn_back(group)
        self.changes.groups[group.number] = group
        self._ask(group)

    def failed(self, group: Group) -> None:
        """A refill that could not be read: asks again."""
        group.refilling = False
        if self._by_number.get(group.number) is group:
            self._turn_back(group)
            self._ask(group)

    def leave(self, task_id: str) -> Group | None:
        """The task is not ready any more. The group in whose window it was."""
        group = self._by_task.pop(task_id, None)
        if group is not None:
            group.tasks.pop(task_id, None)
            group.placed.discard(task_id)
            self._ask(group)
        return group

    def placed(self, task_id: str) -> None:
        """The scheduler has proposed an agent for the task."""
        group = self._by_task.get(task_id)
        if group is not None:
            group.placed.add(task_id)

    def refused(self, task_id: str) -> None:
        """The proposal came to nothing: if the task is still here, it waits again."""
        group = self._by_task.get(task_id)
        if group is not None:
            group.placed.discard(task_id)

    def group_at_home(self, line: LineKey) -> Group | None:
        """The group of new tasks with this key, if it is remembered."""
        return self._groups.get((*line[:4], self.home, line[4]))

    @property
    def holds_any(self) -> bool:
        """Whether any task is in the window."""
        return bool(self._by_task)

    def snapshot(self) -> Changes:
        """Everything that a new stream has to be told; what was to be told on the old one is part of it."""
        self.changes = Changes()
        everything = Changes()
        for group in self._groups.values():
            everything.groups[group.number] = group
            group.placed.clear()
            if group.tasks:
                oldest_first = sorted(group.tasks.values(), key=lambda waiting: (waiting.queued_time, waiting.task_id))
                everything.ready[group.number] = {waiting.task_id: waiting for waiting in oldest_first}
        return everything

    def discard_changes(self) -> None:
        """Nobody is there to be told: the next stream begins with a snapshot."""
        self.changes = Changes()

    def take_changes(self) -> Changes:
        """What has not been told yet; it counts as told from now on."""
        changes, self.changes = self.changes, Changes()
        return changes

    def group_of(self, task_id: str) -> Group | None:
        """The group in whose window the task is."""
        return self._by_task.get(task_id)

    def group_numbered(self, number: int) -> Group | None:
        """The group with this number, if it is remembered."""
        return self._by_number.get(number)

    def pending(self) -> int:
        """Ready tasks, in the window and behind it."""
        return len(self._by_task) + sum(group.unsent for group in self._groups.values())

    def _add(self, task: Task, requirements: Requirements) -> None:
        group = self._group(group_key(task), task.kind, requirements)
        if self._by_task.get(task.id, group) is not group:
            self.retract(task.id)  # announced for the shard that was home until then, or put into another group
        elif task.id in group.tasks and group.tasks[task.id].version < task.version:
            self.retract(task.id)  # another coordinator had granted it, which is not heard yet: the scheduler forgot it
        key = (task.queued_time, task.id)
        announced = task.id in group.tasks
        if not announced and group.behind and (key > group.end or len(group.tasks) >= WINDOW_OVERFULL_MAX):
            group.unsent += 1
            if key <= group.end:
                group.turn_back = min(group.turn_back or key, (key[0], ""))
                self._turn_back(group)
            self._ask(group)
            return
        if not group.unsent and not group.refilling:
            # With others behind the window its end stays where they begin: the refill passes over what is known.
            group.end = max(group.end, key)
        if announced:
            return
        self._take(group, BacklogTask(task.id, task.queued_time, task.affinity_key, task.avoid, task.version))

    def _turn_back(self, group: Group) -> None:
        """Begins the next refill at what was put behind the window although it is older than its end.

        The refill passes over what is known. One that is under way has begun at the end that was.
        """
        if group.turn_back is not None and not group.refilling:
            group.end, group.turn_back = min(group.end, group.turn_back), None
            group.unsent = max(group.unsent, 1)

    def _take(self, group: Group, waiting: BacklogTask) -> None:
        group.tasks[waiting.task_id] = waiting
        self._by_task[waiting.task_id] = group
        self.changes.ready.setdefault(group.number, {})[waiting.task_id] = waiting

    def _take_back(self, task_id: str, group: Group) -> None:
        """Tells that a task is gone; one that was not told of yet is not told at all."""
        untold = self.changes.ready.get(group.number)
        if untold is None or untold.pop(task_id, None) is None:
            self.changes.removed.append(task_id)

    def _drop(self, task: Task) -> None:
        """A task that was cancelled or expired: out of the window, or one less behind it."""
        group = self.leave(task.id)
        if group is not None:
            self._take_back(task.id, group)
            return
        group = self._groups.get(group_key(task))
        if group is not None and group.unsent > 0 and not group.refilling:
            group.unsent -= 1
            if not group.unsent:
                self.changes.groups[group.number] = group  # or the scheduler would go on thinking that some wait there
                # One that another coordinator made ready may have gone before it was heard of: then some are left.
                self._read_on(group)

    def _ask(self, group: Group) -> None:
        """Asks for more when half the window is gone."""
        if group.unsent and not group.refilling and len(group.tasks) <= WINDOW_TASKS_MAX // 2:
            self._read_on(group)

    def _read_on(self, group: Group) -> None:
        group.refilling = True
        self._refill(group, max(1, WINDOW_TASKS_MAX - len(group.tasks)))

    def _group(self, key: GroupKey, kind: str, requirements: Requirements) -> Group:
        group = self._groups.get(key)
        if group is None:
            self._forget_empty()
            self._numbers += 1
            group = self._groups[key] = Group(self._numbers, key, kind, requirements)
            self._by_number[group.number] = group
            self.changes.groups[group.number] = group
        return group

    def _forget_empty(self) -> None:
        """Forgets the groups without tasks, when there are many groups."""
        if len(self._groups) < EMPTY_GROUPS_MAX or len(self._groups) & (len(self._groups) - 1):
            return
        for key, group in list(self._groups.items()):
            if group.empty and not group.refilling:
                self._forget(key, group)

    def _forget(self, key: GroupKey, group: Group) -> None:
        del self._groups[key], self._by_number[group.number]
        self.changes.groups.pop(group.number, None)
        self.changes.removed_groups.append(group.number)


def group_key(task: Task) -> GroupKey:
    """The group that a task belongs to."""
    return (task.namespace, task.queue, task.priority, task.needs_id, task.shard, task.fairness_key)
