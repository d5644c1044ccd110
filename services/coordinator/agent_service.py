"""AgentService: the agents' conversation, and what operators do with agents."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable
from functools import partial
from typing import Any

from missioncontrol.v1 import agent_pb2, agent_service_pb2_grpc
from missioncontrol.v1 import agent_service_pb2 as wire

from services.coordinator import pages
from services.coordinator.agent_changes import AgentChanges, drain_limit, drain_mode
from services.coordinator.agent_news import AgentNews
from services.coordinator.connections import Connections
from services.coordinator.exchanges import Exchanges
from services.coordinator.queue_book import QueueBook
from services.domain.agent import Agent, AgentKey
from services.domain.commands import AgentAction, ChangeAgent
from services.store.agents import AgentFilter, LeaseDepth, list_agents, read_agent
from services.store.journal import Journal
from services.store.readers import Readers
from services.transport import convert_agent
from services.transport.convert_task import DEFAULT_NAMESPACE
from services.transport.page_token import read_page_token, write_page_token


class AgentService(agent_service_pb2_grpc.AgentServiceServicer):
    """See the contract."""

    def __init__(
        self,
        journal: Journal,
        readers: Readers,
        connections: Connections,
        exchanges: Exchanges,
        agents: AgentNews,
        queues: QueueBook,
    ) -> None:
        self._journal = journal
        self._readers = readers
        self._connections = connections
        self._exchanges = exchanges
        self._agents = agents
        self._queues = queues
        self._changes = AgentChanges(journal, readers, self._message)

    async def Connect(  # type: ignore[override]  # it writes to the context, which the generated types do not know
        self, request_iterator: AsyncIterator[wire.AgentMessage], context: Any
    ) -> None:
        """One stream of an agent."""
        await self._connections.converse(request_iterator, context)

    async def Exchange(self, request: wire.ExchangeRequest, context: Any) -> wire.ExchangeResponse:
        """One call of an agent that holds no stream."""
        return await self._exchanges.exchange(request)

    async def ListAgents(self, request: wire.ListAgentsRequest, context: Any) -> wire.ListAgentsResponse:
        """Lists agents by id."""
        after = read_page_token(request, "")
        limit = pages.size_of(request.page_size)
        page = await self._readers.run(partial(list_agents, filter_=agent_filter(request), after=after, limit=limit))
        agents = pages.fitting(self._message(agent) for agent in page.agents)
        more = page.after if len(agents) == len(page.agents) else agents[-1].id
        token = write_page_token(request, more)
        return wire.ListAgentsResponse(agents=agents, next_page_token=token, position=str(page.position))

    async def GetAgent(self, request: wire.GetAgentRequest, context: Any) -> wire.GetAgentResponse:
        """Reads one agent."""
        namespace, agent_id = key_of(request)
        agent, leases, position = await self._readers.run(partial(read_agent, namespace=namespace, agent_id=agent_id))
        lanes = [self._lane(namespace, depth) for depth in leases]
        return wire.GetAgentResponse(agent=self._message(agent, lanes), position=str(position))

    async def CordonAgent(self, request: wire.CordonAgentRequest, context: Any) -> wire.CordonAgentResponse:
        """No new work for this agent."""
        agent = await self._journal.submit(ChangeAgent(key_of(request), AgentAction.CORDON))
        return wire.CordonAgentResponse(agent=self._message(agent))

    async def UncordonAgent(self, request: wire.UncordonAgentRequest, context: Any) -> wire.UncordonAgentResponse:
        """New work again: takes off a cordon and an ordered drain."""
        agent = await self._journal.submit(ChangeAgent(key_of(request), AgentAction.REOPEN))
        return wire.UncordonAgentResponse(agent=self._message(agent))

    async def ChangeAgents(self, request: wire.ChangeAgentsRequest, context: Any) -> wire.ChangeAgentsResponse:
        """Does one thing with many agents."""
        return await self._changes.page(request)

    async def DrainAgent(self, request: wire.DrainAgentRequest, context: Any) -> wire.DrainAgentResponse:
        """Orders the agent to end what it has, and to take nothing new."""
        order = ChangeAgent(
            key_of(request),
            AgentAction.DRAIN,
            drain_mode=drain_mode(request.mode),
            drain_limit_micros=drain_limit(request),
        )
        agent = await self._journal.submit(order)
        return wire.DrainAgentResponse(agent=self._message(agent))

    def _message(self, agent: Agent, lanes: Iterable[agent_pb2.LaneDepth] = ()) -> agent_pb2.Agent:
        """The agent for the wire, with the newest heartbeat and the warm keys that are known here."""
        heard = self._connections.last_heartbeat(agent.key) or 0
        warm = self._agents.warm.keys(agent.key, time.time_ns() // 1000)
        return convert_agent.agent(agent, heartbeat_time=max(agent.seen_time, heard), warm_keys=warm, lanes=lanes)

    def _lane(self, namespace: str, depth: LeaseDepth) -> agent_pb2.LaneDepth:
        """What an agent holds of one queue and priority, with the lane that it came through."""
        lane = self._queues.lane_name((namespace, depth.queue), depth.priority)
        return agent_pb2.LaneDepth(
            queue=depth.queue, priority=depth.priority, lane=lane, leased=depth.leased, running=depth.running
        )


def key_of(request: Any) -> AgentKey:
    """The agent that a request names."""
    return (request.namespace or DEFAULT_NAMESPACE, request.agent_id)


def agent_filter(request: wire.ListAgentsRequest) -> AgentFilter:
    """Which agents a request asks for. An unspecified state means any."""
    states = frozenset(request.states)
    return AgentFilter(
        namespace=request.namespace or DEFAULT_NAMESPACE,
        states=frozenset() if agent_pb2.AGENT_STATE_UNSPECIFIED in states else states,
        labels=dict(request.labels),
    )
