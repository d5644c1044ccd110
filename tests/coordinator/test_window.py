"""The window: bounded, refilled by key, and never blind to a task."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.coordinator import window as module
from services.coordinator.window import ALL_SHARDS, Group, Window
from services.domain.agent import Declaration
from services.domain.commands import AdmitAgent, CreateTasks, GrantLeases, Placement, PlacementOutcome
from services.domain.task_changes import ChangeTasks, Move
from services.domain.task_filter import TaskFilter
from services.store.backlog import BacklogTask, read_groups, read_ready
from tests.store.world import NAMESPACE, World, new_task

LIMIT = 10


class Backlog:
    """A window on a real database, whose refills are answered when the test says so."""

    def __init__(self, folder: Path) -> None:
        self.world = World(f"sqlite:///{folder}/missioncontrol.db")
        self.asked: list[tuple[Group, int]] = []
        self.window = Window(lambda group, limit: self.asked.append((group, limit)))
        self.told: dict[str, BacklogTask] = {}
        self.count = 0

    def submit(self, count: int) -> None:
        tasks = [new_task(f"t{self.count + number:05}") for number in range(count)]
        self.count += count
        self.world.flush(CreateTasks(tasks))
        self.commit()

    def commit(self) -> None:
        assert self.world.last is not None
        self.window.on_committed(self.world.last)
        self.tell()

    def find(self) -> None:
        """Has the window take in what is in the database, as after a start."""
        for found in read_groups(self.world.connection, ALL_SHARDS):
            key = (found.namespace, found.queue, found.priority, found.needs_id, found.shard, found.fairness_key)
            self.window.found(key, found.kind, requirements=found.requirements, count=found.count)

    def cancel(self, *numbers: int) -> None:
        for number in numbers:
            self.world.cancel(f"t{number:05}")
            self.commit()

    def tell(self) -> None:
        """Removals come before arrivals, as the scheduler takes them."""
        changes = self.window.take_changes()
        for task_id in changes.removed:
            del self.told[task_id]
        for tasks in changes.ready.values():
            for task in tasks.values():
                assert task.task_id not in self.told, "told twice"
                self.told[task.task_id] = task

    def refill(self) -> None:
        asked, self.asked = self.asked, []
        for group, limit in asked:
            found = read_ready(self.world.connection, group.key, after=group.end, limit=limit)
            self.window.refilled(group, found, asked=limit)
        self.tell()

    def place(self, task_id: str) -> None:
        self.world.grant(task_id, "a")
        del self.told[task_id]
        self.commit()

    def move(self, *numbers: int, queue: str) -> None:
        """Puts tasks into another queue, all in one flush."""
        ids = [f"t{number:05}" for number in numbers]
        self.world.do(ChangeTasks(TaskFilter(namespace=NAMESPACE, kind="work"), ids, Move(queue)))
        self.commit()

    def places(self) -> dict[str, tuple[list[str], int]]:
        """What is in the window of each queue, and how many are behind it."""
        return {
            group.key[1]: (sorted(group.tasks), group.unsent)
            for group in self.window._groups.values()
            if not group.empty
        }

    def work_off(self) -> list[str]:
        """Places all that there is, the oldest first of what was told."""
        placed = []
        while self.told:
            placed.append(min(self.told))
            self.place(placed[-1])
            self.refill()
        return placed


@pytest.fixture
def backlog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Backlog:
    monkeypatch.setattr(module, "WINDOW_TASKS_MAX", LIMIT)
    monkeypatch.setattr(module, "WINDOW_OVERFULL_MAX", 2 * LIMIT)
    made = Backlog(tmp_path)
    made.world.connect("a", slots=1000)
    return made


def test_a_small_backlog_is_told_whole(backlog: Backlog) -> None:
    backlog.submit(LIMIT)
    assert len(backlog.told) == LIMIT
    assert backlog.asked == []


def test_of_a_large_one_a_window_is_told_and_the_rest_counted(backlog: Backlog) -> None:
    backlog.submit(35)
    assert len(backlog.told) == LIMIT
    assert backlog.window.pending() == 35


def test_every_task_comes_through_the_window_once_and_in_order(backlog: Backlog) -> None:
    backlog.submit(35)
    placed = []
    while backlog.told:
        task_id = min(backlog.told)
        placed.append(task_id)
        backlog.place(task_id)
        if len(placed) == 12:
            backlog.submit(7)
        backlog.refill()
    assert placed == [f"t{number:05}" for number in range(42)]
    assert backlog.window.pending() == 0


def test_a_task_that_comes_during_a_refill_is_not_missed(backlog: Backlog) -> None:
    backlog.submit(LIMIT + 1)
    for number in range(5):
        backlog.place(f"t{number:05}")
    assert backlog.asked
    backlog.submit(1)
    backlog.refill()
    assert len(backlog.told) == LIMIT + 2 - 5


def test_a_requeued_task_goes_directly_although_more_are_behind(backlog: Backlog) -> None:
    backlog.submit(35)
    backlog.place("t00000")
    backlog.world.lose("a", "t00000")
    backlog.commit()
    assert "t00000" in backlog.told


def test_cancelled_tasks_leave_the_window_and_the_count(backlog: Backlog) -> None:
    backlog.submit(35)
    for task_id in ("t00003", "t00030"):
        backlog.world.cancel(task_id)
        backlog.commit()
    assert "t00003" not in backlog.told
    assert backlog.window.pending() == 33


def test_after_a_start_the_backlog_is_found_and_refilled(backlog: Backlog) -> None:
    backlog.submit(35)
    backlog.window, backlog.told = Window(lambda group, limit: backlog.asked.append((group, limit))), {}
    backlog.find()
    assert backlog.window.pending() == 35
    backlog.refill()
    assert sorted(backlog.told) == [f"t{number:05}" for number in range(LIMIT)]


def test_a_snapshot_is_the_whole_window_and_nothing_is_told_again(backlog: Backlog) -> None:
    backlog.submit(35)
    backlog.place("t00000")
    snapshot = backlog.window.snapshot()
    assert [task_id for tasks in snapshot.ready.values() for task_id in tasks] == sorted(backlog.told)
    assert not backlog.window.take_changes().any


def announce(backlog: Backlog, count: int) -> None:
    for number in range(count):
        backlog.window.announce(new_task(f"t{backlog.count + number:05}"), now=1)
    backlog.tell()


def test_an_announced_task_is_told_before_its_commit_and_not_again_after_it(backlog: Backlog) -> None:
    announce(backlog, 3)
    assert len(backlog.told) == 3
    backlog.submit(3)
    assert len(backlog.told) == 3
    assert backlog.window.pending() == 3


def test_an_announced_task_that_was_not_accepted_is_taken_back(backlog: Backlog) -> None:
    announce(backlog, 2)
    backlog.window.retract("t00000")
    backlog.tell()
    assert sorted(backlog.told) == ["t00001"]


def test_what_is_behind_the_window_is_not_passed_over_by_an_announced_task(backlog: Backlog) -> None:
    """The announced one is committed after others that went behind the window in between."""
    backlog.submit(LIMIT - 1)
    backlog.window.announce(new_task("z-late"), now=1)
    backlog.tell()
    backlog.submit(5)
    backlog.world.flush(CreateTasks([new_task("z-late")]))
    backlog.commit()
    while len(backlog.told) > 1:
        backlog.place(min(backlog.told))
        backlog.refill()
    assert backlog.window.pending() == len(backlog.told)


def test_an_announced_task_may_be_granted_in_the_flush_that_makes_it(backlog: Backlog) -> None:
    announce(backlog, 1)
    created = CreateTasks([new_task("t00000")])
    grant = GrantLeases([Placement(1, "t00000", "a", 1)], [("default", "a")])
    answers = backlog.world.flush(created, grant)
    assert answers[1] == [PlacementOutcome.GRANTED]
    backlog.told.clear()
    backlog.commit()
    assert backlog.told == {}
    assert backlog.window.pending() == 0
    assert backlog.world.task("t00000").version == 2


def test_a_task_that_is_granted_and_comes_back_in_one_flush_stays_in_the_window(backlog: Backlog) -> None:
    """A process takes an agent's id while a grant to the one before is in the same flush."""
    backlog.submit(1)
    grant = GrantLeases([Placement(1, "t00000", "a", 1)], [("default", "a")])
    hello = AdmitAgent(("default", "a"), "another", Declaration(kinds=("work",), slots=1), [], False, "c1")
    backlog.world.flush(grant, hello)
    backlog.told.clear()  # the scheduler forgets what was granted
    backlog.commit()
    assert list(backlog.told) == ["t00000"]


