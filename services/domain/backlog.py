"""The tasks that wait, by needs, and whose turn it is.

Needs stand in one line, in the order of their first tasks, unless their queue is closed or they are parked: then nobody
was free for them, and only an agent that becomes ready wakes them. Tasks that avoid every agent that was free are put
aside without holding up the others. Who the agents are and what became of placements is in `schedule_view.py`.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from services.domain.capacity import AgentRecord
from services.domain.needs import Group, Needs, QueueGate
from services.domain.schedule import QueueRule, TaskGroup
from services.domain.task_order import Line, Order, Place, TaskOrder, Waiting


class Backlog:
    """Groups, needs and queues. A waiting task is in its group's order or aside; anything else is the view's matter."""

    def __init__(self) -> None:
        self.groups: dict[int, Group] = {}
        # Needs whose turn will come, in order.
        self.line: Line[Needs] = Line()
        self.needs: dict[int, Needs] = {}
        self._needs_by_name: dict[tuple[str, str, str], Needs] = {}
        self._vacant_needs: list[int] = []
        # Needs that a newly ready agent may wake, one bit each: parked ones, and ones with tasks aside.
        self._sleeping = 0
        self._gates: dict[tuple[str, str], QueueGate] = {}
        # Needs that may have waiting tasks, for `unplaceable.py`, which takes them from the front.
        self.unexplained: dict[Needs, None] = {}

    def put_queue(self, rule: QueueRule) -> None:
        gate = self._gate(rule.namespace, rule.name)
        gate.paused = rule.paused
        gate.refused = False
        self.relist_queue(gate)

    def _gate(self, namespace: str, queue: str) -> QueueGate:
        return self._gates.setdefault((namespace, queue), QueueGate())

    def relist_queue(self, gate: QueueGate) -> None:
        for needs in gate.needs.values():
            self._relist_needs(needs)

    def put_group(self, group: TaskGroup) -> None:
        known = self.groups.get(group.id)
        if known is not None:
            known.unsent = group.unsent
            known.retired = False
            return
        needs = self._needs_of(group)
        self.groups[group.id] = needs.groups[group.id] = Group(group, needs)

    def _needs_of(self, group: TaskGroup) -> Needs:
        name = (group.namespace, group.queue, group.needs_id)
        needs = self._needs_by_name.get(name)
        if needs is not None:
            return needs
        index = heapq.heappop(self._vacant_needs) if self._vacant_needs else len(self.needs)
        needs = Needs(group, index=index, gate=self._gate(group.namespace, group.queue))
        self._needs_by_name[name] = self.needs[index] = needs.gate.needs[index] = needs
        for record in self.capacity.by_key.values():
            needs.admit(record)
        return needs

    def remove_group(self, group_id: int) -> None:
        group = self.groups.get(group_id)
        if group is not None:
            group.retired = True
            self.drop_if_over(group)

    def drop_if_over(self, group: Group) -> None:
        if not group.retired or group.size:
            return
        needs = group.needs
        del self.groups[group.id]
        del needs.groups[group.id]
        if needs.groups:
            return
        for record in self.capacity.by_key.values():
            if needs.eligible & record.bit:
                record.needs_bits ^= needs.bit
            if needs.index in record.shut_by:
                record.shut_by.remove(needs.index)
        self._forget_needs(needs)

    def _forget_needs(self, needs: Needs) -> None:
        self.line.put(needs, None)
        self._sleeping &= ~needs.bit
        self.unexplained.pop(needs, None)
        del self.needs[needs.index], needs.gate.needs[needs.index], self._needs_by_name[needs.name]
        heapq.heappush(self._vacant_needs, needs.index)
        if not needs.gate.needs and not needs.gate.closed:
            self._gates.pop((needs.namespace, needs.queue), None)

    def relist(self, group: Group) -> None:
        """Put a group whose first task changed where it belongs, and its needs."""
        waiting = group.tasks.first()
        order: Order | None = None
        if waiting is not None:
            order = (-group.priority, waiting.task.queued_time, waiting.number)
        group.needs.line.put(group, order)
        self._relist_needs(group.needs)

    def _relist_needs(self, needs: Needs) -> None:
        group = None if needs.parked or needs.gate.closed else needs.line.first()
        self.line.put(needs, None if group is None else group.listed)

    def park(self, needs: Needs) -> None:
        """Take needs out of the line until an agent that is open to them becomes ready."""
        needs.parked = True
        self._sleeping |= needs.bit
        self.line.put(needs, None)

    def set_aside(self, group: Group, avoided: frozenset[str]) -> Waiting:
        """Put the group's first task aside: every agent that is free for it is one that it avoids until then."""
        needs = group.needs
        waiting = group.tasks.pop()
        order = needs.asides.setdefault(avoided, TaskOrder(Place.ASIDE))
        order.push(waiting)
        self._sleeping |= needs.bit
        self.relist(group)

    def requeue(self, waiting: Waiting, group: Group) -> None:
        """Put a task back where it was in the order."""
        group.tasks.push(waiting)
        self.relist(group)

    def requeue_from_wait(self, waiting: Waiting) -> None:
        if waiting.place not in (Place.ASIDE, Place.DELAYED):
            return
        group = self.groups[waiting.task.group_id]
        self.requeue(waiting, group)
        self._drop_empty_asides(group.needs)

    def _drop_empty_asides(self, needs: Needs) -> None:
        for avoided in [avoided for avoided, order in needs.asides.items() if order.first() is None]:
            del needs.asides[avoided]
        if not needs.asides and not needs.parked:
            self._sleeping &= ~needs.bit

    def wake(self, record: AgentRecord, needs_bits: int) -> None:
        bits = needs_bits & self._sleeping
        while bits:
            needs = self.needs[bits.bit_length() - 1]
            bits ^= needs.bit
            if needs.open & record.bit:
                self._wake_needs(needs, record)

    def _wake_needs(self, needs: Needs, record: AgentRecord) -> None:
        for avoided, order in needs.asides.items():
            if record.agent.agent_id not in avoided:
                self._release_asides(order, record.slots_free)
        needs.parked = False
        self._drop_empty_asides(needs)
        self._relist_needs(needs)

    def _release_asides(self, order: TaskOrder, tasks_max: int) -> None:
        for _ in range(tasks_max):
            if order.first() is None:
                return
            waiting = order.pop()
            self.requeue(waiting, self.groups[waiting.task.group_id])
