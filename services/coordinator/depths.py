"""How deep the queues are, as the contract tells it: by lane, by capability, by agent."""

from __future__ import annotations

from collections import Counter

from missioncontrol.v1 import routing_service_pb2 as wire

from services.domain.policy import QueuePolicy
from services.domain.task import TaskState
from services.store.depths import Depths
from services.store.limits import DEPTHS_AGENTS_MAX

LaneKey = tuple[str, int]  # queue, place of the lane


def depths_message(found: Depths) -> wire.GetDepthsResponse:
    """Depths for the wire."""
    return wire.GetDepthsResponse(
        lanes=lanes(found), capabilities=capabilities(found), agents=agents(found), position=str(found.position)
    )


def lanes(found: Depths) -> list[wire.LaneDepths]:
    """By queue and lane, the highest lane first: those in which there is a task."""
    pending: Counter[LaneKey] = Counter()
    leased: Counter[LaneKey] = Counter()
    running: Counter[LaneKey] = Counter()
    for waiting in found.pending:
        pending[lane_of(found, waiting.queue, waiting.priority)] += waiting.tasks
    for held in found.held:
        counts = running if held.state == TaskState.RUNNING else leased
        counts[lane_of(found, held.queue, held.priority)] += held.tasks
    return [
        wire.LaneDepths(
            queue=key[0],
            lane=lane_name(policy_of(found, key[0]), key[1]),
            pending=pending[key],
            leased=leased[key],
            running=running[key],
        )
        for key in sorted({*pending, *leased, *running})
    ]


def capabilities(found: Depths) -> list[wire.CapabilityDepths]:
    """By capability: what agents that take work have of it, and how many tasks require it."""
    pending: Counter[str] = Counter()
    agents_with: Counter[str] = Counter()
    slots: Counter[str] = Counter()
    used: Counter[str] = Counter()
    for waiting in found.pending:
        for capability in set(waiting.requirements.capabilities):
            pending[capability] += waiting.tasks
    for agent in found.agents:
        for capability in set(agent.declared.capabilities) if agent.accepting else ():
            agents_with[capability] += 1
            slots[capability] += agent.declared.slots
            used[capability] += min(agent.leases, agent.declared.slots)
    return [
        wire.CapabilityDepths(
            capability=name,
            agents=agents_with[name],
            slots=slots[name],
            slots_used=used[name],
            pending=pending[name],
        )
        for name in sorted({*pending, *agents_with})
    ]


def agents(found: Depths) -> list[wire.AgentDepths]:
    """By connected agent, the deepest first."""
    deepest = sorted(found.agents, key=lambda agent: (-agent.leases, agent.id))[:DEPTHS_AGENTS_MAX]
    return [
        wire.AgentDepths(
            agent_id=agent.id, slots=agent.declared.slots, running=agent.started, leased=agent.leases - agent.started
        )
        for agent in deepest
    ]


def lane_of(found: Depths, queue: str, priority: int) -> LaneKey:
    """The lane of a task."""
    return (queue, policy_of(found, queue).lane_of(priority))


def lane_name(policy: QueuePolicy, place: int) -> str:
    """The lane's name; empty if the queue has none."""
    return policy.lanes[place].name if policy.lanes else ""


def policy_of(found: Depths, queue: str) -> QueuePolicy:
    """The queue's policy."""
    known = found.queues.get(queue)
    return QueuePolicy() if known is None else known.policy