def test_an_announced_task_that_is_taken_back_before_it_was_told_is_never_told(backlog: Backlog) -> None:
    backlog.window.announce(new_task("t00000"), now=1)
    backlog.window.retract("t00000")
    changes = backlog.window.take_changes()
    assert not any(changes.ready.values())
    assert changes.removed == []


def test_when_what_is_behind_the_window_is_cancelled_the_scheduler_hears_that_nothing_is(backlog: Backlog) -> None:
    backlog.submit(LIMIT + 2)
    for number in range(LIMIT, LIMIT + 2):
        backlog.world.cancel(f"t{number:05}")
        assert backlog.world.last is not None
        backlog.window.on_committed(backlog.world.last)
    changes = backlog.window.take_changes()
    assert [group.unsent for group in changes.groups.values()] == [0]


def test_a_task_that_is_moved_leaves_its_group_and_enters_the_other(backlog: Backlog) -> None:
    backlog.submit(3)
    backlog.move(1, queue="other")
    assert backlog.places() == {"default": (["t00000", "t00002"], 0), "other": (["t00001"], 0)}
    assert len(backlog.told) == 3
    assert backlog.work_off() == ["t00000", "t00001", "t00002"]


def test_a_task_behind_the_window_that_is_moved_is_counted_where_it_is(backlog: Backlog) -> None:
    backlog.submit(LIMIT + 5)
    backlog.move(1, LIMIT + 1, LIMIT + 3, queue="other")
    assert backlog.window.pending() == LIMIT + 5
    places = backlog.places()
    assert places["other"] == (["t00001", "t00011", "t00013"], 0)
    assert (len(places["default"][0]), places["default"][1]) == (LIMIT - 1, 3)
    assert len(backlog.work_off()) == LIMIT + 5


