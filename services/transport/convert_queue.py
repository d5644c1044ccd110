"""Queues and their policies, between the wire and the domain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from google.protobuf.unknown_fields import UnknownFieldSet
from missioncontrol.v1 import queue_pb2

from services.domain.errors import InvalidArgument
from services.domain.queue import Queue, QueuePolicy
from services.transport.convert_time import duration_micros, optional_duration, optional_timestamp


def queue_policy(message: queue_pb2.QueuePolicy) -> QueuePolicy:
    """A valid policy from the wire. Raises InvalidArgument for an option of a later version, which would get lost."""
    unknown = sorted({field.field_number for field in cast(Iterable[Any], UnknownFieldSet(message))})
    if unknown:
        reason = f"has an option that this coordinator does not know (field {', '.join(map(str, unknown))})"
        raise InvalidArgument(f"policy: {reason}", fields=[("policy", reason)])
    return QueuePolicy(
        strategy=message.strategy or queue_pb2.ROUTING_STRATEGY_CENTRAL_QUEUE,
        lease_ttl_micros=duration_micros(message.lease_ttl, field="policy.lease_ttl"),
        queue_limit_micros=duration_micros(message.default_queue_time_limit, field="policy.default_queue_time_limit"),
        run_limit_micros=duration_micros(message.default_run_time_limit, field="policy.default_run_time_limit"),
    )


def queue(value: Queue) -> queue_pb2.Queue:
    """A queue for the wire."""
    policy = value.policy
    make: Any = queue_pb2.QueuePolicy
    return queue_pb2.Queue(
        namespace=value.namespace,
        name=value.name,
        policy=make(
            strategy=policy.strategy,
            lease_ttl=optional_duration(policy.lease_ttl_micros),
            default_queue_time_limit=optional_duration(policy.queue_limit_micros),
            default_run_time_limit=optional_duration(policy.run_limit_micros),
        ),
        paused=value.paused,
        version=value.version,
        update_time=optional_timestamp(value.update_time),
    )
