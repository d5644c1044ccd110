"""Whose turn it is over all queues: every line is kept in order as tasks come and go, needs park, and keys hold leases.

Needs of plain queues stand in one line with the queues that choose among their own lanes (`turns.py`). Parking takes
needs out by one step, however many keys have tasks for them, and a key that takes or gives up a lease is moved by one
step in its lane, however many sets of needs its tasks have: shares of parked needs are only met, and left out, when
their key's turn comes.
"""

from __future__ import annotations

from services.domain.needs import Needs
from services.domain.task_order import Line, Order
from services.domain.turns import Group, KeyTurn, LaneTurn, QueueGate, Share


class WaitingLine:
    """See the module."""

    def __init__(self) -> None:
        self._line: Line[Needs | QueueGate] = Line()

    def __len__(self) -> int:
        return len(self._line)

    def next(self, now: int) -> tuple[Needs, Group] | None:
        """Whose turn it is, None if nobody waits whose turn could come."""
        turn = self._line.first()
        if turn is None:
            return None
        return turn.pick(now) if isinstance(turn, QueueGate) else (turn, turn.next_group())

    # Tasks.

    def relist(self, group: Group) -> None:
        """Put a group whose first task changed where it belongs, and what stands by it."""
        waiting = group.tasks.first()
        order: Order | None = None
        if waiting is not None:
            order = (0, -group.priority, waiting.task.queued_time, waiting.number)
        self._put(group, order)

    def drop(self, group: Group) -> None:
        """Take a group out."""
        self._put(group, None)

    def _put(self, group: Group, order: Order | None) -> None:
        needs, share = group.needs, group.share
        if share is None:
            needs.line.put(group, order)
        else:
            share.line.put(group, order)
            _list_share(share)
        if needs.gate.takes_turns:
            _list_age(group)
        self._relist_needs(needs)

    # Needs.

    def set_parked(self, needs: Needs, *, parked: bool) -> None:
        """Take needs out of their line, or put them back."""
        lane = needs.gate.lanes[needs.lane_place]
        if needs.filled:
            lane.open += -1 if parked else 1
        needs.parked = parked
        hidden, needs.hidden = needs.hidden, {}
        for share in hidden:
            share.hidden = False
            _list_share(share)
        self._relist_needs(needs)

    def drop_needs(self, needs: Needs) -> None:
        """Take needs out that are forgotten. Their groups are out already, or put in their places anew after this."""
        gate = needs.gate
        if not gate.takes_turns:
            self._line.put(needs, None)
            return
        lane = gate.lanes[needs.lane_place]
        if needs.filled and not needs.parked:
            lane.open -= 1
        for share in needs.shares.values():
            share.turn.line.put(share, None)
            share.turn.shares.pop(share, None)
            _list_turn(gate, lane, share.turn)
        lane.line.put(needs, None)
        lane.ages.put(needs.age, None)
        self._relist_gate(gate)

    def _relist_needs(self, needs: Needs) -> None:
        gate = needs.gate
        if not gate.takes_turns:
            head = None if needs.parked else needs.line.first()
            self._line.put(needs, None if head is None or gate.closed else head.listed)
            return
        lane = gate.lanes[needs.lane_place]
        if not gate.by_key:
            head = None if needs.parked else needs.line.first()
            lane.line.put(needs, None if head is None else head.listed)
        if lane.rule.max_wait_micros:
            oldest = None if needs.parked else needs.ages.first()
            lane.ages.put(needs.age, None if oldest is None else oldest.listed)
        self._relist_gate(gate)

    # Queues and keys.

    def relist_queue(self, gate: QueueGate) -> None:
        """Put a queue that opened or closed, or its needs, where they belong."""
        if gate.takes_turns:
            self._relist_gate(gate)
            return
        for needs in gate.needs.values():
            self._relist_needs(needs)

    def relist_key(self, gate: QueueGate, key: str) -> None:
        """Put a key of which leases came or went where it belongs, in each lane."""
        for lane in gate.lanes:
            turn = lane.turns.get(key)
            if turn is not None:
                self._relist_turn(gate, lane, turn)
        self._relist_gate(gate)

    def _relist_turn(self, gate: QueueGate, lane: LaneTurn, turn: KeyTurn) -> None:
        limited = gate.at_key_limit(turn.key)
        _list_turn(gate, lane, turn)
        if limited != turn.limited:
            turn.limited = limited
            for share in turn.shares:
                for group in share.groups.values():
                    _list_age(group)
                self._relist_needs(share.needs)

    def drop_queue(self, gate: QueueGate) -> None:
        """Take a queue out."""
        self._line.put(gate, None)

    def _relist_gate(self, gate: QueueGate) -> None:
        self._line.put(gate, None if gate.closed else gate.order())


def _list_share(share: Share) -> None:
    """Put a share whose first group changed where it belongs in its key's line."""
    needs = share.needs
    lane = needs.gate.lanes[needs.lane_place]
    head = share.line.first()
    order = None if head is None else head.listed
    if share.filled != (order is not None):
        share.filled = order is not None
        before, needs.filled = needs.filled, needs.filled + (1 if share.filled else -1)
        if not needs.parked:
            lane.open += bool(needs.filled) - bool(before)
    if not share.hidden:
        share.turn.line.put(share, order)
        _list_turn(needs.gate, lane, share.turn)


def _list_turn(gate: QueueGate, lane: LaneTurn, turn: KeyTurn) -> None:
    """Put a key where it belongs in its lane. A share of parked needs at its head is met when its turn comes."""
    head = turn.line.first()
    order: Order | None = None
    if head is not None and head.listed is not None and not gate.at_key_limit(turn.key):
        order = (gate.rank(lane, turn.key), *head.listed[1:])
    lane.keys.put(turn, order)


def _list_age(group: Group) -> None:
    """Put a group where it belongs by its age, where its lane has a longest wait."""
    needs = group.needs
    if not needs.gate.lanes[needs.lane_place].rule.max_wait_micros:
        return
    order = group.listed
    if order is not None and group.share is not None and group.share.turn.limited:
        order = None
    needs.ages.put(group.age, None if order is None else (0, 0, order[2], order[3]))