def test_a_whole_backlog_that_is_moved_comes_through_the_other_window_once(backlog: Backlog) -> None:
    backlog.submit(50)
    for start in range(0, 50, 7):
        backlog.move(*range(start, min(start + 7, 50)), queue="other")
    backlog.refill()
    assert backlog.window.pending() == 50
    assert backlog.work_off() == [f"t{number:05}" for number in range(50)]


@pytest.mark.parametrize("refill", [True, False])
def test_older_tasks_that_are_moved_into_a_full_group_are_bounded_and_not_lost(backlog: Backlog, refill: bool) -> None:
    """Those that are there are younger. The refill may be under way while they come."""
    backlog.submit(60)
    backlog.world.flush(CreateTasks([new_task(f"y{number:05}", queue="other") for number in range(30)]))
    backlog.commit()
    for number in range(LIMIT // 2):
        backlog.place(f"y{number:05}")
    if refill:
        backlog.refill()
    for start in range(0, 60, 4):
        backlog.move(*range(start, start + 4), queue="other")
    assert len(backlog.places()["other"][0]) <= 2 * LIMIT
    backlog.refill()
    placed = backlog.work_off()
    assert sorted(placed) == [*(f"t{number:05}" for number in range(60)), *(f"y{n:05}" for n in range(LIMIT // 2, 30))]
    assert backlog.window.pending() == 0


def test_moved_there_and_back_in_one_flush_is_not_moved(backlog: Backlog) -> None:
    backlog.submit(LIMIT + 2)
    ids = ["t00000", f"t{LIMIT:05}"]
    everything = TaskFilter(namespace=NAMESPACE, kind="work")
    backlog.world.flush(*[ChangeTasks(everything, ids, Move(queue)) for queue in ("other", "default")])
    backlog.commit()
    assert set(backlog.places()) == {"default"}
    assert len(backlog.work_off()) == LIMIT + 2


def test_moved_and_granted_in_one_flush_is_gone_from_both(backlog: Backlog) -> None:
    backlog.submit(LIMIT + 2)
    move = ChangeTasks(TaskFilter(namespace=NAMESPACE, kind="work"), ["t00003"], Move("other"))
    grant = GrantLeases([Placement(1, "t00003", "a", 1)], [("default", "a")])
    assert backlog.world.flush(move, grant)[1] == [PlacementOutcome.GRANTED]
    backlog.commit()
    assert backlog.window.pending() == LIMIT + 1
    assert len(backlog.work_off()) == LIMIT + 1


def test_what_another_coordinator_has_moved_goes_over_to_its_new_group(backlog: Backlog) -> None:
    backlog.submit(LIMIT + 2)
    move = ChangeTasks(TaskFilter(namespace=NAMESPACE, kind="work"), ["t00003", "t00011"], Move("other"))
    backlog.world.flush(move)
    assert backlog.world.last is not None
    for task in backlog.world.last.tasks.values():  # as the tail tells it: by the row
        backlog.window.became_ready(task, backlog.world.last.requirements[task.needs_id])
    backlog.tell()
    assert backlog.places()["other"] == (["t00003", "t00011"], 0)
    assert len(backlog.work_off()) == LIMIT + 2
    assert backlog.window.pending() == 0


def test_what_waits_in_a_shard_that_was_gained_is_found_although_newer_tasks_were_told_before(backlog: Backlog) -> None:
    """The backlog is read a moment after the shard is ours; commits do not wait for that."""
    backlog.window.look_after(frozenset())
    backlog.submit(3)
    backlog.window.look_after(ALL_SHARDS)
    backlog.submit(1)
    backlog.find()
    backlog.refill()
    assert sorted(backlog.told) == ["t00000", "t00001", "t00002", "t00003"]
    assert backlog.window.pending() == 4


def test_what_comes_back_before_it_is_heard_that_another_coordinator_has_granted_it_is_told(backlog: Backlog) -> None:
    """An own commit is told at once, what others committed before it a moment later."""
    backlog.submit(1)
    assert backlog.world.grant("t00000", "a") is PlacementOutcome.GRANTED
    granted = backlog.world.task("t00000")
    backlog.world.lose("a", "t00000")
    backlog.told.clear()  # the scheduler has forgotten it, by the other's answer
    assert backlog.world.last is not None
    backlog.window.on_committed(backlog.world.last)
    backlog.window.left_elsewhere("t00000", granted.version)
    assert [list(tasks) for tasks in backlog.window.take_changes().ready.values()] == [["t00000"]]
    assert backlog.window.pending() == 1


def test_tasks_that_a_refill_passes_over_are_not_taken_off_the_count(backlog: Backlog) -> None:
    """Older ones were moved here: the refill begins before those that are in the window."""
    backlog.submit(LIMIT + 1)
    backlog.world.flush(CreateTasks([new_task(f"y{number:05}", queue="other") for number in range(LIMIT + 7)]))
    backlog.commit()
    backlog.move(*range(LIMIT), queue="other")
    backlog.move(LIMIT, queue="other")
    for task_id in (*(f"t{number:05}" for number in range(LIMIT)), *(f"y{n:05}" for n in range(LIMIT // 2))):
        backlog.place(task_id)
    backlog.refill()
    assert backlog.window.pending() == LIMIT // 2 + 1 + 7


def test_what_was_cancelled_before_it_was_heard_that_it_is_ready_hides_nothing_behind_the_window(
    backlog: Backlog,
) -> None:
    """It was given back on another coordinator, and so was never counted here."""
    backlog.submit(LIMIT + 2)
    backlog.place("t00000")
    backlog.world.lose("a", "t00000")
    backlog.cancel(0, LIMIT + 1)
    backlog.refill()
    assert sorted(backlog.told) == [f"t{number:05}" for number in range(1, LIMIT + 1)]
    assert len(backlog.work_off()) == LIMIT
    assert backlog.window.pending() == 0
