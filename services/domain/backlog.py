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
from services.domain.task_order import Line, Order, Place, TaskOrder, Waiting
from services.domain.turns import Group, QueueGate, Share

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
        self.line: Line[Needs | QueueGate] = Line()
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
        self.relist_queue(gate)
        return changed

    def _configure(self, gate: QueueGate, rule: QueueRule) -> None:
        """Put everything of a queue in its place under another policy."""
        groups = [group for needs in gate.needs.values() for group in needs.groups.values()]
        for needs in list(gate.needs.values()):
            self._empty_asides(needs)
            self._forget_needs(needs, last=False)
        gate.shares.clear()
        self.line.put(gate, None)
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

    def relist_queue(self, gate: QueueGate) -> None:
        """Put a queue that opened or closed, or its needs, where they belong."""
        if gate.takes_turns:
            self._relist_gate(gate)
            return
        for needs in gate.needs.values():
            self._relist_needs(needs)

    def relist_key(self, gate: QueueGate, key: str) -> None:
        """Put the shares of a key whose leases went, or that is at its limit, where they belong.

        Where leases came it is enough to do so when a share's turn comes (`next`): until then it stands too early.
        """
        limited = gate.at_key_limit(key)
        ranks: dict[int, int] = {}
        for share in gate.shares.get(key, ()):
            place = share.needs.lane_place
            if place not in ranks:
                ranks[place] = gate.rank(gate.lanes[place], key)
            if _misplaced(share, ranks[place], limited=limited):
                self._relist_share(share)
                self._relist_needs(share.needs)

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
                share = needs.shares[key] = Share(key, needs)
                needs.gate.shares.setdefault(key, {})[share] = None
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
        self._list_group(group, None)
        needs = group.needs
        self._relist_needs(needs)
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
            needs.line.put(share, None)
            del needs.shares[share.key]
            known = needs.gate.shares[share.key]
            del known[share]
            if not known:
                del needs.gate.shares[share.key]

    def _forget_needs(self, needs: Needs, *, last: bool) -> None:
        """Forget needs; with `last`, the queue, too, if these were its last and nothing is known of it."""
        for record in self._capacity.records_of(needs.eligible):
            record.needs_bits ^= needs.bit
        for number in needs.shut:
            self._capacity.record_at(number).shut_by.remove(needs.index)
        self._unlist_needs(needs)
        self._parked &= ~needs.bit
        self._with_asides &= ~needs.bit
        self.unexplained.pop(needs, None)
        gate = needs.gate
        del self.needs[needs.index], gate.needs[needs.index], self._needs_by_name[needs.name]
        heapq.heappush(self._vacant_needs, needs.index)
        if last and not gate.needs:
            self.line.put(gate, None)
            if not gate.version and not gate.closed:
                self.gates.pop((gate.namespace, gate.queue), None)

    # Whose turn it is.

    def relist(self, group: Group) -> None:
        """Put a group whose first task changed where it belongs, and its needs."""
        waiting = group.tasks.first()
        self._list_group(group, waiting)
        self._relist_needs(group.needs)

    def _list_group(self, group: Group, waiting: Waiting | None) -> None:
        order: Order | None = None
        if waiting is not None:
            order = (0, -group.priority, waiting.task.queued_time, waiting.number)
        share = group.share
        if share is None:
            group.needs.line.put(group, order)
        else:
            share.line.put(group, order)
            self._relist_share(share)
        if group.needs.gate.takes_turns:
            self._list_age(group)

    def _list_age(self, group: Group) -> None:
        needs = group.needs
        if not needs.gate.lanes[needs.lane_place].rule.max_wait_micros:
            return
        order = group.listed
        if order is not None and group.share is not None and needs.gate.at_key_limit(group.fairness_key):
            order = None
        needs.ages.put(group.age, None if order is None else (0, 0, order[2], order[3]))

    def _relist_share(self, share: Share) -> None:
        needs = share.needs
        gate = needs.gate
        head = share.line.first()
        if head is None or head.listed is None or gate.at_key_limit(share.key):
            order = None
        else:
            order = (gate.rank(gate.lanes[needs.lane_place], share.key), *head.listed[1:])
        was_limited = share.listed is None
        needs.line.put(share, order)
        if was_limited != (order is None):
            for group in share.groups.values():
                self._list_age(group)

    def _relist_needs(self, needs: Needs) -> None:
        gate = needs.gate
        head = None if needs.parked else needs.line.first()
        order = None if head is None else head.listed
        if not gate.takes_turns:
            self.line.put(needs, None if gate.closed else order)
            return
        lane = gate.lanes[needs.lane_place]
        lane.line.put(needs, order)
        if lane.rule.max_wait_micros:
            oldest = None if needs.parked else needs.ages.first()
            lane.ages.put(needs.age, None if oldest is None else oldest.listed)
        self._relist_gate(gate)

    def _unlist_needs(self, needs: Needs) -> None:
        gate = needs.gate
        if not gate.takes_turns:
            self.line.put(needs, None)
            return
        lane = gate.lanes[needs.lane_place]
        lane.line.put(needs, None)
        lane.ages.put(needs.age, None)
        self._relist_gate(gate)

    def _relist_gate(self, gate: QueueGate) -> None:
        self.line.put(gate, None if gate.closed else gate.order())

    def next(self, now: int) -> tuple[Needs, Group] | None:
        """Whose turn it is, None if nobody waits whose turn could come."""
        while (turn := self.line.first()) is not None:
            if not isinstance(turn, QueueGate):
                return turn, turn.next_group()
            needs, group = turn.pick(now)
            share = group.share
            if share is None or share.listed is None or share.listed[0] == turn.rank_of(share):
                return needs, group
            self._relist_share(share)
            self._relist_needs(needs)
        return None

    def park(self, needs: Needs) -> None:
        """Take needs out of the line until an agent that is open to them gets room."""
        needs.parked = True
        self._parked |= needs.bit
        self._relist_needs(needs)

    def _unpark(self, needs: Needs) -> None:
        needs.parked = False
        self._parked ^= needs.bit
        self._relist_needs(needs)

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


def _misplaced(share: Share, rank: int, *, limited: bool) -> bool:
    """Whether a share stands later than it should, or stands where it should not, or does not where it should."""
    if share.listed is None:
        return not limited
    return limited or share.listed[0] > rank
