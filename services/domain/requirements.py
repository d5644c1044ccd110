"""What a task demands of an agent, and whether an agent meets it.

Here live the hard filters, and nothing else: the scheduler asks them which agents a group of tasks may go to, and the
coordinator asks the very same functions again in the transaction that grants the lease, so that both can only agree.
What depends on the moment (is the agent accepting, has it a free slot) is compared here too, but never remembered.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum
from typing import NamedTuple

# Resources are doubles: three tasks of 0.1 must fit into 0.3, although their sum is 0.30000000000000004.
RESOURCE_TOLERANCE = 1e-9

_DECIMAL_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)", re.ASCII)


class SelectorOperator(IntEnum):
    """How a selector compares. The numbers are those of `missioncontrol.v1.SelectorOperator`."""

    IN = 1
    NOT_IN = 2
    EXISTS = 3
    NOT_EXISTS = 4
    GREATER = 5
    LESS = 6


class FilterReason(IntEnum):
    """Why an agent was left out. The numbers are those of `missioncontrol.v1.FilterReason`."""

    NO_AGENT = 1
    KIND = 2
    QUEUE = 3
    CAPABILITY = 4
    LABEL = 5
    RESOURCE = 6
    NOT_ACCEPTING = 7
    SLOTS_FULL = 8
    RESOURCES_FULL = 9
    QUEUE_PAUSED = 10
    RESERVED = 11
    AVOIDED = 12
    NOT_WARM = 13


class WaitReason(IntEnum):
    """What a task waits for. The numbers are those of `missioncontrol.v1.WaitReason`."""

    NONE = 0
    TIME = 1
    DEPENDENCIES = 2
    QUEUE_PAUSED = 3
    QUEUE_LIMIT = 4
    KEY_LIMIT = 5
    RATE_LIMIT = 6
    NO_AGENT = 7
    AGENTS_NOT_ACCEPTING = 8
    SLOTS = 9
    RESOURCES = 10
    RESERVED = 11
    AFFINITY = 12
    AVOIDED = 13
    TURN = 14
    NO_SCHEDULER = 15


class Mismatch(NamedTuple):
    """The first reason that left an agent out, and what was missing: the capability, the label's key, the resource."""

    reason: FilterReason
    subject: str = ""


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """One condition on an agent's labels."""

    key: str
    operator: SelectorOperator
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Preference:
    """What an agent had better have; the greatest sum of weights goes first."""

    selector: LabelSelector
    weight: int


@dataclass(frozen=True, slots=True)
class Requirements:
    """What an agent must have to run a task. `resources` are held as long as the task is leased.

    With it goes what else tells the needs of tasks apart: what they prefer, and how long they may run at most
    (`run_limit_millis`, an upper bound, 0 for "no limit"), by which reserved slots are lent.
    """

    capabilities: tuple[str, ...] = ()
    selectors: tuple[LabelSelector, ...] = ()
    resources: Mapping[str, float] = field(default_factory=dict, hash=False)
    preferences: tuple[Preference, ...] = ()
    run_limit_millis: int = 0


@dataclass(frozen=True, slots=True)
class AgentProfile:
    """What an agent says of itself when it connects, as far as it decides what it may run. No load in it."""

    kinds: frozenset[str] = frozenset()
    queues: frozenset[str] = frozenset()  # Empty: it takes work from every queue.
    capabilities: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    resources: Mapping[str, float] = field(default_factory=dict, hash=False)


def mismatch(profile: AgentProfile, kind: str, *, queue: str, requirements: Requirements) -> Mismatch | None:
    """Return the first reason why the agent can never run such a task, even when idle; None if it can."""
    return next(mismatches(profile, kind, queue=queue, requirements=requirements), None)


def mismatches(profile: AgentProfile, kind: str, *, queue: str, requirements: Requirements) -> Iterator[Mismatch]:
    """Everything that keeps the agent from ever running such a task: kind, queue, capabilities, labels, resources."""
    if kind not in profile.kinds:
        yield Mismatch(FilterReason.KIND, kind)
    if profile.queues and queue not in profile.queues:
        yield Mismatch(FilterReason.QUEUE, queue)
    for capability in requirements.capabilities:
        if capability not in profile.capabilities:
            yield Mismatch(FilterReason.CAPABILITY, capability)
    for selector in requirements.selectors:
        if not selects(selector, profile.labels):
            yield Mismatch(FilterReason.LABEL, selector.key)
    for name, amount in requirements.resources.items():
        if not fits(amount, declared=profile.resources.get(name, 0.0), used=0.0):
            yield Mismatch(FilterReason.RESOURCE, name)


