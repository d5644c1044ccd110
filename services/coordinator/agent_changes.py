"""AgentService.ChangeAgents: one change of many agents, a page at a time.

Each agent is changed by a command of its own, so that a fleet that is hard at work is no single row to lose against.
Which agents are meant is asked again where the change is made.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

from missioncontrol.v1 import agent_pb2
from missioncontrol.v1 import agent_service_pb2 as wire

from services.coordinator import pages
from services.domain.agent import Agent, AgentKey, DrainMode
from services.domain.agent_change import is_selected, steps
from services.domain.commands import AgentAction, AgentChanged, ChangeSelectedAgent
from services.domain.errors import InvalidArgument
from services.domain.requirements import LabelSelector
from services.store.agents import AgentFilter, list_agents, some_agents
from services.store.journal import Journal
from services.store.readers import Readers
from services.transport import convert_selector
from services.transport.convert_task import DEFAULT_NAMESPACE
from services.transport.convert_time import duration_micros
from services.transport.page_token import read_page_token, write_page_token

DRAIN_MICROS_MAX = 365 * 24 * 3600 * 1_000_000

Show = Callable[[Agent], agent_pb2.Agent]


class AgentChanges:
    """See the module. `show` gives an agent for the wire."""

    def __init__(self, journal: Journal, readers: Readers, show: Show) -> None:
        self._journal = journal
        self._readers = readers
        self._show = show

    async def page(self, request: wire.ChangeAgentsRequest) -> wire.ChangeAgentsResponse:
        """Changes the agents of one page, or tells which it would be."""
        selectors = selectors_of(request)
        looked_at, after = await self._look(request)
        selected = [agent for agent in looked_at if is_selected(agent, selectors)]
        shown = pages.fitting(map(self._show, selected))
        if len(shown) < len(selected):
            selected, after = selected[: len(shown)], shown[-1].id
        orders = [order_of(request, selectors, agent.key) for agent in selected]
        if request.preview:
            now = time.time_ns() // 1000
            changed = sum(bool(steps(agent, order, now)) for agent, order in zip(selected, orders, strict=True))
        else:
            answers = await self._change(orders)
            shown = [self._show(answer.agent) for answer in answers]
            changed = sum(answer.changed for answer in answers)
        token = write_page_token(request, after)
        return wire.ChangeAgentsResponse(agents=shown, changed=changed, next_page_token=token)

    async def _look(self, request: wire.ChangeAgentsRequest) -> tuple[list[Agent], str | None]:
        """The agents of this page that may be meant, by id, and the id to go on behind; None at the end."""
        namespace = request.namespace or DEFAULT_NAMESPACE
        behind = read_page_token(request, "")
        size = pages.size_of(request.page_size)
        if not request.agent_ids:
            read = partial(list_agents, filter_=AgentFilter(namespace=namespace), after=behind, limit=size)
            page = await self._readers.run(read)
            return page.agents, page.after
        wanted = sorted(set(request.agent_ids))
        left = [agent_id for agent_id in wanted if agent_id > behind]
        # On the first page all of them: a mistyped id is told before anything changes.
        asked = left[:size] if behind else wanted
        known = await self._readers.run(partial(some_agents, namespace=namespace, agent_ids=asked))
        return known[:size], left[size - 1] if len(left) > size else None

    async def _change(self, orders: list[ChangeSelectedAgent]) -> list[AgentChanged]:
        """Writes them together. The answers of those that are still meant."""
        answers: list[AgentChanged | None] = await asyncio.gather(*map(self._journal.submit, orders))
        return [answer for answer in answers if answer is not None]


def order_of(request: wire.ChangeAgentsRequest, selectors: list[LabelSelector], key: AgentKey) -> ChangeSelectedAgent:
    """What a request wants of one agent."""
    draining = request.change == wire.AGENT_CHANGE_DRAIN
    return ChangeSelectedAgent(
        key,
        selectors,
        AgentAction(request.change),
        drain_mode=drain_mode(request.mode) if draining else DrainMode.NONE,
        drain_limit_micros=drain_limit(request),
    )


def selectors_of(request: wire.ChangeAgentsRequest) -> list[LabelSelector]:
    """Which agents a request means by their labels. Raises InvalidArgument for a request that means all or nothing."""
    if not request.agent_ids and not request.selectors:
        reason = "agent_ids or selectors must say which agents are meant"
        raise InvalidArgument(reason, fields=[("selectors", reason)])
    if request.change != wire.AGENT_CHANGE_DRAIN and (request.mode or request.HasField("time_limit")):
        field = "mode" if request.mode else "time_limit"
        raise InvalidArgument(f"{field}: belongs to DRAIN only", fields=[(field, "belongs to DRAIN only")])
    return [
        convert_selector.checked(selector, field=f"selectors[{place}]")
        for place, selector in enumerate(request.selectors)
    ]


def drain_mode(mode: wire.DrainMode.ValueType) -> DrainMode:
    """How an ordered drain treats what has started."""
    return DrainMode(mode or DrainMode.FINISH)


def drain_limit(request: wire.ChangeAgentsRequest | wire.DrainAgentRequest) -> int:
    """How long an ordered drain may take, microseconds; 0 for any time. Raises InvalidArgument beyond a year."""
    limit = duration_micros(request.time_limit, field="time_limit")
    if limit > DRAIN_MICROS_MAX:
        reason = "must be at most 365 days"
        raise InvalidArgument(f"time_limit: {reason}", fields=[("time_limit", reason)])
    return limit
