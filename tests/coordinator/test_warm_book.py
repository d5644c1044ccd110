"""What agents are warm for: by what they were granted and what they said, bounded, and told when it changed."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from services.coordinator.agent_news import AgentNews
from services.coordinator.limits import WARM_KEYS_MAX
from services.coordinator.queue_book import DEFAULT_WARM_MICROS, QueueBook
from services.domain.commands import AdoptAgents, ChangeQueue, ReportKind
from services.domain.policy import Affinity, QueuePolicy
from services.domain.retry import RetryPolicy
from services.store.flush import Committed
from tests.store.conftest import world
from tests.store.world import NAMESPACE, World, key

__all__ = ["world"]


class Watched:
    """A world, and the agents of the coordinator that it is told to."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.on_committed = self._on_committed
        self.begin()

    def begin(self) -> None:
        """The coordinator starts and remembers nothing."""
        self.queues = QueueBook(lease_ttl_micros=30_000_000)
        self.news = AgentNews("c1", self.queues)

    def _on_committed(self, committed: Committed) -> None:
        self.queues.on_committed(committed)
        self.news.on_committed(committed)

    def lease(self, task_id: str, affinity_key: str, *, agent_id: str = "a") -> None:
        self.world.submit(task_id, affinity_key=affinity_key, retry=RetryPolicy(initial_backoff_seconds=0.0))
        self.world.grant(task_id, agent_id)

    def keys(self, agent_id: str = "a", *, later: int = 0) -> list[str]:
        found = self.news.warm.keys(key(agent_id), time.time_ns() // 1000 + later)
        assert found is not None
        assert list(found.values()) == sorted(found.values(), reverse=True), "newest first"
        return list(found)

    def told(self) -> list[str]:
        """The warm keys that the scheduler is told now."""
        ((_, told),) = self.news.take()
        assert told is not None
        return list(told.warm_keys)


@pytest.fixture
def watched(world: World) -> Iterator[Watched]:
    return Watched(world)


def test_an_agent_is_warm_for_what_it_said_and_before_that_for_what_it_was_granted(watched: Watched) -> None:
    watched.world.connect("a", slots=9, warm_keys=("repo-1", "repo-2"))
    watched.lease("t1", "repo-3")
    watched.lease("t2", "repo-2")
    watched.lease("t3", "")
    assert watched.keys() == ["repo-2", "repo-3", "repo-1"]


def test_work_that_ends_was_the_last_use_also_if_it_failed(watched: Watched) -> None:
    watched.world.connect("a", slots=9)
    watched.lease("t1", "repo-1")
    watched.world.start("a", "t1")
    watched.lease("t2", "repo-2")
    watched.world.finish("a", "t1", ReportKind.FAILED)
    assert watched.keys() == ["repo-1", "repo-2"]
    watched.world.finish("a", "t2", ReportKind.RETURNED)  # it never started: no use
    assert watched.keys() == ["repo-1", "repo-2"]


def test_only_the_newest_keys_are_remembered(watched: Watched) -> None:
    watched.world.connect("a", slots=9, warm_keys=tuple(f"said-{number}" for number in range(WARM_KEYS_MAX)))
    watched.lease("t", "repo-1")
    keys = watched.keys()
    assert (len(keys), keys[0], keys[-1]) == (WARM_KEYS_MAX, "repo-1", f"said-{WARM_KEYS_MAX - 2}")


def test_keys_are_dropped_when_they_are_older_than_any_queue_asks_for(watched: Watched) -> None:
    watched.world.connect("a")
    watched.lease("t", "repo-1")
    assert watched.keys(later=DEFAULT_WARM_MICROS + 1_000_000) == []
    longer = QueuePolicy(affinity=Affinity(warm_micros=2 * DEFAULT_WARM_MICROS))
    watched.world.do(ChangeQueue((NAMESPACE, "q"), policy=longer))
    assert watched.keys(later=DEFAULT_WARM_MICROS + 1_000_000) == ["repo-1"]


def test_a_stream_that_broke_costs_no_key_and_a_new_process_has_only_what_it_says(watched: Watched) -> None:
    watched.world.connect("a")
    watched.lease("t", "repo-1")
    watched.world.connect("a", again=True, held=[("t", 1)], warm_keys=("older",))
    assert watched.keys() == ["repo-1"]
    watched.world.connect("a", warm_keys=("repo-2",))
    assert watched.keys() == ["repo-2"]


def test_a_coordinator_that_was_started_again_knows_what_hello_says_and_what_the_agent_holds(watched: Watched) -> None:
    watched.world.connect("a")
    watched.lease("t", "repo-1")
    watched.begin()
    watched.world.do(AdoptAgents([(key("a"), watched.world.sessions["a"])]))
    watched.world.connect("a", again=True, held=[("t", 1)], warm_keys=("repo-2",))
    assert watched.keys() == ["repo-1", "repo-2"]


def test_keys_are_told_when_they_changed_and_all_of_them_on_a_new_stream(watched: Watched) -> None:
    watched.world.connect("a", slots=9, warm_keys=("repo-1",))
    assert watched.told() == ["repo-1"]
    watched.lease("plain", "")
    assert watched.told() == []
    watched.lease("t", "repo-2")
    assert watched.told() == ["repo-2", "repo-1"]
    (told,) = watched.news.snapshot()
    assert list(told.warm_keys) == ["repo-2", "repo-1"]


def test_nothing_is_known_of_an_agent_that_is_not_here(watched: Watched) -> None:
    watched.world.connect("a", warm_keys=("repo-1",))
    watched.world.leave("a")
    assert watched.news.warm.keys(key("a"), 0) is None
    assert watched.news.warm.keys(key("nobody"), 0) is None