def missing_resource(
    needed: Mapping[str, float], *, declared: Mapping[str, float], used: Mapping[str, float]
) -> str | None:
    """Return the name of the first resource of which too little is left, None if all fit.

    A resource that the agent does not declare is one of which it has none. `used` holds everything that leases and
    reservations hold already.
    """
    for name, amount in needed.items():
        if not fits(amount, declared=declared.get(name, 0.0), used=used.get(name, 0.0)):
            return name
    return None


def fits(amount: float, *, declared: float, used: float) -> bool:
    """Whether `amount` more can be taken of a resource. Rounding of sums of doubles never decides it."""
    return used + amount <= declared + RESOURCE_TOLERANCE * declared


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Whether the labels meet the condition. GREATER and LESS hold only between two decimal numbers."""
    value = labels.get(selector.key)
    match selector.operator:
        case SelectorOperator.IN:
            return value is not None and value in selector.values
        case SelectorOperator.NOT_IN:
            return value is None or value not in selector.values
        case SelectorOperator.EXISTS:
            return value is not None
        case SelectorOperator.NOT_EXISTS:
            return value is None
        case SelectorOperator.GREATER:
            return _compares(value, selector.values, sign=1)
        case SelectorOperator.LESS:
            return _compares(value, selector.values, sign=-1)


def decimal_number(text: str) -> Decimal | None:
    """Read a decimal number ("3", "-0.5"; no exponent, no inf, no nan); None if it is not one."""
    return Decimal(text) if _DECIMAL_NUMBER.fullmatch(text) else None


def selector_fault(selector: LabelSelector) -> str | None:
    """Return what is wrong with the values of a selector, None if nothing is. For whoever takes tasks in."""
    match selector.operator:
        case SelectorOperator.IN | SelectorOperator.NOT_IN:
            return None if selector.values else "needs one or more values"
        case SelectorOperator.EXISTS | SelectorOperator.NOT_EXISTS:
            return "takes no values" if selector.values else None
        case SelectorOperator.GREATER | SelectorOperator.LESS:
            numeric = len(selector.values) == 1 and decimal_number(selector.values[0]) is not None
            return None if numeric else "needs exactly one decimal number"


def needs_id(kind: str, requirements: Requirements) -> str:
    """Name the set (kind, requirements): the same in every process, whatever order the parts were written in."""
    selectors = sorted(map(_selector, requirements.selectors))
    resources = [f"{_quoted([name])}={float(amount)!r}" for name, amount in sorted(requirements.resources.items())]
    parts = [_quoted([kind]), _quoted(sorted(requirements.capabilities)), _quoted(selectors), _quoted(resources)]
    if requirements.preferences or requirements.run_limit_millis:
        # Sets without them keep the names that they had before there were any.
        parts += [_quoted(sorted(map(_preference, requirements.preferences))), str(requirements.run_limit_millis)]
    canonical = "\n".join(parts)
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


def rounded_limit(micros: int) -> int:
    """A run time limit in milliseconds, rounded up to two digits: so there are few different ones. 0 stays 0."""
    millis = -(-micros // 1_000)
    unit: int = 10 ** max(0, len(str(millis)) - 2)
    return -(-millis // unit) * unit


def _selector(selector: LabelSelector) -> str:
    return _quoted([selector.key, selector.operator.name, *sorted(selector.values)])


def _preference(preference: Preference) -> str:
    return _quoted([_selector(preference.selector), str(preference.weight)])


def _compares(value: str | None, limits: tuple[str, ...], *, sign: int) -> bool:
    """Whether value > limit (sign 1) or value < limit (sign -1)."""
    number = None if value is None else decimal_number(value)
    limit = decimal_number(limits[0]) if len(limits) == 1 else None
    if number is None or limit is None:
        return False
    return sign * number > sign * limit


def _quoted(parts: Iterable[str]) -> str:
    """Join so that no two different lists give the same text."""
    return " ".join(f"{len(part)}:{part}" for part in parts)
