"""Reads through the public API what `audit` judges: every task, every attempt, and where the feed stands.

The plain generated stubs, so that it works however the SDK is being changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import grpc
from missioncontrol.v1 import (
    agent_pb2,
    agent_service_pb2,
    agent_service_pb2_grpc,
    task_pb2,
    task_service_pb2,
    task_service_pb2_grpc,
)

from services.domain.task import TaskState
from services.fleet.audit import SeenTask

CALL_SECONDS = 20.0
PAGE_SIZE = 1000
# Reads in flight at once; more would only queue in the coordinator.
PARALLEL_READS = 16


class Observer:
    """A reader of one coordinator's API, over a channel that it owns."""

    def __init__(self, address: str, *, namespace: str = "default") -> None:
        self._channel = grpc.aio.insecure_channel(address)
        self._tasks = task_service_pb2_grpc.TaskServiceStub(self._channel)
        self._agents = agent_service_pb2_grpc.AgentServiceStub(self._channel)
        self._namespace = namespace

    async def close(self) -> None:
        """Closes the channel."""
        await self._channel.close()

    async def tasks(self) -> tuple[list[task_pb2.Task], int]:
        """Every task of the namespace, and the sequence that the last page is consistent with."""
        found: list[task_pb2.Task] = []
        request = task_service_pb2.ListTasksRequest(namespace=self._namespace, page_size=PAGE_SIZE)
        while True:
            page = await self._tasks.ListTasks(request, timeout=CALL_SECONDS)
            found += page.tasks
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return found, sequence_of(page.position)

    async def agents(self) -> list[agent_pb2.Agent]:
        """The agents of the namespace, by id; at most a page of them."""
        request = agent_service_pb2.ListAgentsRequest(namespace=self._namespace, page_size=PAGE_SIZE)
        return list((await self._agents.ListAgents(request, timeout=CALL_SECONDS)).agents)

    async def whole_tasks(self, task_ids: Iterable[str]) -> dict[str, task_pb2.Task]:
        """These tasks with their payload and output."""
        gate = asyncio.Semaphore(PARALLEL_READS)

        async def read(task_id: str) -> task_pb2.Task:
            request = task_service_pb2.GetTaskRequest(namespace=self._namespace, task_id=task_id)
            async with gate:
                return (await self._tasks.GetTask(request, timeout=CALL_SECONDS)).task

        return {task.id: task for task in await asyncio.gather(*map(read, task_ids))}

    async def attempts(self, task_ids: Iterable[str]) -> dict[str, list[task_pb2.Attempt]]:
        """The attempts of these tasks, oldest first."""
        gate = asyncio.Semaphore(PARALLEL_READS)

        async def read(task_id: str) -> tuple[str, list[task_pb2.Attempt]]:
            request = task_service_pb2.ListAttemptsRequest(
                namespace=self._namespace, task_id=task_id, page_size=PAGE_SIZE
            )
            async with gate:
                return task_id, list((await self._tasks.ListAttempts(request, timeout=CALL_SECONDS)).attempts)

        return dict(await asyncio.gather(*map(read, task_ids)))


def seen_task(task: task_pb2.Task) -> SeenTask:
    """What the checkers need of a task."""
    return SeenTask(task.id, task.request_id, TaskState(task.state), task.version, task.token, task.agent_id)


def sequence_of(position: str) -> int:
    """The sequence of a feed position, "<epoch>:<sequence>"."""
    return int(position.rpartition(":")[2])
