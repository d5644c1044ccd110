"""What operators do with agents, as Python calls. The agents' own conversation is not here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

from missioncontrol import limits
from missioncontrol.calls.connection import Connection, new_request_id
from missioncontrol.times import to_duration
from missioncontrol.v1 import agent_pb2, agent_service_pb2


class AgentCalls:
    """The operators' calls of AgentService in one namespace. All raise CallError; NotFound for an unknown agent."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._connection = connection
        self._namespace = namespace

    async def list(
        self,
        *,
        states: Sequence[agent_pb2.AgentState.ValueType] = (),
        labels: Mapping[str, str] | None = None,
    ) -> AsyncIterator[agent_pb2.Agent]:
        """All agents that match, by id."""
        request = agent_service_pb2.ListAgentsRequest(
            namespace=self._namespace, states=states, labels=labels or {}, page_size=limits.PAGE_SIZE_MAX
        )
        async for page in self._connection.pages(lambda stubs: stubs.agents.ListAgents, request):
            for agent in page.agents:
                yield agent

    async def get(self, agent_id: str) -> agent_service_pb2.GetAgentResponse:
        """Reads one agent, with the feed position that it is consistent with."""
        request = agent_service_pb2.GetAgentRequest(namespace=self._namespace, agent_id=agent_id)
        return await self._connection.call(lambda stubs: stubs.agents.GetAgent, request)

    async def cordon(self, agent_id: str, *, request_id: str | None = None) -> agent_pb2.Agent:
        """No new work for this agent; what it has goes on."""
        request = agent_service_pb2.CordonAgentRequest(
            namespace=self._namespace, agent_id=agent_id, request_id=request_id or new_request_id()
        )
        return (await self._connection.call(lambda stubs: stubs.agents.CordonAgent, request)).agent

    async def uncordon(self, agent_id: str, *, request_id: str | None = None) -> agent_pb2.Agent:
        """Takes the cordon off, and a drain that was ordered."""
        request = agent_service_pb2.UncordonAgentRequest(
            namespace=self._namespace, agent_id=agent_id, request_id=request_id or new_request_id()
        )
        return (await self._connection.call(lambda stubs: stubs.agents.UncordonAgent, request)).agent

    async def drain(
        self,
        agent_id: str,
        *,
        mode: agent_service_pb2.DrainMode.ValueType = agent_service_pb2.DRAIN_MODE_FINISH,
        time_limit_seconds: float | None = None,
        request_id: str | None = None,
    ) -> agent_pb2.Agent:
        """Orders the agent to take nothing new, and to finish or return what it has; with FINISH until the limit."""
        request = agent_service_pb2.DrainAgentRequest(
            namespace=self._namespace, agent_id=agent_id, mode=mode, request_id=request_id or new_request_id()
        )
        if time_limit_seconds is not None:
            request.time_limit.CopyFrom(to_duration(time_limit_seconds))
        return (await self._connection.call(lambda stubs: stubs.agents.DrainAgent, request)).agent

    async def resume(self, agent_id: str, *, request_id: str | None = None) -> agent_pb2.Agent:
        """Calls an ordered drain off, or ends it when it is done: new work again, unless the agent is cordoned."""
        request = agent_service_pb2.ChangeAgentsRequest(
            agent_ids=[agent_id], change=agent_service_pb2.AGENT_CHANGE_RESUME, request_id=request_id or ""
        )
        (agent,) = [agent async for page in self.change(request) for agent in page.agents]
        return agent

    def change(
        self, request: agent_service_pb2.ChangeAgentsRequest
    ) -> AsyncIterator[agent_service_pb2.ChangeAgentsResponse]:
        """Cordons, uncordons, drains or resumes many agents, page by page as the pages are asked for.

        Fills in the namespace and the request id where they are empty. NotFound if one that is named is not there.
        """
        asked = agent_service_pb2.ChangeAgentsRequest()
        asked.CopyFrom(request)
        asked.namespace = asked.namespace or self._namespace
        asked.request_id = asked.request_id or new_request_id()
        return self._connection.pages(lambda stubs: stubs.agents.ChangeAgents, asked)
