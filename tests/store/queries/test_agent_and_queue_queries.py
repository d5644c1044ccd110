from __future__ import annotations

from functools import partial

import msgspec
import pytest

from services.domain.commands import AgentAction, ChangeAgent, ChangeQueue, ReportKind
from services.domain.errors import NotFound
from services.domain.policy import QueuePolicy
from services.domain.queue import Queue
from services.store.agents import AgentFilter, LeaseDepth, get_agent, list_agents, read_agent
from services.store.queues import count_queue, get_queue, list_queues
from tests.store.queries.store import Store

FAR = 4_000_000_000_000_000


async def agents_of(store: Store, *, after: str = "", limit: int = 100, **fields: object) -> list[str]:
    wanted = AgentFilter(**{"namespace": "default", **fields})  # type: ignore[arg-type]  # what the test gives
    page = await store.read(partial(list_agents, filter_=wanted, after=after, limit=limit))
    return [agent.id for agent in page.agents]


async def test_an_agent_is_read_as_the_journal_answered_it(store: Store) -> None:
    await store.admit("a", labels={"zone": "1"}, resources={"gpu": 2.0}, capabilities=("x",))
    written = await store.journal.submit(ChangeAgent(("default", "a"), AgentAction.CORDON))

    read, position = await store.read(partial(get_agent, namespace="default", agent_id="a"))

    assert read == msgspec.structs.replace(written, version=read.version)  # the row's own, raised by the commit
    assert position.sequence == 2


async def test_what_an_agent_holds_is_counted_by_queue_and_priority_and_by_what_has_started(store: Store) -> None:
    await store.admit("a", slots=9)
    for queue, priority, started in (("q2", 0, True), ("q1", 0, False), ("q1", 5, True), ("q1", 5, False)):
        task = await store.submit(queue=queue, priority=priority)
        await store.grant(task, "a")
        if started:
            await store.report(task, ReportKind.STARTED, agent_id="a")

    _, leases, _ = await store.read(partial(read_agent, namespace="default", agent_id="a"))

    assert leases == [LeaseDepth("q1", 5, 1, 1), LeaseDepth("q1", 0, 1, 0), LeaseDepth("q2", 0, 0, 1)]


async def test_foreign_agents_are_missing(store: Store) -> None:
    await store.admit("a", namespace="theirs")

    with pytest.raises(NotFound):
        await store.read(partial(get_agent, namespace="default", agent_id="a"))
    assert await agents_of(store) == []


async def test_agents_are_listed_by_id_in_pages(store: Store) -> None:
    for agent_id in ("c", "a", "b"):
        await store.admit(agent_id, labels={"zone": agent_id, "all": "1"})
    await store.journal.submit(ChangeAgent(("default", "b"), AgentAction.DRAIN))

    assert await agents_of(store) == ["a", "b", "c"]
    assert await agents_of(store, after="a", limit=1) == ["b"]
    assert await agents_of(store, labels={"zone": "c", "all": "1"}) == ["c"]
    assert await agents_of(store, states=frozenset({2})) == ["b"]


async def test_a_queue_that_nobody_configured_has_the_default_policy(store: Store) -> None:
    queue, _ = await store.read(partial(get_queue, key=("default", "any")))

    assert queue == Queue("default", "any")


async def test_a_configured_queue_is_read_as_the_journal_answered_it(store: Store) -> None:
    written = await store.journal.submit(ChangeQueue(("default", "q"), QueuePolicy(1, 5, 6, 7), paused=True))

    queue, position = await store.read(partial(get_queue, key=("default", "q")))

    assert queue == written
    assert position.sequence == 1


async def test_queues_are_those_configured_and_those_with_work(store: Store) -> None:
    await store.admit()
    await store.journal.submit(ChangeQueue(("default", "configured"), QueuePolicy()))
    await store.submit(queue="pending")
    await store.submit(queue="scheduled", not_before_time=FAR)
    await store.grant(await store.submit(queue="held"))
    done = await store.submit(queue="done")
    await store.grant(done)
    await store.report(done, ReportKind.SUCCEEDED, digest="d")
    await store.submit(queue="foreign", namespace="theirs")

    page = await store.read(partial(list_queues, namespace="default", after="", limit=10))
    first = await store.read(partial(list_queues, namespace="default", after="", limit=2))
    rest = await store.read(partial(list_queues, namespace="default", after="held", limit=2))

    assert [queue.name for queue in page.queues] == ["configured", "held", "pending", "scheduled"]
    assert page.queues[0].version == 1
    assert ([queue.name for queue in first.queues], first.after) == (["configured", "held"], "held")
    assert ([queue.name for queue in rest.queues], rest.after) == (["pending", "scheduled"], None)


async def test_a_queue_is_counted_by_state_and_priority(store: Store) -> None:
    await store.admit()
    first = await store.submit(queue="q", priority=5)
    await store.submit(queue="q", priority=5)
    await store.submit(queue="q", priority=-1)
    await store.submit(queue="q", not_before_time=FAR)
    await store.submit(queue="other")
    await store.submit(queue="q", namespace="theirs")
    running = await store.submit(queue="q")
    await store.grant(running)
    await store.report(running, ReportKind.STARTED)
    await store.grant(await store.submit(queue="q"))

    count = await store.read(partial(count_queue, key=("default", "q")))

    assert (count.scheduled, count.leased, count.running) == (1, 1, 1)
    assert [(lane.priority, lane.pending) for lane in count.lanes] == [(5, 2), (-1, 1)]
    assert count.lanes[0].oldest_time == first.queued_time
