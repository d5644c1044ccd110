from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from missioncontrol.v1 import agent_pb2, agent_service_pb2, queue_pb2
from missioncontrol.v1 import queue_service_pb2 as wire

from services.domain.agent import AgentState, DrainMode
from tests.coordinator.rpc.harness import Coordinator, refusal


async def test_an_unconfigured_queue_answers_with_the_default_policy(coordinator: Coordinator) -> None:
    response = await coordinator.queues.GetQueue(wire.GetQueueRequest(name="any"))

    assert (response.queue.namespace, response.queue.name, response.queue.version) == ("default", "any", 0)
    assert response.queue.policy.strategy == queue_pb2.ROUTING_STRATEGY_CENTRAL_QUEUE
    assert not response.queue.policy.HasField("lease_ttl")
    assert response.position == str(coordinator.parts.feed.position)


async def test_a_policy_is_replaced_whole_and_read_again(coordinator: Coordinator) -> None:
    policy = queue_pb2.QueuePolicy(lease_ttl=Duration(seconds=5), default_run_time_limit=Duration(nanos=500))
    updated = await coordinator.queues.UpdateQueue(wire.UpdateQueueRequest(name="q", policy=policy))
    again = await coordinator.queues.UpdateQueue(wire.UpdateQueueRequest(name="q", policy=policy))
    read = await coordinator.queues.GetQueue(wire.GetQueueRequest(name="q"))

    assert (updated.queue.version, again.queue.version) == (1, 1)
    assert read.queue == updated.queue
    assert read.queue.policy.lease_ttl.seconds == 5
    # A limit below a microsecond is not "none".
    assert read.queue.policy.default_run_time_limit.nanos == 1_000


async def test_pausing_keeps_the_policy_and_is_idempotent(coordinator: Coordinator) -> None:
    policy = queue_pb2.QueuePolicy(lease_ttl=Duration(seconds=5))
    await coordinator.queues.UpdateQueue(wire.UpdateQueueRequest(name="q", policy=policy))

    paused = [await coordinator.queues.PauseQueue(wire.PauseQueueRequest(name="q")) for _ in range(2)]
    resumed = await coordinator.queues.ResumeQueue(wire.ResumeQueueRequest(name="q"))

    assert [(p.queue.paused, p.queue.version, p.queue.policy.lease_ttl.seconds) for p in paused] == [(True, 2, 5)] * 2
    assert (resumed.queue.paused, resumed.queue.version) == (False, 3)


async def test_an_unknown_option_is_refused_and_not_lost_in_silence(coordinator: Coordinator) -> None:
    unknown = queue_pb2.QueuePolicy.FromString(b"\xf8\x06\x01")  # field 111

    strange = await refusal(coordinator.queues.UpdateQueue(wire.UpdateQueueRequest(name="q", policy=unknown)))
    strategy = queue_pb2.QueuePolicy(strategy=99)  # type: ignore[arg-type]  # that is the point
    undefined = await refusal(coordinator.queues.UpdateQueue(wire.UpdateQueueRequest(name="q", policy=strategy)))

    assert strange.code is undefined.code is grpc.StatusCode.INVALID_ARGUMENT
    assert "field 111" in strange.fields["policy"]
    assert "policy.strategy" in undefined.fields


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        ({"lease_ttl": {"seconds": -5}}, "policy.lease_ttl"),
        ({"lease_ttl": {"seconds": 100_000}}, "policy.lease_ttl"),
        ({"default_queue_time_limit": {"seconds": -1}}, "policy.default_queue_time_limit"),
        ({"default_run_time_limit": {"seconds": 0}}, "policy.default_run_time_limit"),
    ],
)
async def test_bad_limits_are_refused_with_their_field(
    coordinator: Coordinator, policy: dict[str, Any], field: str
) -> None:
    request = wire.UpdateQueueRequest(name="q", policy=queue_pb2.QueuePolicy(**policy))

    refused = await refusal(coordinator.queues.UpdateQueue(request))

    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.fields.keys() == {field}


async def test_stats_count_by_state_and_priority(coordinator: Coordinator) -> None:
    for priority in (0, 0, 5):
        await coordinator.create(queue="q", priority=priority)
    await coordinator.create(queue="q", not_before_time={"seconds": 4_000_000_000})

    response = await coordinator.queues.GetQueueStats(wire.GetQueueStatsRequest(name="q"))
    empty = await coordinator.queues.GetQueueStats(wire.GetQueueStatsRequest(name="other"))

    stats = response.stats
    assert (stats.pending, stats.scheduled, stats.leased, stats.running) == (3, 1, 0, 0)
    assert [(lane.priority, lane.pending) for lane in stats.priorities] == [(5, 1), (0, 2)]
    assert stats.oldest_pending_age == stats.priorities[1].oldest_pending_age
    assert response.position == str(coordinator.parts.feed.position)
    assert not empty.stats.HasField("oldest_pending_age")


