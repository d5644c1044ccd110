"""The tasks that wait, by needs, and whose turn it is.

Needs, and queues that choose among their own, stand in one line, in the order of their first tasks, unless their queue
is closed or they are parked: then nobody was free for them, and only an agent that gets room wakes them. Tasks that
wait for certain agents are put aside without holding up the others. Who the agents are is in `roster.py`, what became
of placements in `schedule_view.py`.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from services.domain.capacity import AgentRecord, Capacity
from services.domain.needs import Needs
from services.domain.pools import Pools
from services.domain.schedule import QueueRule, TaskGroup
from services.domain.task_order import Place, TaskOrder, Waiting
from services.domain.turns import Group, KeyTurn, QueueGate, Share
from services.domain.waiting_line import WaitingLine

# Orders of tasks that wait for warm agents are swept when there are so many, and again with each doubling.
KEYS_SWEPT_MIN = 64


class Backlog:
    """Groups, needs and queues. A waiting task is in its group's order or aside; anything else is the view's matter."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self.pools = Pools(capacity)
        self.groups: dict[int, Group] = {}
        # The same by the stream that told of them, oldest first.
        self.groups_of: dict[int, dict[int, Group]] = {}
        # Whose turn will come, in order: needs, and queues that choose among theirs.
        self.line = WaitingLine()
        self.needs: dict[int, Needs] = {}
        self._needs_by_name: dict[tuple[str, str, int, str], Needs] = {}
        self._vacant_needs: list[int] = []
        # Needs that are parked, and those with tasks aside, one bit each: agents know theirs by the same bits.
        self._parked = 0
        self._with_asides = 0
        self.gates: dict[tuple[str, str], QueueGate] = {}
        # Needs that may have waiting tasks, for `unplaceable.py`, which takes them from the front.
        self.unexplained: dict[Needs, None] = {}

    # Queues.

    def put_queue(self, rule: QueueRule) -> bool:
        """Learn what a coordinator says of a queue. Another may have told a newer version already.

        Whether its policy is another one than before.
        """
        gate = self.gate(rule.namespace, rule.name)
        if 0 < rule.version < gate.version:
            return False
        gate.version = rule.version
        gate.paused = rule.paused
        gate.refused = False
        changed = rule.policy != gate.policy
        if changed:
            self._configure(gate, rule)
        self.line.relist_queue(gate)
        return changed

    def _configure(self, gate: QueueGate, rule: QueueRule) -> None:
        """Put everything of a queue in its place under another policy."""
        groups = [group for needs in gate.needs.values() for group in needs.groups.values()]
        for needs in list(gate.needs.values()):
            self._empty_asides(needs)
            self._forget_needs(needs, last=False)
        self.line.drop_queue(gate)
        gate.configure(rule.policy)
        self.pools.configure(gate)
        for needs in self.needs.values():
            if needs.namespace == gate.namespace:
                needs.foreign = self.pools.foreign_to(needs)
        for group in groups:
            self._place_group(group)
            self.relist(group)

    def gate(self, namespace: str, queue: str) -> QueueGate:
        """Return the queue; one that nobody told of has the default policy."""
        key = (namespace, queue)
        gate = self.gates.get(key)
        if gate is None:
            gate = self.gates[key] = QueueGate(namespace, queue)
        return gate

    # Groups and needs.

    def put_group(self, group: TaskGroup) -> None:
        """Learn of a group, or how many more of it wait at the coordinator."""
        known = self.groups.get(group.id)
        if known is None:
            known = self.groups[group.id] = Group(group, self._needs_of(group))
            self._place_group(known)
            self.groups_of.setdefault(known.source, {})[group.id] = known
        known.unsent = group.unsent
        known.retired = False
        if known.unsent:
            self.unexplained.setdefault(known.needs)

    def _place_group(self, group: Group) -> None:
        needs = group.needs = self._needs_of(group.told)
        needs.groups[group.id] = group
        group.listed = group.age.listed = None
        group.share = None
        if needs.gate.by_key:
            key = group.fairness_key
            share = needs.shares.get(key)
            if share is None:
                turns = needs.gate.lanes[needs.lane_place].turns
                turn = turns.get(key)
                if turn is None:
                    turn = turns[key] = KeyTurn(key, limited=needs.gate.at_key_limit(key))
                share = needs.shares[key] = Share(key, needs, turn)
                turn.shares[share] = None
            share.groups[group.id] = group
            group.share = share
        if group.size or group.unsent:
            self.unexplained.setdefault(needs)

    def _needs_of(self, group: TaskGroup) -> Needs:
        gate = self.gate(group.namespace, group.queue)
        place = gate.policy.lane_of(group.priority)
        name = (group.namespace, group.queue, place, group.needs_id)
        needs = self._needs_by_name.get(name)
        if needs is not None:
            return needs
        index = heapq.heappop(self._vacant_needs) if self._vacant_needs else len(self.needs)
        needs = Needs(group, index=index, gate=gate, lane_place=place)
        self._needs_by_name[name] = self.needs[index] = needs.gate.needs[index] = needs
        needs.foreign = self.pools.foreign_to(needs)
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
        self.line.drop(group)
        needs = group.needs
        del self.groups[group.id], needs.groups[group.id]
        self._leave_share(group)
        siblings = self.groups_of[group.source]
        del siblings[group.id]
        if not siblings:
            del self.groups_of[group.source]
        if not needs.groups:
            self._forget_needs(needs, last=True)

    def _leave_share(self, group: Group) -> None:
        share = group.share
        if share is None:
            return
        del share.groups[group.id]
        if not share.groups:
            needs = share.needs
            del needs.shares[share.key]
            needs.hidden.pop(share, None)
            del share.turn.shares[share]
            if not share.turn.shares:
                del needs.gate.lanes[needs.lane_place].turns[share.key]

    def _forget_needs(self, needs: Needs, *, last: bool) -> None:
        """Forget needs; with `last`, the queue, too, if these were its last and nothing is known of it."""
        for record in self._capacity.records_of(needs.eligible):
            record.needs_bits ^= needs.bit
        for number in needs.shut:
            self._capacity.record_at(number).shut_by.remove(needs.index)
        self.line.drop_needs(needs)
        self._parked &= ~needs.bit
        self._with_asides &= ~needs.bit
        self.unexplained.pop(needs, None)
        gate = needs.gate
        del self.needs[needs.index], gate.needs[needs.index], self._needs_by_name[needs.name]
        heapq.heappush(self._vacant_needs, needs.index)
        if last and not gate.needs:
            self.line.drop_queue(gate)
            if not gate.version and not gate.closed:
                self.gates.pop((gate.namespace, gate.queue), None)

    # Whose turn it is.

    def relist(self, group: Group) -> None:
        """Put a group whose first task changed where it belongs."""
        self.line.relist(group)

    def park(self, needs: Needs) -> None:
        """Take needs out of the line until an agent that is open to them gets room.

        What a pool keeps just now, since a task of its own waits, is to be offered to them when none waits any more.
        """
        for pool in needs.foreign:
            if pool.wanted:
                pool.lent_to = 0
        self._parked |= needs.bit
        self.line.set_parked(needs, parked=True)

    def _unpark(self, needs: Needs) -> None:
        self._parked ^= needs.bit
        self.line.set_parked(needs, parked=False)

    # Tasks that wait for certain agents.

    def set_aside(self, group: Group, avoided: frozenset[str]) -> Waiting:
        """Put the group's first task aside: every agent that is free for it is one that it avoids until then."""
        return self._put_aside(group, group.needs.asides.setdefault(avoided, TaskOrder(Place.ASIDE)))

    def wait_for_warm(self, group: Group, key: str) -> Waiting:
        """Put the group's first task aside until an agent that is warm for the key is free; "": one that suits."""
        waits = group.needs.warm_asides
        if key not in waits and len(waits) >= KEYS_SWEPT_MIN and not len(waits) & (len(waits) - 1):
            self._drop_empty_asides(group.needs)  # tasks that were cancelled leave empty orders behind
        return self._put_aside(group, waits.setdefault(key, TaskOrder(Place.ASIDE)))

    def _put_aside(self, group: Group, order: TaskOrder) -> Waiting:
        waiting = group.tasks.pop()
        order.push(waiting)
        self._with_asides |= group.needs.bit
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
        self._drop_emptied(group.needs, (waiting.task.affinity_key, ""))

    def _empty_asides(self, needs: Needs) -> None:
        """Put every task aside back."""
        for order in (*needs.asides.values(), *needs.warm_asides.values()):
            while order.first() is not None:
                waiting = order.pop()
                self.requeue(waiting, self.groups[waiting.task.group_id])
        self._drop_empty_asides(needs)

    def _drop_empty_asides(self, needs: Needs) -> None:
        self._drop_emptied(needs, list(needs.warm_asides))

    def _drop_emptied(self, needs: Needs, keys: Iterable[str]) -> None:
        """Forget what is left of tasks that avoided or waited for agents, where these keys are not waited for now."""
        for avoided in [avoided for avoided, order in needs.asides.items() if order.first() is None]:
            del needs.asides[avoided]
        for key in keys:
            if key in needs.warm_asides and needs.warm_asides[key].first() is None:
                del needs.warm_asides[key]
        if not needs.asides and not needs.warm_asides:
            self._with_asides &= ~needs.bit

    # What wakes them.

    def wake(self, record: AgentRecord, *, opened: int) -> None:
        """Let an agent with room be considered.

        `opened` are the needs for which it is newly so. Tasks aside are woken whenever it changed: no more than it has
        free slots are let out at a time, so that a slot is not paid for with all of them.
        """
        bits = opened & self._parked
        while bits:
            needs = self.needs[bits.bit_length() - 1]
            bits ^= needs.bit
            if needs.room(self._capacity) & record.bit:
                self._unpark(needs)
        bits = record.needs_bits & self._with_asides
        while bits:
            needs = self.needs[bits.bit_length() - 1]
            bits ^= needs.bit
            if needs.room(self._capacity) & record.bit:
                self._release_asides(needs, record)

    def wake_all(self, namespace: str) -> None:
        """Let everything be considered in a namespace where agents were dealt out to pools anew."""
        for needs in list(self.needs.values()):
            if needs.parked and needs.namespace == namespace:
                self._unpark(needs)

    def wake_borrowers(self) -> bool:
        """Let tasks be considered that may borrow what is kept for others and idle now. Whether there are any."""
        woken = False
        for pool in self.pools.lending():
            bits = self._parked
            while bits:
                needs = self.needs[bits.bit_length() - 1]
                bits ^= needs.bit
                if pool in needs.foreign and pool.lends_to(needs) and needs.borrowed(self._capacity):
                    self._unpark(needs)
                    woken = True
        return woken

    def _release_asides(self, needs: Needs, record: AgentRecord) -> None:
        room = record.slots_free or 1
        for avoided, order in needs.asides.items():
            if record.agent.agent_id not in avoided:
                self._release(order, room)
        keys = (*record.agent.warm_keys, *([""] if needs.suited & record.bit else [])) if needs.warm_asides else ()
        for key in keys:
            if key in needs.warm_asides:
                self._release(needs.warm_asides[key], room)
        self._drop_emptied(needs, keys)

    def _release(self, order: TaskOrder, count: int) -> None:
        for _ in range(count):
            if order.first() is None:
                break
            waiting = order.pop()
            self.requeue(waiting, self.groups[waiting.task.group_id])
