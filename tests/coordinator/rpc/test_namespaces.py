"""The form of a namespace, which every request that names one has to keep: the reads as the writes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from missioncontrol.v1 import (
    agent_service_pb2,
    event_service_pb2,
    queue_service_pb2,
    schedule_service_pb2,
    task_service_pb2,
)

from services.transport.validation import validate
from tests.coordinator.rpc.harness import Coordinator, reading, refusal

CONTRACT = [agent_service_pb2, event_service_pb2, queue_service_pb2, schedule_service_pb2, task_service_pb2]
FIELDS = {"namespace": "", "filter": "namespace", "spec": "namespace", "schedule": "namespace"}


def requests_with(namespace: str) -> Iterator[tuple[str, Message]]:
    """A request of each method that names a namespace, with the path of that field."""
    for file in CONTRACT:
        for service in file.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                yield from named(method.input_type, namespace)


def named(descriptor: Any, namespace: str) -> Iterator[tuple[str, Message]]:
    for field, inner in FIELDS.items():
        if field in descriptor.fields_by_name:
            request = descriptor._concrete_class()
            target = getattr(request, field) if inner else request
            target.namespace = namespace
            yield f"{field}.{inner}" if inner else field, request


def complaints(namespace: str) -> dict[str, bool]:
    """For each kind of request, whether the namespace is complained of."""
    return {
        request.DESCRIPTOR.name: path in [field for field, _ in validate(request)]
        for path, request in requests_with(namespace)
    }


@pytest.mark.parametrize("namespace", ["Bad", "a_b", "-a", "a-", "a/b", "a" * 64, "default\n", "**"])
def test_a_malformed_namespace_is_complained_of_in_every_request(namespace: str) -> None:
    found = complaints(namespace)

    assert len(found) == 28
    assert all(found.values()), found


@pytest.mark.parametrize("namespace", ["", "default", "a", "team-7", "a" * 63])
def test_a_well_formed_namespace_is_not(namespace: str) -> None:
    assert not any(complaints(namespace).values())


def test_a_star_means_all_namespaces_to_the_feed_alone() -> None:
    fine = {name for name, wrong in complaints("*").items() if not wrong}

    assert fine == {"ListEventsRequest", "WatchEventsRequest"}


async def test_reads_of_a_malformed_namespace_are_refused_by_the_field(coordinator: Coordinator) -> None:
    tasks, agents, events = coordinator.tasks, coordinator.agents, coordinator.events
    calls = [
        tasks.GetTask(task_service_pb2.GetTaskRequest(namespace="Bad", task_id="t")),
        tasks.ListTasks(task_service_pb2.ListTasksRequest(namespace="Bad")),
        agents.ListAgents(agent_service_pb2.ListAgentsRequest(namespace="Bad")),
    ]
    wanted = event_service_pb2.EventFilter(namespace="Bad")
    calls.append(events.ListEvents(event_service_pb2.ListEventsRequest(filter=wanted)))

    refusals = [await refusal(call) for call in calls]

    assert {said.code for said in refusals} == {grpc.StatusCode.INVALID_ARGUMENT}
    assert [list(said.fields) for said in refusals] == [["namespace"]] * 3 + [["filter.namespace"]]


async def test_a_watch_of_a_malformed_namespace_is_refused_by_the_field(coordinator: Coordinator) -> None:
    wanted = event_service_pb2.EventFilter(namespace="Bad")
    async with reading(coordinator.events.WatchEvents(event_service_pb2.WatchEventsRequest(filter=wanted))) as call:
        said = await refusal(call.read())

    assert (said.code, list(said.fields)) == (grpc.StatusCode.INVALID_ARGUMENT, ["filter.namespace"])
