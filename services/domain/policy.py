"""What a queue does with its tasks: routing, lanes, fairness, limits, admission.

Values only, and what can be wrong with them. 0 and empty mean "the default" or "none"; times are microseconds. The
parts compose as `missioncontrol.v1.QueuePolicy` says, and `plan` carries them out.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

import msgspec

from services.domain.requirements import LabelSelector, selector_fault

HOUR_MICROS = 3_600_000_000


class Strategy(IntEnum):
    """How tasks are spread over agents. The numbers are those of the wire."""

    CENTRAL_QUEUE = 1
    ROUND_ROBIN = 2
    SHORTEST_QUEUE = 3
    TWO_CHOICES = 4

    @property
    def binds_early(self) -> bool:
        """Whether it fills agents' own queues, instead of waiting for a free slot."""
        return self is not Strategy.CENTRAL_QUEUE


class AffinityWait(IntEnum):
    """How long a task waits for a warm agent. The numbers are those of the wire."""

    NEVER = 1
    BOUNDED = 2
    ALWAYS = 3


class Affinity(msgspec.Struct, frozen=True, array_like=True):
    """Which agents suit a task best."""

    mode: AffinityWait = AffinityWait.NEVER
    wait_micros: int = 0
    warm_micros: int = HOUR_MICROS
    selectors: tuple[LabelSelector, ...] = ()


class ReservedPool(msgspec.Struct, frozen=True, array_like=True):
    """Agents, or slots of theirs, kept free for a lane and those above it. `give_back_micros` 0: never lent."""

    selectors: tuple[LabelSelector, ...] = ()
    agents_max: int = 0
    slots_per_agent: int = 0
    give_back_micros: int = 0


class Lane(msgspec.Struct, frozen=True, array_like=True):
    """A priority level: tasks with `priority_min` or more that no higher lane has."""

    name: str
    priority_min: int = 0
    weight: int = 0
    max_wait_micros: int = 0
    reserved: ReservedPool | None = None


class Limits(msgspec.Struct, frozen=True, array_like=True):
    """How much of a queue may run."""

    leases_max: int = 0
    leases_per_key_max: int = 0
    leases_per_second: float = 0.0
    burst: int = 0

    @property
    def bucket(self) -> float:
        """How many leases may be granted at once after a pause, with a rate limit."""
        return float(self.burst) or max(1.0, self.leases_per_second)


class AdmissionState(IntEnum):
    """How a queue treats new tasks. The numbers are those of the wire."""

    BY_DEPTH = 0
    NORMAL = 1
    THROTTLE = 2
    SHED = 3
    PAUSE = 4


class AdmissionPolicy(msgspec.Struct, frozen=True, array_like=True):
    """Backpressure. The depth is the number of pending tasks. `exempt_priority` None: nobody is exempt."""

    state: AdmissionState = AdmissionState.BY_DEPTH
    throttle_pending: int = 0
    submits_per_second: float = 0.0
    shed_pending: int = 0
    exempt_priority: int | None = None
    pending_max: int = 0

    @property
    def is_open(self) -> bool:
        """Whether it never refuses a task."""
        return not self.counts and self.state in (AdmissionState.BY_DEPTH, AdmissionState.NORMAL)

    @property
    def by_depth(self) -> bool:
        """Whether the depth changes the state."""
        return self.state is AdmissionState.BY_DEPTH and bool(self.throttle_pending or self.shed_pending)

    @property
    def counts(self) -> bool:
        """Whether the queue's depth has to be known."""
        return bool(self.pending_max) or self.by_depth


