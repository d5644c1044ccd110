"""Taking work back that was bound early: an agent has come, and others have tasks in their own queues.

Only what has not started is recalled, as much as the new agent has free slots, from the deepest queues first. The tasks
become ready again with their first queued times, and are placed like any others.
"""

from __future__ import annotations

import heapq

from services.domain.capacity import LEVELS, AgentRecord
from services.domain.schedule import Recall
from services.domain.schedule_view import ScheduleView
from services.domain.turns import QueueGate


def rebalance(view: ScheduleView) -> list[Recall]:
    """Return what to recall for the agents that came since the last call. Call it when nothing is left to place."""
    arrivals = [record for record in view.roster.arrivals if 0 <= record.band < LEVELS]
    view.roster.arrivals.clear()
    recalls: list[Recall] = []
    for gate in list(view.backlog.gates.values()) if arrivals else ():
        if gate.policy.strategy.binds_early:
            recalls += _recalls(view, gate, arrivals)
    return recalls


def _recalls(view: ScheduleView, gate: QueueGate, arrivals: list[AgentRecord]) -> list[Recall]:
    eligible = 0
    for needs in gate.needs.values():
        eligible |= needs.eligible
    wanted = sum(record.slots_free for record in arrivals if record.bit & eligible)
    deepest = [
        (-depth, record.agent.key, record)
        for record in view.capacity.by_key.values()
        if record not in arrivals and (depth := _queued(record, gate))
    ]
    heapq.heapify(deepest)
    counts: dict[AgentRecord, int] = {}
    while wanted > 0 and deepest:
        depth, key, record = deepest[0]
        counts[record] = counts.get(record, 0) + 1
        wanted -= 1
        if depth < -1:
            heapq.heapreplace(deepest, (depth + 1, key, record))
        else:
            heapq.heappop(deepest)
    return [
        Recall(gate.namespace, record.agent.agent_id, record.agent.session, gate.queue, count, record.source)
        for record, count in counts.items()
    ]


def _queued(record: AgentRecord, gate: QueueGate) -> int:
    """About how many leases of a queue an agent has that have not started: which ones have is not told."""
    agent = record.agent
    if agent.namespace != gate.namespace:
        return 0
    leases = sum(load.leases for load in agent.loads if load.queue == gate.queue)
    return max(0, min(leases, agent.leases - agent.started))
