"""What operators do with agents, and what an agent itself announces: cordon and drain.

A cordon says that nothing new comes; an ordered drain, that what is there ends, too. Each is taken off by itself. How
far a drain is follows from the row: it is done when nothing is held any more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from services.domain.agent import Agent, AgentState, DrainMode, DrainState, change
from services.domain.attempt_end import Ending, end_attempt
from services.domain.commands import AgentAction, AgentChanged, ChangeAgent, ChangeSelectedAgent, EnforceDrain
from services.domain.event import EventType
from services.domain.failure import AttemptOutcome
from services.domain.ledger import Ledger, Touches
from services.domain.limits import DRAIN_GRACE_MICROS
from services.domain.requirements import LabelSelector, selects
from services.domain.revoke import settle_absent

# (from, to) → the event of it, and what brings it about. What is not here does not happen.
DRAIN_TRANSITIONS: dict[tuple[DrainState, DrainState], tuple[EventType, str]] = {
    (DrainState.NONE, DrainState.DRAINING): (EventType.AGENT_DRAINING, "ordered"),
    (DrainState.DRAINING, DrainState.DRAINING): (EventType.AGENT_DRAINING, "ordered again, more strictly"),
    (DrainState.DRAINING, DrainState.DRAINED): (EventType.AGENT_DRAINED, "its last lease ended"),
    (DrainState.DRAINING, DrainState.NONE): (EventType.AGENT_RESUMED, "called off"),
    (DrainState.DRAINED, DrainState.NONE): (EventType.AGENT_RESUMED, "called off"),
}

Order = ChangeAgent | ChangeSelectedAgent
# The agent after one part of a change, and the event of it.
Step = tuple[Agent, EventType, str]


def touch_change_agent(command: Order, touches: Touches) -> None:
    """What the change of one agent reads."""
    touches.agents.add(command.agent)


def change_agent(ledger: Ledger, command: ChangeAgent) -> Agent:
    """Changes one agent. Returns it afterwards; what is so already records no event."""
    agent = ledger.agent(command.agent)
    if command.action is AgentAction.NOTICE and agent.session != command.session:
        return agent
    return record(ledger, agent, command)


def change_selected_agent(ledger: Ledger, command: ChangeSelectedAgent) -> AgentChanged | None:
    """Changes one agent, if it is one that is meant, as it is now."""
    agent = ledger.agents.get(command.agent)
    if agent is None or not is_selected(agent, command.selectors):
        return None
    after = record(ledger, agent, command)
    return AgentChanged(after, changed=after is not agent)


def is_selected(agent: Agent, selectors: Sequence[LabelSelector]) -> bool:
    """Whether the agent's labels meet all selectors."""
    return all(selects(selector, agent.declared.labels) for selector in selectors)


def record(ledger: Ledger, agent: Agent, order: Order) -> Agent:
    """Makes the change, with its events. Returns the very same agent if nothing changes."""
    for after, type_, message in steps(agent, order, ledger.now):
        ledger.put_agent(after, type_, message=message)
        agent = after
    return agent


def steps(agent: Agent, order: Order, now: int) -> list[Step]:
    """What the order would change, part by part; empty if it is so already."""
    taken: list[Step] = []
    for part in PARTS[order.action]:
        found = part(agent, order, now)
        taken += found
        agent = found[-1][0] if found else agent
    return taken


def cordon(agent: Agent, _order: Order, _now: int) -> list[Step]:
    """No new work."""
    return [] if agent.cordoned else [(change(agent, cordoned=True), EventType.AGENT_CORDONED, "")]


def uncordon(agent: Agent, _order: Order, _now: int) -> list[Step]:
    """New work again, as far as the cordon is concerned."""
    return [(change(agent, cordoned=False), EventType.AGENT_UNCORDONED, "")] if agent.cordoned else []


def drain(agent: Agent, order: Order, now: int) -> list[Step]:
    """Takes nothing new, and ends what it has. An order that is repeated makes nothing longer, as the agent sees it."""
    mode = max(agent.drain_mode, order.drain_mode or DrainMode.FINISH)
    deadlines = [agent.drain_time, deadline(order, now)]
    state = AgentState.DRAINING if agent.connected else agent.state
    after = change(agent, drain_mode=mode, drain_time=min(filter(None, deadlines), default=0), state=state)
    if agent.drain_state is DrainState.DRAINED or after == agent:
        return []
    message = "what has started is returned" if mode is DrainMode.RETURN else "what has started finishes"
    draining = (after, drain_event(agent.drain_state, DrainState.DRAINING), message)
    if after.drain_state is DrainState.DRAINING:
        return [draining]
    return [draining, (after, drain_event(DrainState.DRAINING, after.drain_state), "")]


def deadline(order: Order, now: int) -> int:
    """When an ordered drain has to be over; 0 for "whenever"."""
    if order.drain_mode is DrainMode.RETURN:
        return now
    return now + order.drain_limit_micros if order.drain_limit_micros else 0


def resume(agent: Agent, _order: Order, _now: int) -> list[Step]:
    """The ordered drain is over: new work again, unless it is cordoned.

    The row does not tell whether the agent leaves besides; whoever holds its stream knows, and says so again.
    """
    if agent.drain_state is DrainState.NONE:
        return []
    state = AgentState.READY if agent.state is AgentState.DRAINING else agent.state
    after = change(agent, drain_mode=DrainMode.NONE, drain_time=0, state=state)
    return [(after, drain_event(agent.drain_state, DrainState.NONE), "")]


def notice(agent: Agent, _order: Order, _now: int) -> list[Step]:
    """The agent itself wants to stop."""
    if agent.state is not AgentState.READY:
        return []
    return [(change(agent, state=AgentState.DRAINING), EventType.AGENT_DRAINING, "it leaves")]


def drain_event(before: DrainState, after: DrainState) -> EventType:
    """The event of an edge of the table."""
    return DRAIN_TRANSITIONS[(before, after)][0]


PARTS: dict[AgentAction, tuple[Callable[[Agent, Order, int], list[Step]], ...]] = {
    AgentAction.CORDON: (cordon,),
    AgentAction.UNCORDON: (uncordon,),
    AgentAction.DRAIN: (drain,),
    AgentAction.RESUME: (resume,),
    AgentAction.REOPEN: (resume, uncordon),
    AgentAction.NOTICE: (notice,),
}


def touch_enforce_drain(command: EnforceDrain, touches: Touches) -> None:
    """What the end of a drain's time reads: the agent and all that it holds."""
    touches.holders.add(command.agent)


def enforce_drain(ledger: Ledger, command: EnforceDrain) -> None:
    """Takes back what an agent holds that should have returned it. It burns nothing, as if the agent had obeyed."""
    agent = ledger.agents.get(command.agent)
    if agent is None or not agent.drain_time or agent.drain_time + DRAIN_GRACE_MICROS > ledger.now:
        return
    for task in ledger.leases_of(agent.key):
        ledger.revoke([task])
        end_attempt(ledger, task, Ending(outcome=AttemptOutcome.RETURNED, message="the drain's time was over"))
    settle_absent(ledger, ledger.agents[agent.key])
