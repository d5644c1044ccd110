"""Queues and their policies, between the wire and the domain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from google.protobuf.unknown_fields import UnknownFieldSet
from missioncontrol.v1 import queue_pb2

from services.domain.errors import InvalidArgument
from services.domain.policy import (
    HOUR_MICROS,
    AdmissionPolicy,
    AdmissionState,
    Affinity,
    AffinityWait,
    Lane,
    Limits,
    QueuePolicy,
    ReservedPool,
    Strategy,
    faults,
)
from services.domain.queue import Queue
from services.transport import convert_selector
from services.transport.convert_time import duration_micros, optional_duration, optional_timestamp


def checked_policy(message: queue_pb2.QueuePolicy) -> QueuePolicy:
    """A policy that somebody asks for. Raises InvalidArgument for one that cannot be carried out, with every field.

    An option of a later version is refused, too: it would get lost.
    """
    unknown = sorted({field.field_number for field in cast(Iterable[Any], UnknownFieldSet(message))})
    if unknown:
        reason = f"has an option that this coordinator does not know (field {', '.join(map(str, unknown))})"
        raise InvalidArgument(f"policy: {reason}", fields=[("policy", reason)])
    policy = queue_policy(message)
    found = list(faults(policy))
    if found:
        raise InvalidArgument("; ".join(f"{field}: {reason}" for field, reason in found), fields=found)
    return policy


def queue_policy(message: queue_pb2.QueuePolicy) -> QueuePolicy:
    """A policy from the wire, as it is."""
    return QueuePolicy(
        strategy=Strategy(message.strategy or Strategy.CENTRAL_QUEUE),
        lease_ttl_micros=duration_micros(message.lease_ttl, field="policy.lease_ttl"),
        queue_limit_micros=duration_micros(message.default_queue_time_limit, field="policy.default_queue_time_limit"),
        run_limit_micros=duration_micros(message.default_run_time_limit, field="policy.default_run_time_limit"),
        weight_label=message.round_robin.weight_label,
        affinity=affinity(message.affinity),
        lanes=tuple(sorted(map(lane, message.lanes), key=lambda value: -value.priority_min)),
        fairness=dict(message.fairness.weights) if message.HasField("fairness") else None,
        limits=Limits(
            message.limits.leases_max,
            message.limits.leases_per_key_max,
            message.limits.leases_per_second,
            message.limits.burst,
        ),
        admission=admission(message.admission),
    )


def affinity(message: queue_pb2.AffinityPolicy) -> Affinity:
    """An affinity policy from the wire."""
    return Affinity(
        mode=AffinityWait(message.mode or AffinityWait.NEVER),
        wait_micros=duration_micros(message.wait, field="policy.affinity.wait"),
        warm_micros=duration_micros(message.warm_time, field="policy.affinity.warm_time") or HOUR_MICROS,
        selectors=tuple(map(convert_selector.selector, message.selectors)),
    )


def lane(message: queue_pb2.Lane) -> Lane:
    """A lane from the wire."""
    field = f"policy.lanes[{message.name}]"
    pool = None
    if message.HasField("reserved"):
        pool = ReservedPool(
            selectors=tuple(map(convert_selector.selector, message.reserved.selectors)),
            agents_max=message.reserved.agents_max,
            slots_per_agent=message.reserved.slots_per_agent,
            give_back_micros=duration_micros(message.reserved.give_back, field=f"{field}.reserved.give_back"),
        )
    max_wait = duration_micros(message.max_wait, field=f"{field}.max_wait")
    return Lane(message.name, message.priority_min, message.weight, max_wait, pool)


def admission(message: queue_pb2.AdmissionPolicy) -> AdmissionPolicy:
    """Backpressure from the wire."""
    return AdmissionPolicy(
        state=AdmissionState(message.state),
        throttle_pending=message.throttle_pending,
        submits_per_second=message.submits_per_second,
        shed_pending=message.shed_pending,
        exempt_priority=message.exempt_priority if message.HasField("exempt_priority") else None,
        pending_max=message.pending_max,
    )


def queue(value: Queue) -> queue_pb2.Queue:
    """A queue for the wire."""
    return queue_pb2.Queue(
        namespace=value.namespace,
        name=value.name,
        policy=policy_message(value.policy),
        paused=value.paused,
        version=value.version,
        update_time=optional_timestamp(value.update_time),
    )


def policy_message(policy: QueuePolicy) -> queue_pb2.QueuePolicy:
    """A policy for the wire. Parts that are at their defaults are left out."""
    make: Any = queue_pb2.QueuePolicy
    message: queue_pb2.QueuePolicy = make(
        strategy=policy.strategy,
        lease_ttl=optional_duration(policy.lease_ttl_micros),
        default_queue_time_limit=optional_duration(policy.queue_limit_micros),
        default_run_time_limit=optional_duration(policy.run_limit_micros),
        lanes=map(lane_message, policy.lanes),
    )
    if policy.weight_label:
        message.round_robin.weight_label = policy.weight_label
    if policy.affinity != Affinity():
        message.affinity.CopyFrom(affinity_message(policy.affinity))
    if policy.fairness is not None:
        message.fairness.SetInParent()
        message.fairness.weights.update(policy.fairness)
    limits = policy.limits
    if limits != Limits():
        message.limits.leases_max = limits.leases_max
        message.limits.leases_per_key_max = limits.leases_per_key_max
        message.limits.leases_per_second = limits.leases_per_second
        message.limits.burst = limits.burst
    if policy.admission != AdmissionPolicy():
        message.admission.CopyFrom(admission_message(policy.admission))
    return message


def affinity_message(value: Affinity) -> queue_pb2.AffinityPolicy:
    """An affinity policy for the wire."""
    make: Any = queue_pb2.AffinityPolicy
    message: queue_pb2.AffinityPolicy = make(
        mode=value.mode,
        wait=optional_duration(value.wait_micros),
        warm_time=optional_duration(value.warm_micros if value.warm_micros != HOUR_MICROS else 0),
        selectors=map(convert_selector.message, value.selectors),
    )
    return message


def lane_message(value: Lane) -> queue_pb2.Lane:
    """A lane for the wire."""
    make: Any = queue_pb2.Lane
    message: queue_pb2.Lane = make(
        name=value.name,
        priority_min=value.priority_min,
        weight=value.weight,
        max_wait=optional_duration(value.max_wait_micros),
    )
    pool = value.reserved
    if pool is not None:
        reserve: Any = queue_pb2.ReservedPool
        message.reserved.CopyFrom(
            reserve(
                selectors=map(convert_selector.message, pool.selectors),
                agents_max=pool.agents_max,
                slots_per_agent=pool.slots_per_agent,
                give_back=optional_duration(pool.give_back_micros),
            )
        )
    return message


def admission_message(value: AdmissionPolicy) -> queue_pb2.AdmissionPolicy:
    """Backpressure for the wire."""
    return queue_pb2.AdmissionPolicy(
        state=queue_pb2.AdmissionState.ValueType(value.state),
        throttle_pending=value.throttle_pending,
        submits_per_second=value.submits_per_second,
        shed_pending=value.shed_pending,
        exempt_priority=value.exempt_priority,
        pending_max=value.pending_max,
    )
