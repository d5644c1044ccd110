"""Backpressure: whether a queue takes a new task, and when its state changes.

The depth of a queue is the number of its pending tasks. A flush gets a `Gate` for each queue whose policy may refuse a
task: what this coordinator knew of it when the flush began. The fold counts on from there, so a limit is exact within a
batch and within a flush. Only submits are refused: a task that was accepted once always comes back into its queue.
"""

from __future__ import annotations

import msgspec

from services.domain.commands import NewTask, ReviewAdmission
from services.domain.errors import QueueFull, QueuePaused, QueueRefused, QueueShedding, QueueThrottled
from services.domain.event import EventType
from services.domain.gate import Gate
from services.domain.ledger import Ledger, Touches
from services.domain.limits import (
    REFUSED_RETRY_SECONDS,
    THROTTLED_RETRY_SECONDS_MAX,
    THROTTLED_RETRY_SECONDS_MIN,
)
from services.domain.membership import ROUTING_PROGRAM
from services.domain.policy import AdmissionPolicy, AdmissionState
from services.domain.queue import Queue, QueueKey
from services.domain.retry import spread


def state_at(policy: AdmissionPolicy, current: AdmissionState, *, pending: int) -> AdmissionState:
    """The state of a queue at a depth: set by hand, or by the depth, left below nine tenths of where it began."""
    if policy.state is not AdmissionState.BY_DEPTH:
        return policy.state
    limits = ((AdmissionState.SHED, policy.shed_pending), (AdmissionState.THROTTLE, policy.throttle_pending))
    for state, limit in limits:
        if limit and (pending >= limit or (current >= state and 10 * pending >= 9 * limit)):
            return state
    return AdmissionState.NORMAL


def touch_review(command: ReviewAdmission, touches: Touches) -> None:
    """What a review reads: the queue, and how deep it is."""
    touches.queues.add(command.queue)
    touches.gated.add(command.queue)


def review_admission(ledger: Ledger, command: ReviewAdmission) -> None:
    """Notes the state that a queue has at its present depth."""
    review(ledger, command.queue)


def review(ledger: Ledger, key: QueueKey) -> Queue:
    """The queue in the state that it has now. One that changes is written, with the event of the change."""
    queue = ledger.queue(key)
    policy = queue.policy.admission
    gate = gate_of(ledger, key)
    if gate is None and policy.by_depth:
        return queue  # nobody has counted it
    if ledger.program < ROUTING_PROGRAM:
        return queue  # an older coordinator could not read of it
    pending = gate.pending if gate is not None else 0
    state = state_at(policy, queue.admission, pending=pending)
    if state is queue.admission:
        return queue
    after = msgspec.structs.replace(queue, admission=state, version=queue.version + 1)
    why = f"{pending} pending" if policy.by_depth else "by the policy"
    ledger.put_queue(after, EventType.QUEUE_ADMISSION, message=f"{state.name.lower()}: {why}")
    return after


def gate_of(ledger: Ledger, key: QueueKey) -> Gate | None:
    """What is known of a queue at this point of the flush; None if it refuses nothing."""
    gate = ledger.gates.get(key)
    if gate is not None:
        ledger.gates.catch_up(ledger.events)
    return gate


def refusal(ledger: Ledger, new: NewTask) -> QueueRefused | None:
    """Why a queue does not take a new task now; None if it does. A task that is taken uses up a part of the rate."""
    key = (new.namespace, new.queue)
    gate = gate_of(ledger, key)
    if gate is None:
        return None
    queue = review(ledger, key)
    policy = queue.policy.admission
    refused = closed(queue, gate, new) or throttled(queue, gate, new)
    if refused is not None:
        gate.refused += 1
    elif queue.admission is AdmissionState.THROTTLE and not is_exempt(policy, new):
        gate.taken += 1
    return refused


def closed(queue: Queue, gate: Gate, new: NewTask) -> QueueRefused | None:
    """Why the queue takes no task like this one at all; None if it may take it."""
    policy = queue.policy.admission
    seconds = REFUSED_RETRY_SECONDS * (1 + spread(new.id))
    if queue.admission is AdmissionState.PAUSE:
        why = f"queue {queue.name} takes no tasks and grants none: its policy says PAUSE"
        return QueuePaused(why, retry_seconds=2 * seconds, queue=queue.name)
    if policy.pending_max and gate.pending >= policy.pending_max:
        why = f"queue {queue.name} is full: {gate.pending} pending, and its limit is {policy.pending_max}"
        return QueueFull(why, retry_seconds=seconds, **facts(queue, gate, policy.pending_max))
    if queue.admission is not AdmissionState.SHED or is_exempt(policy, new):
        return None
    if not policy.by_depth:
        why = f"queue {queue.name} refuses tasks: its policy says SHED"
        return QueueShedding(why, retry_seconds=2 * seconds, queue=queue.name)
    why = f"queue {queue.name} sheds load: {gate.pending} pending, and it sheds from {policy.shed_pending} on"
    return QueueShedding(why, retry_seconds=seconds, **facts(queue, gate, policy.shed_pending))


def throttled(queue: Queue, gate: Gate, new: NewTask) -> QueueRefused | None:
    """The same for the rate of a queue that throttles."""
    policy = queue.policy.admission
    if queue.admission is not AdmissionState.THROTTLE or is_exempt(policy, new) or gate.tokens - gate.taken >= 1:
        return None
    # Those that were refused before in this flush come before it; who comes back is spread over the time of one more.
    ahead = 1 - (gate.tokens - gate.taken) + gate.refused
    seconds = max(THROTTLED_RETRY_SECONDS_MIN, ahead / policy.submits_per_second) * (1 + spread(new.id))
    why = f"queue {queue.name} is throttled: it takes {policy.submits_per_second:g} tasks a second now"
    seconds = min(seconds, THROTTLED_RETRY_SECONDS_MAX)
    return QueueThrottled(why, retry_seconds=seconds, **facts(queue, gate, policy.throttle_pending))


def is_exempt(policy: AdmissionPolicy, new: NewTask) -> bool:
    """Whether SHED and THROTTLE do not hold for a task."""
    return policy.exempt_priority is not None and new.priority >= policy.exempt_priority


def facts(queue: Queue, gate: Gate, limit: int) -> dict[str, str]:
    """What programs may want to know of a refusal. A limit is left out where there is none."""
    told = {"queue": queue.name}
    if queue.policy.admission.counts:
        told["pending"] = str(gate.pending)
    if limit:
        told["limit"] = str(limit)
    return told
