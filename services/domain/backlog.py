"""The tasks that wait, by needs, and whose turn it is.

Needs stand in one line, in the order of their first tasks, unless their queue is closed or they are parked: then nobody
was free for them, and only an agent that becomes ready wakes them. Tasks that avoid every agent that was free are put
aside without holding up the others. Who the agents are and what became of placements is in `schedule_view.py`.
"""

from __future__ import annotations

import heapq

from services.domain.capacity import AgentRecord, Capacity
from services.domain.needs import Group, Needs, QueueGate
from services.domain.schedule import QueueRule, TaskGroup
from services.domain.task_order import Line, Order, Place, TaskOrder, Waiting


class Backlog:
    """Groups, needs and queues. A waiting task is in its group's order or aside; anything else is the view's matter."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self.groups: dict[int, Group] = {}
        # The same by the stream that told of them, oldest first.
        self.groups_of: dict[int, dict[int, Group]] = {}
        # Needs whose turn will come, in order.
        self.line: Line[Needs] = Line()
        self.needs: dict[int, Needs] = {}
        self._needs_by_name: dict[tuple[str, str, str], Needs] = {}
        self._vacant_needs: list[int] = []
        # Needs that are parked, and those with tasks aside, one bit each: agents know theirs by the same bits.
        self._parked = 0
        self._with_asides = 0
        self._gates: dict[tuple[str, str], QueueGate] = {}
        # Needs that may have waiting tasks, for `unplaceable.py`, which takes them from the front.
        self.unexplained: dict[Needs, None] = {}

    def put_queue(self, rule: QueueRule) -> None:
        """Learn what a coordinator says of a queue. Another may have told a newer version already."""
        gate = self._gate(rule.namespace, rule.name)
        if 0 < rule.version < gate.version:
            return
        gate.version = rule.version
        gate.paused = rule.paused
        gate.refused = False
        self.relist_queue(gate)

    def _gate(self, namespace: str, queue: str) -> QueueGate:
        return self._gates.setdefault((namespace, queue), QueueGate())

    def relist_queue(self, gate: QueueGate) -> None:
        """Put the needs of a queue that opened or closed where they belong."""
        for needs in gate.needs.values():
            self._relist_needs(needs)

    def put_group(self, group: TaskGroup) -> None:
        """Learn of a group, or how many more of it wait at the coordinator."""
        known = self.groups.get(group.id)
        if known is None:
            needs = self._needs_of(group)
            known = self.groups[group.id] = needs.groups[group.id] = Group(group, needs)
            self.groups_of.setdefault(known.source, {})[group.id] = known
        known.unsent = group.unsent
        known.retired = False
        if known.unsent:
            self.unexplained.setdefault(known.needs)

    def _needs_of(self, group: TaskGroup) -> Needs:
        name = (group.namespace, group.queue, group.needs_id)
        needs = self._needs_by_name.get(name)
        if needs is not None:
            return needs
        index = heapq.heappop(self._vacant_needs) if self._vacant_needs else len(self.needs)
        needs = Needs(group, index=index, gate=self._gate(group.namespace, group.queue))
        self._needs_by_name[name] = self.needs[index] = needs.gate.needs[index] = needs
        for record in self._capacity.by_key.values():
            needs.admit(record)
        return needs

    def remove_group(self, group_id: int) -> None:
        """Forget a group, as soon as no task of it is left."""
        group = self.groups.get(group_id)
        if group is not None:
            group.retired = True
            self.drop_if_over(group)

    def remove_groups_of(self, source: int) -> None:
        """Forget the groups of a stream that is over. Its tasks have left their places already."""
        for group in list(self.groups_of.get(source, {}).values()):
            group.retired = True
            group.size = 0
            self._drop_empty_asides(group.needs)
            self.drop_if_over(group)

    def drop_if_over(self, group: Group) -> None:
        """Forget a retired group without tasks, and its needs if it was their last."""
        if not group.retired or group.size:
            return
        needs = group.needs
        needs.line.put(group, None)
        self._relist_needs(needs)
        del self.groups[group.id], needs.groups[group.id]
        siblings = self.groups_of[group.source]
        del siblings[group.id]
        if not siblings:
            del self.groups_of[group.source]
        if needs.groups:
            return
        for record in self._capacity.by_key.values():
            if needs.eligible & record.bit:
                record.needs_bits ^= needs.bit
            if needs.index in record.shut_by:
                record.shut_by.remove(needs.index)
        self._forget_needs(needs)

    def _forget_needs(self, needs: Needs) -> None:
        self.line.put(needs, None)
        self._parked &= ~needs.bit
        self._with_asides &= ~needs.bit
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
        self._parked |= needs.bit
        self.line.put(needs, None)

    def set_aside(self, group: Group, avoided: frozenset[str]) -> Waiting:
        """Put the group's first task aside: every agent that is free for it is one that it avoids until then."""
        needs = group.needs
        waiting = group.tasks.pop()
        order = needs.asides.setdefault(avoided, TaskOrder(Place.ASIDE))
        order.push(waiting)
        self._with_asides |= needs.bit
        self.relist(group)
        return waiting

    def requeue(self, waiting: Waiting, group: Group) -> None:
        """Put a task back where it was in the order."""
        group.tasks.push(waiting)
        self.relist(group)

    def requeue_from_wait(self, waiting: Waiting) -> None:
        """Put a task that was aside or delayed back where it was in the order."""
        if waiting.place not in (Place.ASIDE, Place.DELAYED):
            return
        group = self.groups[waiting.task.group_id]
        self.requeue(waiting, group)
        self._drop_empty_asides(group.needs)

    def _drop_empty_asides(self, needs: Needs) -> None:
        for avoided in [avoided for avoided, order in needs.asides.items() if order.first() is None]:
            del needs.asides[avoided]
        if not needs.asides:
            self._with_asides &= ~needs.bit

    def wake(self, record: AgentRecord, *, opened: int) -> None:
        """Let an agent with a free slot be considered.

        `opened` are the needs for which it is newly so. Tasks aside are woken whenever it changed: no more than it has
        free slots are let out at a time, so that a slot is not paid for with all of them.
        """
        bits = opened & self._parked
        while bits:
            needs = self.needs[bits.bit_length() - 1]
            bits ^= needs.bit
            if needs.open & record.bit:
                self._unpark(needs)
        bits = record.needs_bits & self._with_asides
        while bits:
            needs = self.needs[bits.bit_length() - 1]
            bits ^= needs.bit
            if needs.open & record.bit:
                self._release_asides(needs, record)

    def _unpark(self, needs: Needs) -> None:
        needs.parked = False
        self._parked ^= needs.bit
        self._relist_needs(needs)

    def _release_asides(self, needs: Needs, record: AgentRecord) -> None:
        for avoided, order in needs.asides.items():
            if record.agent.agent_id not in avoided:
                for _ in range(record.slots_free):
                    if order.first() is None:
                        break
                    waiting = order.pop()
                    self.requeue(waiting, self.groups[waiting.task.group_id])
        self._drop_empty_asides(needs)
