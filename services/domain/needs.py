"""Tasks that the same agents may run, and which agents these are.

`Needs` is one set of requirements in one lane of a queue. It judges each agent once, when the agent or the set appears,
and keeps the verdicts as bits beside the counts of what was missing; the load of the agents is in `capacity.py`, the
order of the tasks in `turns.py` and `task_order.py`, the choice among the agents in `choice.py`.
"""

from __future__ import annotations

from collections import Counter

from services.domain.capacity import AgentRecord, Capacity
from services.domain.policy import Strategy
from services.domain.pools import Pool
from services.domain.requirements import Mismatch, mismatch, selects
from services.domain.schedule import TaskGroup
from services.domain.task_order import Line, Order, TaskOrder
from services.domain.turns import Age, Group, QueueGate, Share

WEIGHT_MAX = 100


class Needs:
    """One set of requirements in one lane: who may run it, and the groups of tasks that wait for it."""

    __slots__ = (
        "age",
        "ages",
        "asides",
        "below",
        "bit",
        "early",
        "eligible",
        "filled",
        "foreign",
        "gate",
        "groups",
        "heavy",
        "hidden",
        "index",
        "kind",
        "lane_place",
        "line",
        "listed",
        "mismatches",
        "name",
        "namespace",
        "open",
        "parked",
        "queue",
        "requirements",
        "resources",
        "run_limit_micros",
        "scores",
        "shares",
        "shut",
        "strategy",
        "suited",
        "tiers",
        "warm_asides",
    )

    def __init__(self, group: TaskGroup, *, index: int, gate: QueueGate, lane_place: int) -> None:
        self.name = (group.namespace, group.queue, lane_place, group.needs_id)
        self.namespace = group.namespace
        self.queue = group.queue
        self.kind = group.kind
        self.requirements = group.requirements
        self.resources = {name: amount for name, amount in group.requirements.resources.items() if amount > 0}
        self.run_limit_micros = group.requirements.run_limit_millis * 1_000
        self.index = index
        self.bit = 1 << index
        self.gate = gate
        self.lane_place = lane_place
        # Whether agents' own queues are filled, too.
        self.strategy = gate.policy.strategy
        self.early = self.strategy.binds_early
        # Agents that may run it; of these, the ones with enough resources left; the others and what they lack.
        self.eligible = 0
        self.open = 0
        self.shut: dict[int, str] = {}
        # How many agents of the namespace may never run it, by the first reason.
        self.mismatches: Counter[Mismatch] = Counter()
        # Eligible agents that the queue's affinity selectors find; by what the task prefers, best first, where it does;
        # and by their weights, where the strategy has them.
        self.suited = 0
        self.scores: dict[int, int] = {}
        self.tiers: tuple[int, ...] = ()
        self.heavy: dict[int, int] = {}
        # Pools that are kept for others.
        self.foreign: tuple[Pool, ...] = ()
        # The agents below the one that was chosen last: among equals they come next.
        self.below = 0
        self.groups: dict[int, Group] = {}
        self.shares: dict[str, Share] = {}
        # Its groups, where fairness keys do not matter; elsewhere they are in shares, of which so many are filled,
        # and some were met in their turns while these needs were parked.
        self.line: Line[Group] = Line()
        self.filled = 0
        self.hidden: dict[Share, None] = {}
        self.ages: Line[Age] = Line()
        self.age = Age(self)
        # Its place in the line of all needs, or of its lane, if it is in it; parked means that it waits for an agent.
        self.listed: Order | None = None
        self.parked = False
        # Tasks that avoid every agent that was free, by whom they avoid, and tasks that wait for warm agents, by key;
        # "" are those that wait for one that the queue's affinity selectors find.
        self.asides: dict[frozenset[str], TaskOrder] = {}
        self.warm_asides: dict[str, TaskOrder] = {}

    # Who may run it.

    def admit(self, record: AgentRecord) -> None:
        """Judge an agent that is new, or says other things of itself than before."""
        agent = record.agent
        if agent.namespace != self.namespace:
            return
        found = mismatch(agent.profile, self.kind, queue=self.queue, requirements=self.requirements)
        if found is not None:
            self.mismatches[found] += 1
            return
        self.eligible |= record.bit
        self.open |= record.bit
        record.needs_bits |= self.bit
        if self.requirements.preferences or not self.gate.policy.is_plain:
            self._compare(record)

    def _compare(self, record: AgentRecord) -> None:
        """Note how well an eligible agent suits."""
        labels = record.agent.profile.labels
        policy = self.gate.policy
        if policy.affinity.selectors and all(selects(selector, labels) for selector in policy.affinity.selectors):
            self.suited |= record.bit
        if self.requirements.preferences:
            score = sum(each.weight for each in self.requirements.preferences if selects(each.selector, labels))
            self.scores[score] = self.scores.get(score, 0) | record.bit
            self.tiers = tuple(self.scores[score] for score in sorted(self.scores, reverse=True))
        if policy.strategy is Strategy.ROUND_ROBIN and policy.weight_label:
            weight = weight_of(labels.get(policy.weight_label, ""))
            self.heavy[weight] = self.heavy.get(weight, 0) | record.bit

    def dismiss(self, record: AgentRecord) -> None:
        """Take back the verdict on an agent that leaves, or is about to say other things of itself."""
        agent = record.agent
        if agent.namespace != self.namespace:
            return
        if not self.eligible & record.bit:
            found = mismatch(agent.profile, self.kind, queue=self.queue, requirements=self.requirements)
            assert found is not None, "an agent that is not eligible lacks something"
            self.mismatches[found] -= 1
            if not self.mismatches[found]:
                del self.mismatches[found]
            return
        self.eligible ^= record.bit
        self.open &= self.eligible
        self.suited &= self.eligible
        self.shut.pop(record.index, None)
        record.needs_bits ^= self.bit
        for index in (self.scores, self.heavy):
            for value in [value for value, bits in index.items() if bits & record.bit]:
                index[value] ^= record.bit
                if not index[value]:
                    del index[value]
        if self.tiers:
            self.tiers = tuple(self.scores[score] for score in sorted(self.scores, reverse=True))

    def close_to(self, record: AgentRecord, missing: str) -> None:
        """Leave an agent out until it has more resources left."""
        self.open ^= record.bit
        self.shut[record.index] = missing
        record.shut_by.append(self.index)

    def open_to(self, record: AgentRecord) -> bool:
        """Take an agent back in if it has enough resources again. Whether it has."""
        if record.short_of(self.resources) is not None:
            return False
        del self.shut[record.index]
        self.open |= record.bit
        return True

    def room(self, capacity: Capacity) -> int:
        """The agents with room for one more of these, one bit each; nothing is said of what is kept for others."""
        return self.open & (capacity.roomy if self.early else capacity.ready)

    def free(self, capacity: Capacity) -> int:
        """The agents that could take one more of these now, one bit each."""
        room = self.room(capacity)
        for pool in self.foreign:
            room &= ~pool.shut
        return room | self.borrowed(capacity) if self.foreign and not room else room

    def borrowed(self, capacity: Capacity) -> int:
        """The agents that would have to be borrowed: kept for others, idle, and lent."""
        bits = 0
        for pool in self.foreign:
            if pool.shut and pool.lends_to(self) and not pool.wanted:
                bits |= pool.shut
        return bits & self.open & capacity.ready if bits else 0

    # Whose turn it is.

    def next_group(self) -> Group:
        """The group whose turn it is. One must be listed."""
        head = self.line.first()
        assert head is not None, "needs stand in a line by their first group"
        return head


def weight_of(text: str) -> int:
    """An agent's weight by its label: a whole number from 1 to 100; 1 if it is anything else."""
    weight = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(WEIGHT_MAX)) else 1
    return weight if 1 <= weight <= WEIGHT_MAX else 1