async def test_queues_are_listed_in_pages(coordinator: Coordinator) -> None:
    for name in ("c", "a"):
        await coordinator.create(queue=name)
    await coordinator.queues.PauseQueue(wire.PauseQueueRequest(name="b"))

    first = await coordinator.queues.ListQueues(wire.ListQueuesRequest(page_size=2))
    rest = await coordinator.queues.ListQueues(wire.ListQueuesRequest(page_size=2, page_token=first.next_page_token))
    refused = await refusal(coordinator.queues.ListQueues(wire.ListQueuesRequest(page_token="nonsense")))

    assert [queue.name for queue in first.queues] == ["a", "b"]
    assert [queue.name for queue in rest.queues] == ["c"]
    assert rest.next_page_token == ""
    assert refused.fields.keys() == {"page_token"}


async def test_an_agent_shows_its_queue_depth_and_slots(coordinator: Coordinator) -> None:
    store = coordinator.store
    await store.admit("a", labels={"zone": "1"}, slots=2, queue_limit=3, resources={"gpu": 1.0})
    await store.grant(await store.submit(), "a")
    await store.grant(await store.submit(), "a")

    agent = (await coordinator.agents.GetAgent(agent_service_pb2.GetAgentRequest(agent_id="a"))).agent

    assert (agent.slots, agent.queue_limit, agent.slots_used, agent.queue_depth) == (2, 3, 0, 2)
    assert (agent.labels, agent.resources) == ({"zone": "1"}, {"gpu": 1.0})
    assert agent.state == agent_pb2.AGENT_STATE_READY
    assert agent.HasField("heartbeat_time")


async def test_agents_are_listed_by_state_and_label(coordinator: Coordinator) -> None:
    for agent_id, zone in (("a", "1"), ("b", "2"), ("c", "1")):
        await coordinator.store.admit(agent_id, labels={"zone": zone})
    await coordinator.agents.DrainAgent(agent_service_pb2.DrainAgentRequest(agent_id="c"))

    async def ids(**fields: Any) -> list[str]:
        response = await coordinator.agents.ListAgents(agent_service_pb2.ListAgentsRequest(**fields))
        return [agent.id for agent in response.agents]

    assert await ids() == ["a", "b", "c"]
    assert await ids(labels={"zone": "1"}) == ["a", "c"]
    assert await ids(states=[agent_pb2.AGENT_STATE_DRAINING]) == ["c"]
    assert await ids(states=[agent_pb2.AGENT_STATE_UNSPECIFIED]) == ["a", "b", "c"]
    assert await ids(namespace="theirs") == []


async def test_cordon_and_drain_are_ordered_and_taken_back(coordinator: Coordinator) -> None:
    await coordinator.store.admit("a")
    cordoned = await coordinator.agents.CordonAgent(agent_service_pb2.CordonAgentRequest(agent_id="a"))
    draining = await coordinator.agents.DrainAgent(agent_service_pb2.DrainAgentRequest(agent_id="a"))
    free = await coordinator.agents.UncordonAgent(agent_service_pb2.UncordonAgentRequest(agent_id="a"))

    assert (cordoned.agent.cordoned, cordoned.agent.state) == (True, AgentState.READY)
    assert (draining.agent.cordoned, draining.agent.state) == (True, AgentState.DRAINING)
    assert draining.agent.drain.state == agent_pb2.DRAIN_STATE_DRAINED
    assert not free.agent.HasField("drain")
    assert (free.agent.cordoned, free.agent.state) == (False, AgentState.READY)


async def test_a_drain_without_a_mode_finishes_what_runs(coordinator: Coordinator) -> None:
    written = []
    coordinator.parts.storage.journal.subscribe(lambda committed: written.extend(committed.agents))
    await coordinator.store.admit("a")

    await coordinator.agents.DrainAgent(agent_service_pb2.DrainAgentRequest(agent_id="a"))

    assert written[-1].drain_mode is DrainMode.FINISH


async def test_orders_for_agents_refuse_what_cannot_be(coordinator: Coordinator) -> None:
    missing = await refusal(coordinator.agents.CordonAgent(agent_service_pb2.CordonAgentRequest(agent_id="x")))
    negative = agent_service_pb2.DrainAgentRequest(agent_id="x", time_limit=Duration(seconds=-1))
    huge = agent_service_pb2.DrainAgentRequest(agent_id="x", time_limit=Duration(seconds=2**60))

    assert missing.code is grpc.StatusCode.NOT_FOUND
    for request in (negative, huge):
        refused = await refusal(coordinator.agents.DrainAgent(request))
        assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
        assert refused.fields.keys() == {"time_limit"}
