"""Granting: the judge of every placement.

The scheduler's view may be late; this is where slots, resources, drain, pause and the task's state are checked again,
on what the transaction itself has read.
"""

from __future__ import annotations

from services.domain.agent import Agent, AgentKey, fits, hold
from services.domain.commands import GrantLeases, Placement, PlacementOutcome
from services.domain.event import EventType
from services.domain.ledger import Granted, Ledger, Touches
from services.domain.requirements import AgentProfile, mismatch
from services.domain.task import Task, TaskState, advance


def touch_grant(command: GrantLeases, touches: Touches) -> None:
    """What a grant reads: tasks and agents; the queues follow from the tasks."""
    touches.agents.update(command.agents)
    touches.task_ids.update(placement.task_id for placement in command.placements)


def grant_leases(ledger: Ledger, command: GrantLeases) -> list[PlacementOutcome]:
    """Grants each placement that still holds. Returns an outcome for each, in order."""
    eligible: dict[tuple[str, str, AgentKey], bool] = {}
    return [grant_lease(ledger, placement, eligible) for placement in command.placements]


def grant_lease(
    ledger: Ledger, placement: Placement, eligible: dict[tuple[str, str, AgentKey], bool]
) -> PlacementOutcome:
    """Grants one placement. `eligible` remembers, for this flush, which agents meet which needs."""
    task = ledger.tasks.get(placement.task_id)
    if task is None:
        return PlacementOutcome.NOT_VISIBLE
    agent = ledger.agents.get((task.namespace, placement.agent_id))
    refusal = task_refusal(ledger, task) or agent_refusal(agent, placement)
    if refusal is not None or agent is None:
        return refusal or PlacementOutcome.AGENT_GONE
    if not is_eligible(ledger, task, agent, eligible):
        return PlacementOutcome.INELIGIBLE
    demand = ledger.demand(task)
    # Two who decide at the same time may mean the same slot. The second waits for any free slot, not behind the first.
    early = ledger.queue((task.namespace, task.queue)).policy.strategy.binds_early
    if agent.room(early=early) < 1 or not fits(agent, demand):
        return PlacementOutcome.AGENT_FULL
    ledger.put_agent(hold(agent, demand))
    lease(ledger, task, agent)
    return PlacementOutcome.GRANTED


def task_refusal(ledger: Ledger, task: Task) -> PlacementOutcome | None:
    """Why this task, as it is now, is not leased to anybody; None if it may be."""
    if task.state is not TaskState.PENDING:
        return PlacementOutcome.TASK_GONE
    if not ledger.queue((task.namespace, task.queue)).grants:
        return PlacementOutcome.QUEUE_PAUSED
    return None


def agent_refusal(agent: Agent | None, placement: Placement) -> PlacementOutcome | None:
    """Why this agent, as it is now, gets nothing at all; None if it may."""
    if agent is None or agent.session != placement.session or not agent.connected:
        return PlacementOutcome.AGENT_GONE
    if not agent.accepting:
        return PlacementOutcome.AGENT_NOT_ACCEPTING
    return None


def is_eligible(ledger: Ledger, task: Task, agent: Agent, known: dict[tuple[str, str, AgentKey], bool]) -> bool:
    """Whether the agent meets the task's hard requirements, and the task does not avoid it.

    Whether there are others, for an agent that is avoided only then, is the scheduler's to know.
    """
    if task.avoid and any(a.agent_id == agent.id and a.until_time > ledger.now for a in task.avoid if not a.if_others):
        return False
    key = (task.needs_id, task.queue, agent.key)
    answer = known.get(key)
    if answer is None:
        requirements = ledger.requirements[task.needs_id]
        found = mismatch(profile_of(agent), task.kind, queue=task.queue, requirements=requirements)
        answer = known[key] = found is None
    return answer


def profile_of(agent: Agent) -> AgentProfile:
    """What the hard filters ask of an agent."""
    declared = agent.declared
    return AgentProfile(
        kinds=frozenset(declared.kinds),
        queues=frozenset(declared.queues),
        capabilities=frozenset(declared.capabilities),
        labels=declared.labels,
        resources=declared.resources,
    )


def lease(ledger: Ledger, task: Task, agent: Agent) -> None:
    """Makes the lease: the token rises, the task is in the agent's own queue."""
    leased = advance(
        task, TaskState.LEASED, token=task.token + 1, agent_id=agent.id, grant_time=ledger.now, start_time=0
    )
    ledger.put_task(task, leased, EventType.TASK_LEASED)
    ledger.granted.append(Granted(leased, agent.session, lease_ttl(ledger, leased)))


def lease_ttl(ledger: Ledger, task: Task) -> int:
    """Time to live of a lease, microseconds: the queue's, or the default."""
    return ledger.queue((task.namespace, task.queue)).policy.lease_ttl_micros or ledger.rules.lease_ttl_micros
