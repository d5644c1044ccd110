"""Tasks that the same agents may run, and which agents these are.

`Needs` is one set of requirements in one queue. It judges each agent once, when the agent or the set appears, and keeps
the verdicts as bits beside the counts of what was missing; the load of the agents is in `capacity.py`, the order of the
tasks in `task_order.py`.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from services.domain.capacity import LEVELS, AgentRecord, Capacity
from services.domain.requirements import Mismatch, mismatch
from services.domain.schedule import TaskGroup, UnplaceableReason, source_of
from services.domain.task_order import Line, Order, Place, TaskOrder


class Report(NamedTuple):
    """What was last said of a group that could not be placed."""

    reasons: tuple[UnplaceableReason, ...]
    never: bool
    time: int


class QueueGate:
    """Whether a queue lets tasks through. `paused` is what a coordinator says of it, `refused` what it did."""

    __slots__ = ("needs", "paused", "refused", "version")

    def __init__(self) -> None:
        self.paused = False
        self.version = 0
        # A placement was refused because of a pause that we had not heard of.
        self.refused = False
        self.needs: dict[int, Needs] = {}

    @property
    def closed(self) -> bool:
        """Whether nothing of this queue may be placed now."""
        return self.paused or self.refused


class Group:
    """Tasks of one set of needs with the same priority, as a coordinator groups them. `source` is its stream."""

    __slots__ = (
        "id",
        "listed",
        "needs",
        "placed",
        "priority",
        "reported",
        "retired",
        "size",
        "source",
        "tasks",
        "unsent",
    )

    def __init__(self, group: TaskGroup, needs: Needs) -> None:
        self.id = group.id
        self.source = source_of(group.id)
        self.priority = group.priority
        self.unsent = group.unsent
        self.needs = needs
        self.tasks = TaskOrder(Place.QUEUED)
        self.listed: Order | None = None
        # Tasks of the view, placed ones included, twins excluded. A retired group is forgotten with its last.
        self.size = 0
        self.retired = False
        # For `unplaceable.py`: whether a task was placed since it last looked, and what it said last, and when.
        self.placed = False
        self.reported: Report | None = None


class Needs:
    """One set of requirements in one queue: who may run it, and the groups of tasks that wait for it."""

    __slots__ = (
        "asides",
        "below",
        "bit",
        "eligible",
        "gate",
        "groups",
        "index",
        "kind",
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
        "shut",
    )

    def __init__(self, group: TaskGroup, *, index: int, gate: QueueGate) -> None:
        self.name = (group.namespace, group.queue, group.needs_id)
        self.namespace = group.namespace
        self.queue = group.queue
        self.kind = group.kind
        self.requirements = group.requirements
        self.resources = {name: amount for name, amount in group.requirements.resources.items() if amount > 0}
        self.index = index
        self.bit = 1 << index
        self.gate = gate
        # Agents that may run it; of these, the ones with enough resources left; the others and what they lack.
        self.eligible = 0
        self.open = 0
        self.shut: dict[int, str] = {}
        # How many agents of the namespace may never run it, by the first reason.
        self.mismatches: Counter[Mismatch] = Counter()
        # The agents below the one that was chosen last: among equals they come next.
        self.below = 0
        self.groups: dict[int, Group] = {}
        self.line: Line[Group] = Line()
        # Its place in the line of all needs, if it is in it; parked means that it waits for an agent instead.
        self.listed: Order | None = None
        self.parked = False
        # Tasks that avoid every agent that was free, by whom they avoid.
        self.asides: dict[frozenset[str], TaskOrder] = {}

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
        self.shut.pop(record.index, None)
        record.needs_bits ^= self.bit

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

    def choose(self, capacity: Capacity, *, excluded: int = 0) -> AgentRecord | None:
        """Return the agent for the next task: central queue, late binding. None if there is none now.

        The least loaded relative to its slots goes first. Among equals they go round, which gives the one that was used
        longest ago. Agents with too few resources left are met once, and are left out from then on.
        """
        if not self.open & capacity.ready:
            return None
        for level in capacity.bands[:LEVELS]:
            candidates = level & self.open
            if excluded:
                candidates &= ~excluded
            while candidates:
                record = capacity.record_at(((candidates & self.below) or candidates).bit_length() - 1)
                missing = record.short_of(self.resources) if self.resources else None
                if missing is None:
                    self.below = record.below
                    return record
                self.close_to(record, missing)
                candidates ^= record.bit
        return None
