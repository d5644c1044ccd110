"""ChangeAgents: many agents, by id or by label, page by page."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from missioncontrol.selectors import parse_selector
from missioncontrol.v1 import agent_pb2
from missioncontrol.v1 import agent_service_pb2 as pb

from tests.coordinator.rpc.harness import Coordinator, refusal

DRAINED, DRAINING = agent_pb2.DRAIN_STATE_DRAINED, agent_pb2.DRAIN_STATE_DRAINING


@pytest.fixture
async def fleet(coordinator: Coordinator) -> Coordinator:
    """Six agents, every other one in zone eu."""
    for number in range(6):
        labels = {"zone": "eu" if number % 2 else "us", "rank": str(number)}
        await coordinator.store.admit(f"a{number}", labels=labels)
    return coordinator


async def change(fleet: Coordinator, change: pb.AgentChange.ValueType, *selectors: str, **fields: Any) -> Any:
    wanted = [parse_selector(text) for text in selectors]
    return await fleet.agents.ChangeAgents(pb.ChangeAgentsRequest(change=change, selectors=wanted, **fields))


async def cordoned(fleet: Coordinator) -> list[str]:
    agents = (await fleet.agents.ListAgents(pb.ListAgentsRequest())).agents
    return [agent.id for agent in agents if agent.cordoned]


@pytest.mark.parametrize(
    ("selectors", "found"),
    [
        (["zone=eu"], ["a1", "a3", "a5"]),
        (["zone=eu", "rank>2"], ["a3", "a5"]),
        (["zone notin (eu, asia)", "rank<2"], ["a0"]),
        (["!zone"], []),
    ],
)
async def test_agents_are_found_by_all_selectors(fleet: Coordinator, selectors: list[str], found: list[str]) -> None:
    answer = await change(fleet, pb.AGENT_CHANGE_CORDON, *selectors)

    assert [agent.id for agent in answer.agents] == found
    assert answer.changed == len(found)
    assert await cordoned(fleet) == found


async def test_ids_and_selectors_must_both_hold(fleet: Coordinator) -> None:
    answer = await change(fleet, pb.AGENT_CHANGE_CORDON, "zone=eu", agent_ids=["a2", "a3", "a3"])

    assert [agent.id for agent in answer.agents] == ["a3"]


async def test_pages_go_through_all_and_may_be_asked_for_again(fleet: Coordinator) -> None:
    found, token = [], ""
    for _ in range(4):
        answer = await change(fleet, pb.AGENT_CHANGE_CORDON, "zone=eu", page_size=2, page_token=token)
        again = await change(fleet, pb.AGENT_CHANGE_CORDON, "zone=eu", page_size=2, page_token=token)
        assert ([agent.id for agent in again.agents], again.changed) == ([agent.id for agent in answer.agents], 0)
        found += [agent.id for agent in answer.agents]
        token = answer.next_page_token
        if not token:
            break

    assert found == ["a1", "a3", "a5"]


async def test_pages_of_ids(fleet: Coordinator) -> None:
    ids = ["a4", "a0", "a2"]
    first = await change(fleet, pb.AGENT_CHANGE_CORDON, agent_ids=ids, page_size=2)
    second = await change(fleet, pb.AGENT_CHANGE_CORDON, agent_ids=ids, page_size=2, page_token=first.next_page_token)

    assert [agent.id for agent in (*first.agents, *second.agents)] == sorted(ids)
    assert second.next_page_token == ""


async def test_a_preview_changes_nothing(fleet: Coordinator) -> None:
    await change(fleet, pb.AGENT_CHANGE_CORDON, agent_ids=["a1"])
    answer = await change(fleet, pb.AGENT_CHANGE_CORDON, "zone=eu", preview=True)

    assert (len(answer.agents), answer.changed) == (3, 2)
    assert await cordoned(fleet) == ["a1"]


async def test_a_drain_tells_how_far_it_is(fleet: Coordinator) -> None:
    await fleet.store.grant(await fleet.store.submit(), "a1")
    limit = Duration(seconds=60)
    answer = await change(fleet, pb.AGENT_CHANGE_DRAIN, "zone=eu", mode=pb.DRAIN_MODE_FINISH, time_limit=limit)

    assert [agent.drain.state for agent in answer.agents] == [DRAINING, DRAINED, DRAINED]
    busy = answer.agents[0]
    assert (busy.drain.leases_left, busy.drain.returns_started, busy.cordoned) == (1, False, False)
    assert busy.drain.HasField("deadline_time")


async def test_each_is_taken_off_by_itself(fleet: Coordinator) -> None:
    for each in (pb.AGENT_CHANGE_CORDON, pb.AGENT_CHANGE_DRAIN):
        await change(fleet, each, agent_ids=["a1"])
    opened = (await change(fleet, pb.AGENT_CHANGE_UNCORDON, agent_ids=["a1"])).agents[0]
    resumed = (await change(fleet, pb.AGENT_CHANGE_RESUME, agent_ids=["a1"])).agents[0]

    assert (opened.cordoned, opened.drain.state, opened.state) == (False, DRAINED, agent_pb2.AGENT_STATE_DRAINING)
    assert (resumed.HasField("drain"), resumed.state) == (False, agent_pb2.AGENT_STATE_READY)


async def test_what_means_nobody_everybody_or_nothing_is_refused(fleet: Coordinator) -> None:
    cordon = pb.AGENT_CHANGE_CORDON
    everybody = await refusal(change(fleet, cordon))
    nothing = await refusal(change(fleet, pb.AGENT_CHANGE_UNSPECIFIED, "zone=eu"))
    mistyped = await refusal(change(fleet, cordon, agent_ids=["a1", "x"]))
    limit = await refusal(change(fleet, cordon, "zone=eu", time_limit=Duration(seconds=1)))
    selector = pb.ChangeAgentsRequest(change=cordon, selectors=[parse_selector("zone=eu")])
    selector.selectors[0].values.clear()
    empty = await refusal(fleet.agents.ChangeAgents(selector))

    invalid = grpc.StatusCode.INVALID_ARGUMENT
    assert (everybody.code, everybody.fields.keys()) == (invalid, {"selectors"})
    assert nothing.code is limit.code is empty.code is invalid
    assert limit.fields.keys() == {"time_limit"}
    assert empty.fields.keys() == {"selectors[0].values"}
    assert mistyped.code is grpc.StatusCode.NOT_FOUND
    assert "agent x" in mistyped.message
    assert await cordoned(fleet) == []


async def test_agents_of_another_namespace_are_not_found(fleet: Coordinator) -> None:
    """S12."""
    await fleet.store.admit("a1", namespace="theirs", labels={"zone": "eu"})
    answer = await change(fleet, pb.AGENT_CHANGE_CORDON, "zone=eu", namespace="theirs")

    assert [agent.namespace for agent in answer.agents] == ["theirs"]
    assert await cordoned(fleet) == []
