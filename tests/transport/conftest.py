"""A real server with one scripted service behind our wrapper, and stubs that speak to it over a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from missioncontrol.v1 import agent_service_pb2 as agents
from missioncontrol.v1 import agent_service_pb2_grpc as agents_grpc
from missioncontrol.v1 import task_service_pb2 as tasks
from missioncontrol.v1 import task_service_pb2_grpc as tasks_grpc
from prometheus_client import CollectorRegistry

from services.transport.server import RpcServer, create_server


class ScriptedTasks(tasks_grpc.TaskServiceServicer):
    """Each handler does what the test has put into `script`, and notes the requests that reached it."""

    def __init__(self) -> None:
        self.script: Callable[[Any, Any], Awaitable[None]] | None = None
        self.requests: list[Any] = []

    async def _run(self, request: Any, context: Any) -> None:
        self.requests.append(request)
        if self.script is not None:
            await self.script(request, context)

    async def CreateTask(self, request: Any, context: Any) -> Any:
        await self._run(request, context)
        return tasks.CreateTaskResponse()

    async def BatchCreateTasks(self, request: Any, context: Any) -> Any:
        await self._run(request, context)
        return tasks.BatchCreateTasksResponse()

    async def GetTask(self, request: Any, context: Any) -> Any:
        await self._run(request, context)
        return tasks.GetTaskResponse(position="1:1")

    async def WatchTask(self, request: Any, context: Any) -> AsyncIterator[Any]:
        yield tasks.WatchTaskResponse()
        await self._run(request, context)
        yield tasks.WatchTaskResponse()

    # The wrapper wants async handlers everywhere, as production code has them.
    ListTasks = CancelTask = RetryTask = ListAttempts = BulkChangeTasks = CreateTask


class ScriptedAgents(agents_grpc.AgentServiceServicer):
    """Connect answers each message with a heartbeat echo, by writing to the context."""

    async def Connect(self, request_iterator: Any, context: Any) -> None:
        async for message in request_iterator:
            await context.write(
                agents.CoordinatorMessage(heartbeat_echo=agents.HeartbeatEcho(number=message.heartbeat.number))
            )

    async def GetAgent(self, request: Any, context: Any) -> Any:
        return agents.GetAgentResponse()

    ListAgents = CordonAgent = UncordonAgent = DrainAgent = ChangeAgents = Exchange = GetAgent


@dataclass
class Edge:
    server: RpcServer
    address: str
    channel: grpc.aio.Channel
    tasks: ScriptedTasks
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    @property
    def stub(self) -> Any:
        return tasks_grpc.TaskServiceStub(self.channel)

    @property
    def agents(self) -> Any:
        return agents_grpc.AgentServiceStub(self.channel)


@pytest.fixture
async def edge() -> AsyncIterator[Edge]:
    registry = CollectorRegistry()
    servicer = ScriptedTasks()
    server = create_server("coordinator", listen="127.0.0.1:0", registry=registry)
    server.add(tasks_grpc.add_TaskServiceServicer_to_server, servicer)
    server.add(agents_grpc.add_AgentServiceServicer_to_server, ScriptedAgents())
    address = await server.start()
    async with grpc.aio.insecure_channel(address) as channel:
        yield Edge(server, address, channel, servicer, registry)
    await server.stop(grace_seconds=0)
