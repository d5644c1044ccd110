"""Which task goes to which agent.

`plan` takes the tasks of a view in their order and gives each the agent that its needs choose, until no task is left
that an agent is free for. The work for each placement depends neither on the number of tasks nor of groups that wait,
and on the number of agents only by one bit each (see `capacity.py`).

- A task that nobody is free for never blocks the ones behind it: its needs are parked, and cost nothing until an agent
  that may run it becomes ready.
- One strategy is known here, the central queue with late binding: `Needs.choose` gives an agent work only up to its
  free slots, never into its own queue. A further strategy is a further such function, chosen by the queue's policy.
"""

from __future__ import annotations

from services.domain.capacity import AgentRecord
from services.domain.commands import Placement
from services.domain.needs import Group, Needs
from services.domain.schedule_view import ScheduleView
from services.domain.task_order import Waiting

# What one message may carry by the contract, and so what one call decides.
PLACEMENTS_MAX = 500


def plan(view: ScheduleView, now: int, *, placements_max: int = PLACEMENTS_MAX) -> list[Placement]:
    """Decide the next placements, in the order of the decisions, and reserve what they take.

    Fewer than `placements_max` means that nothing is left to place until the view changes or its `next_time` comes.
    The same view, changed in the same ways, gives the same placements.
    """
    view.wake_due(now)
    placements: list[Placement] = []
    capacity = view.capacity
    while len(placements) < placements_max and capacity.ready:
        needs = view.backlog.line.first()
        if needs is None:
            break
        group = needs.line.first()
        assert group is not None, "needs stand in the line by their first group"
        waiting = group.tasks.first()
        assert waiting is not None, "a group stands in the line by its first task"
        record = _choose_avoiding(view, group, waiting, now) if waiting.task.avoid else needs.choose(capacity)
        if record is not None:
            placements.append(view.reserve(group, record))
        elif not needs.open & capacity.ready:
            view.backlog.park(needs)
    return placements


def _choose_avoiding(view: ScheduleView, group: Group, waiting: Waiting, now: int) -> AgentRecord | None:
    """Choose an agent that the task does not avoid; put the task aside if others than those are free."""
    active = [avoided for avoided in waiting.task.avoid if avoided.until_time > now and not avoided.if_others]
    needs = group.needs
    excluded = _bits_of(view, needs, [avoided.agent_id for avoided in active])
    record = needs.choose(view.capacity, excluded=excluded)
    if record is None and needs.open & view.capacity.ready:
        until_time = min(avoided.until_time for avoided in active)
        view.set_aside(group, frozenset(avoided.agent_id for avoided in active), until_time=until_time)
    return record


def _bits_of(view: ScheduleView, needs: Needs, agent_ids: list[str]) -> int:
    bits = 0
    for agent_id in agent_ids:
        record = view.capacity.by_key.get(f"{needs.namespace}/{agent_id}")
        if record is not None:
            bits |= record.bit
    return bits
