"""Whose turn it is in a queue: groups of tasks, shares of keys, lanes, and the queue itself.

Tasks stand in their group, groups in the line of their needs, needs in that of their lane. Where a queue shares a lane
between keys, or limits them, keys stand in the line of the lane instead, the one with the fewest leases first, and each
has a line of shares: its groups with the same needs. A queue whose policy has any of this chooses among its lanes by
itself (`QueueGate.pick`); of any other, the needs stand directly among those of all queues. The lines are kept in order
by `waiting_line.py`; who may run what is in `needs.py`.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from services.domain.policy import Lane, QueuePolicy
from services.domain.requirements import WaitReason
from services.domain.schedule import TaskGroup, UnplaceableReason, source_of
from services.domain.task_order import Line, Order, Place, TaskOrder

if TYPE_CHECKING:
    from services.domain.needs import Needs

# Leases in relation to a weight of up to 1,000, as a whole number.
RANK_UNIT = 1_000_000
# As long as a rate limit makes anybody wait: the rates that a policy may name come down to 1e-308 a second.
RATE_WAIT_SECONDS_MAX = 315_360_000.0


class Report(NamedTuple):
    """What was last said of a group that could not be placed. Without reasons it is the queue that keeps it."""

    wait: WaitReason
    reasons: tuple[UnplaceableReason, ...]
    never: bool
    time: int


class Age:
    """The place of something in a line by age, beside its place in the line of turns."""

    __slots__ = ("listed", "of")

    def __init__(self, of: Group | Needs) -> None:
        self.of = of
        self.listed: Order | None = None


class Group:
    """Tasks of one set of needs with the same priority and fairness key, as a coordinator groups them."""

    __slots__ = (
        "age",
        "fairness_key",
        "id",
        "listed",
        "needs",
        "placed",
        "priority",
        "reported",
        "retired",
        "share",
        "size",
        "source",
        "tasks",
        "told",
        "unsent",
    )

    def __init__(self, group: TaskGroup, needs: Needs) -> None:
        self.id = group.id
        # As it was told, and the stream that told it.
        self.told = group
        self.source = source_of(group.id)
        self.priority = group.priority
        self.fairness_key = group.fairness_key
        self.unsent = group.unsent
        self.needs = needs
        self.share: Share | None = None
        self.tasks = TaskOrder(Place.QUEUED)
        self.listed: Order | None = None
        self.age = Age(self)
        # Tasks of the view, placed ones included, twins excluded. A retired group is forgotten with its last.
        self.size = 0
        self.retired = False
        # For `unplaceable.py`: whether a task was placed since it last looked, and what it said last, and when.
        self.placed = False
        self.reported: Report | None = None


class Share:
    """The groups of one fairness key with the same needs. `hidden`: met in its turn while these are parked."""

    __slots__ = ("filled", "groups", "hidden", "key", "line", "listed", "needs", "turn")

    def __init__(self, key: str, needs: Needs, turn: KeyTurn) -> None:
        self.key = key
        self.needs = needs
        self.turn = turn
        self.groups: dict[int, Group] = {}
        self.line: Line[Group] = Line()
        self.listed: Order | None = None
        self.filled = False  # whether a task of it waits in its turn
        self.hidden = False


class KeyTurn:
    """A fairness key in a lane: its shares, the one with the first task first."""

    __slots__ = ("key", "limited", "line", "listed", "shares")

    def __init__(self, key: str, *, limited: bool) -> None:
        self.key = key
        self.limited = limited  # its groups stand in no line by age then
        self.shares: dict[Share, None] = {}
        self.line: Line[Share] = Line()
        self.listed: Order | None = None

    def first_share(self) -> Share | None:
        """Return the first share whose needs are not parked; those before it are left out until they are not."""
        while (share := self.line.first()) is not None:
            if not share.needs.parked:
                return share
            self.line.put(share, None)
            share.hidden = True
            share.needs.hidden[share] = None
        return None


class LaneTurn:
    """A lane of a queue: whose turn it is in it, how much of it is leased, and how far it has come by its weight.

    Its line is one of needs, or with `by_key` one of fairness keys; `open` are the needs then that have tasks in their
    turns and are not parked.
    """

    __slots__ = ("ages", "by_key", "keys", "line", "open", "rule", "travelled", "travels", "turns", "usage")

    def __init__(self, rule: Lane, *, by_key: bool = False) -> None:
        self.rule = rule
        self.by_key = by_key
        self.line: Line[Needs] = Line()
        self.keys: Line[KeyTurn] = Line()
        self.turns: dict[str, KeyTurn] = {}
        self.open = 0
        # The needs by their oldest tasks, where the lane has a longest wait.
        self.ages: Line[Age] = Line()
        self.usage: Counter[str] = Counter()  # leases and reservations by fairness key
        self.travelled = 0.0
        self.travels = False

    def head(self) -> Needs | Share | None:
        """Return what stands first: needs, or the first share of the key whose turn it is. None if nothing does."""
        if not self.by_key:
            return self.line.first()
        while self.open and (turn := self.keys.first()) is not None:
            share = turn.first_share()
            if share is None:
                self.keys.put(turn, None)
            elif share.listed is not None and turn.listed is not None and share.listed[1:] != turn.listed[1:]:
                self.keys.put(turn, (turn.listed[0], *share.listed[1:]))  # what was first is parked
            else:
                return share
        return None


class QueueGate:
    """A queue: its policy, what of it is leased, and whether it lets tasks through now.

    `paused` is what a coordinator says of it, `refused` what it did; `rate_until` is when the rate limit lets the next
    one through. `below` and `round` are the cursor of the strategies that take turns.
    """

    __slots__ = (
        "below",
        "by_key",
        "key_usage",
        "lanes",
        "listed",
        "namespace",
        "needs",
        "paused",
        "policy",
        "queue",
        "rate_until",
        "refused",
        "round",
        "takes_turns",
        "tokens",
        "tokens_time",
        "travelled",
        "usage",
        "version",
    )

    def __init__(self, namespace: str, queue: str) -> None:
        self.namespace = namespace
        self.queue = queue
        self.paused = False
        self.version = 0
        # A placement was refused because of a pause that we had not heard of.
        self.refused = False
        self.needs: dict[int, Needs] = {}
        self.listed: Order | None = None
        self.usage = 0
        self.key_usage: Counter[str] = Counter()
        self.below = -1
        self.round = 1
        self.tokens = 0.0
        self.tokens_time = 0
        self.rate_until = 0
        # How far the lane had come whose turn it was last.
        self.travelled = 0.0
        self.configure(QueuePolicy())

    def configure(self, policy: QueuePolicy) -> None:
        """Take in a policy. The groups have to be put in their places anew after that."""
        self.policy = policy
        # Whether it chooses among its lanes by itself, instead of mixing its needs with those of other queues, and
        # whether its groups form shares.
        self.takes_turns = policy.is_ordered
        self.by_key = policy.fairness is not None or policy.limits.leases_per_key_max > 0
        self.lanes = [LaneTurn(rule, by_key=self.by_key) for rule in policy.lanes or (Lane(""),)]
        self.tokens = policy.limits.bucket
        self.rate_until = 0
        self.travelled = 0.0
        self.round = 1

    @property
    def wait(self) -> WaitReason:
        """Why nothing of it may be placed now; NONE if something may."""
        if self.paused or self.refused:
            return WaitReason.QUEUE_PAUSED
        if 0 < self.policy.limits.leases_max <= self.usage:
            return WaitReason.QUEUE_LIMIT
        return WaitReason.RATE_LIMIT if self.rate_until else WaitReason.NONE

    @property
    def closed(self) -> bool:
        """Whether nothing of this queue may be placed now."""
        if self.takes_turns:
            return self.wait is not WaitReason.NONE
        return self.paused or self.refused

    def at_key_limit(self, key: str) -> bool:
        """Whether as much of this fairness key is leased as may be."""
        return 0 < self.policy.limits.leases_per_key_max <= self.key_usage[key]

    def rank(self, lane: LaneTurn, key: str) -> int:
        """Where a key stands in a lane: its leases in relation to its weight. 0 for all if the queue is not fair."""
        weights = self.policy.fairness
        if weights is None:
            return 0
        return lane.usage[key] * RANK_UNIT // weights.get(key, 1)

    def count(self, place: int, key: str, leases: int) -> None:
        """Note leases or reservations that came, or went."""
        self.usage += leases
        if not self.by_key:
            return
        for usage in (self.key_usage, self.lanes[place].usage):
            usage[key] += leases
            if not usage[key]:
                del usage[key]

    # Whose turn it is.

    def order(self) -> Order | None:
        """Where its first task stands among those of all queues; None if there is none."""
        heads = [head.listed[1:] for lane in self.lanes if (head := lane.head()) is not None and head.listed]
        return (0, *min(heads)) if heads else None

    def pick(self, now: int) -> tuple[Needs, Group]:
        """Return the group whose turn it is. One must be listed.

        A task that has waited too long goes first, the one that is most overdue; then the lanes by their weights, or
        else in their order.
        """
        overdue = self._overdue(now)
        if overdue is not None:
            return overdue.needs, overdue
        head = self._next_lane().head()
        assert head is not None, "a lane is chosen for what stands first in it"
        if isinstance(head, Share):
            group = head.line.first()
            assert group is not None, "a share stands in a line by its first group"
            return head.needs, group
        return head, head.next_group()

    def _overdue(self, now: int) -> Group | None:
        worst: tuple[int, Group] | None = None
        for lane in self.lanes:
            age = lane.ages.first() if lane.rule.max_wait_micros else None
            if age is None or age.listed is None:
                continue
            due = age.listed[2] + lane.rule.max_wait_micros
            if due <= now and (worst is None or due < worst[0]):
                worst = (due, _oldest_group(age))
        return None if worst is None else worst[1]

    def _next_lane(self) -> LaneTurn:
        """The lane whose turn it is: the highest, or with weights the one that has come least far.

        One that had nothing to do does not save its turns up: it begins where the others are.
        """
        waiting = [lane for lane in self.lanes if lane.head() is not None]
        if not waiting[0].rule.weight:
            return waiting[0]
        for lane in self.lanes:
            if lane.head() is None:
                lane.travels = False
            elif not lane.travels:
                lane.travels = True
                lane.travelled = max(lane.travelled, self.travelled)
        chosen = min(waiting, key=lambda lane: lane.travelled)
        self.travelled = chosen.travelled
        return chosen

    def travel(self, place: int) -> None:
        """Note that a task of a lane was placed."""
        lane = self.lanes[place]
        if lane.rule.weight:
            lane.travelled += 1.0 / lane.rule.weight

    # The rate limit.

    def take_token(self, now: int) -> None:
        """Note that a lease is to be granted; sets `rate_until` if that was the last one for now."""
        rate = self.policy.limits.leases_per_second
        if not rate:
            return
        if self.tokens_time:
            gained = max(0, now - self.tokens_time) * rate / 1_000_000
            self.tokens = min(self.policy.limits.bucket, self.tokens + gained)
        self.tokens_time = now
        self.tokens -= 1.0
        if self.tokens < 1.0:
            self.rate_until = now + 1 + int(min((1.0 - self.tokens) / rate, RATE_WAIT_SECONDS_MAX) * 1_000_000)

    def give_token_back(self) -> None:
        """Note that a placement came to nothing: the next one need not wait for it. The gate has to be relisted."""
        if self.policy.limits.leases_per_second:
            self.tokens = min(self.policy.limits.bucket, self.tokens + 1.0)
            if self.tokens >= 1.0:
                self.rate_until = 0


def _oldest_group(age: Age) -> Group:
    """The group that a place in the line by age is of, or that of the oldest task of needs."""
    of = age.of
    if isinstance(of, Group):
        return of
    oldest = of.ages.first()
    assert oldest is not None, "needs stand in the line by age by their oldest group"
    return _oldest_group(oldest)