class QueuePolicy(msgspec.Struct, frozen=True, array_like=True):
    """What a queue does with its tasks. `lanes` stand highest first; fairness None: first come, first served."""

    strategy: Strategy = Strategy.CENTRAL_QUEUE
    lease_ttl_micros: int = 0
    queue_limit_micros: int = 0
    run_limit_micros: int = 0
    weight_label: str = ""
    affinity: Affinity = Affinity()
    lanes: tuple[Lane, ...] = ()
    fairness: dict[str, int] | None = None
    limits: Limits = Limits()
    admission: AdmissionPolicy = AdmissionPolicy()

    @property
    def is_plain(self) -> bool:
        """Whether a task may be placed without knowing of others: no lanes, fairness, limits, wait for warm agents."""
        return self.strategy is Strategy.CENTRAL_QUEUE and not self.is_ordered and self.affinity == Affinity()

    @property
    def is_ordered(self) -> bool:
        """Whether the queue chooses among its own tasks, by more than priority and age: lanes, fairness, limits."""
        return bool(self.lanes) or self.fairness is not None or self.limits != Limits()

    @property
    def counts_leases(self) -> bool:
        """Whether the scheduler has to know what an agent's leases are of, and not only how many there are."""
        return self.is_ordered or self.strategy.binds_early

    def lane_of(self, priority: int) -> int:
        """The place in `lanes` of a task with this priority; 0 if there are none."""
        for place, lane in enumerate(self.lanes):
            if priority >= lane.priority_min:
                return place
        return max(0, len(self.lanes) - 1)


def faults(policy: QueuePolicy) -> Iterator[tuple[str, str]]:
    """What is wrong with a policy: (field, reason), with the fields of the wire. None: it can be carried out."""
    if policy.weight_label and policy.strategy is not Strategy.ROUND_ROBIN:
        yield "policy.round_robin", "weights are for the strategy ROUND_ROBIN only"
    yield from affinity_faults(policy.affinity)
    yield from lane_faults(policy.lanes)
    yield from admission_faults(policy)
    if policy.limits.burst and not policy.limits.leases_per_second:
        yield "policy.limits.burst", "needs leases_per_second"


def affinity_faults(affinity: Affinity) -> Iterator[tuple[str, str]]:
    """What is wrong with an affinity policy."""
    yield from selector_faults(affinity.selectors, "policy.affinity.selectors")
    if (affinity.mode is AffinityWait.BOUNDED) != bool(affinity.wait_micros):
        yield "policy.affinity.wait", "is needed with the mode BOUNDED, and with no other"


def lane_faults(lanes: tuple[Lane, ...]) -> Iterator[tuple[str, str]]:
    """What is wrong with lanes."""
    for names, field in (
        ([lane.name for lane in lanes], "name"),
        ([lane.priority_min for lane in lanes], "priority_min"),
    ):
        if len(set(names)) < len(names):
            yield "policy.lanes", f"two lanes have the same {field}"
    if any(lane.weight for lane in lanes) and not all(lane.weight for lane in lanes):
        yield "policy.lanes", "either all lanes have a weight or none"
    for lane in lanes:
        if lane.reserved is None:
            continue
        yield from selector_faults(lane.reserved.selectors, f"policy.lanes[{lane.name}].reserved.selectors")
        if lane is lanes[-1]:
            yield f"policy.lanes[{lane.name}].reserved", "is of no use in the lowest lane"


def admission_faults(policy: QueuePolicy) -> Iterator[tuple[str, str]]:
    """What is wrong with backpressure."""
    admission = policy.admission
    throttles = bool(admission.throttle_pending) or admission.state is AdmissionState.THROTTLE
    if throttles != bool(admission.submits_per_second):
        yield "policy.admission.submits_per_second", "is needed to throttle, and for nothing else"
    if 0 < admission.shed_pending <= admission.throttle_pending:
        yield "policy.admission.shed_pending", "must be more than throttle_pending"


def selector_faults(selectors: tuple[LabelSelector, ...], field: str) -> Iterator[tuple[str, str]]:
    """What is wrong with selectors."""
    for place, selector in enumerate(selectors):
        fault = selector_fault(selector)
        if fault is not None:
            yield f"{field}[{place}].values", f"{selector.operator.name} {fault}"
