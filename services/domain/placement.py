"""Which task goes to which agent.

`plan` takes the tasks of a view in their turn and gives each the agent that its needs choose, until no task is left
that an agent is free for. The work for each placement depends neither on the number of tasks nor of groups that wait,
and on the number of agents only by one bit each (see `capacity.py`).

The parts compose in one order: whose turn it is (lanes, fairness, limits: `turns.py`), what the task requires
(`needs.py`) and what is kept for others (`pools.py`), what suits it best (here), the queue's strategy (`choice.py`).
A task that nobody is free for never blocks the ones behind it: its needs are parked, and cost nothing until an agent
that may run it gets room; one that waits for certain agents is put aside.
"""

from __future__ import annotations

from collections.abc import Iterable

from services.domain.capacity import CLOSED, AgentRecord
from services.domain.commands import Placement
from services.domain.needs import Needs
from services.domain.policy import Affinity, AffinityWait
from services.domain.schedule_view import ScheduleView
from services.domain.task import Avoided
from services.domain.task_order import Waiting
from services.domain.turns import Group

# What one message may carry by the contract, and so what one call decides.
PLACEMENTS_MAX = 500
# A task that waits for a warm agent however long it takes looks again after so long whether there still is one.
WARM_LOOK_MICROS = 30_000_000


def plan(view: ScheduleView, now: int, *, placements_max: int = PLACEMENTS_MAX) -> list[Placement]:
    """Decide the next placements, in the order of the decisions, and reserve what they take.

    Fewer than `placements_max` means that nothing is left to place until the view changes or its `next_time` comes.
    The same view, changed in the same ways, gives the same placements.
    """
    view.wake_due(now)
    placements: list[Placement] = []
    capacity, backlog = view.capacity, view.backlog
    while len(placements) < placements_max and capacity.roomy:
        turn = backlog.line.next(now)
        if turn is None:
            if backlog.pools.exist and backlog.wake_borrowers():
                continue
            break
        needs, group = turn
        waiting = group.tasks.first()
        assert waiting is not None, "a group stands in the line by its first task"
        task = waiting.task
        if task.avoid or task.affinity_key or needs.suited:
            record = _choose_for(view, group, waiting, now)
        else:
            record = view.chooser.choose(needs)
        if record is not None:
            placements.append(view.reserve(group, record, now))
        elif not needs.free(capacity):
            backlog.park(needs)
    return placements


def _choose_for(view: ScheduleView, group: Group, waiting: Waiting, now: int) -> AgentRecord | None:
    """Choose an agent for a task that does not take just any; put it aside if it waits for another than is free."""
    needs = group.needs
    active = [avoided for avoided in waiting.task.avoid if avoided.until_time > now]
    shunned = shunned_by(view, needs, active) if active else 0
    key, suited = best_for(view, needs, waiting.task.affinity_key, now)
    best = suited & ~shunned
    record = view.chooser.choose(needs, within=best) if best else None
    if record is not None or not needs.free(view.capacity):
        return record
    if best & ~view.capacity.bands[CLOSED] and _waits_for_best(view, group, waiting, key, now):
        return None
    record = view.chooser.choose(needs, within=~shunned)
    if record is None and active and needs.free(view.capacity):
        until_time = min(avoided.until_time for avoided in active)
        view.set_aside(group, frozenset(avoided.agent_id for avoided in active), until_time=until_time)
    return record


def shunned_by(view: ScheduleView, needs: Needs, active: list[Avoided]) -> int:
    """The agents that a task must not go to now; those that failed it only while another could run it."""
    bits = {avoided.agent_id: _bit_of(view, needs, avoided.agent_id) for avoided in active}
    lost = _union(bits[avoided.agent_id] for avoided in active if not avoided.if_others)
    every = _union(bits.values())
    others = needs.eligible & ~view.capacity.bands[CLOSED] & ~every
    return every if others else lost


def _bit_of(view: ScheduleView, needs: Needs, agent_id: str) -> int:
    record = view.capacity.by_key.get(f"{needs.namespace}/{agent_id}")
    return 0 if record is None else record.bit


def _union(sets: Iterable[int]) -> int:
    """The union of sets of agents."""
    bits = 0
    for each in sets:
        bits |= each
    return bits


def best_for(view: ScheduleView, needs: Needs, key: str, now: int) -> tuple[str, int]:
    """The agents that suit a task best: warm for its key, or else, under the key "", those that the selectors find."""
    if key:
        since = now - needs.gate.policy.affinity.warm_micros
        warm = view.roster.warm.bits(needs.namespace, key, since=since) & needs.eligible
        if warm:
            return key, warm
    return "", needs.suited


def _waits_for_best(view: ScheduleView, group: Group, waiting: Waiting, key: str, now: int) -> bool:
    """Whether a task waits for an agent that suits it best, by this key, although another is free; aside then."""
    until_time = wait_until(group.needs.gate.policy.affinity, waiting.task.queued_time, now)
    if now >= until_time:
        return False
    view.wait_for_warm(group, key, until_time=until_time)
    return True


def wait_until(affinity: Affinity, queued_time: int, now: int) -> int:
    """Until when a task waits for an agent that suits it best although another is free; not after now: not at all."""
    match affinity.mode:
        case AffinityWait.NEVER:
            return now
        case AffinityWait.BOUNDED:
            return queued_time + affinity.wait_micros
        case AffinityWait.ALWAYS:
            return now + WARM_LOOK_MICROS
