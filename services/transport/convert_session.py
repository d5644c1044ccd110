"""What the coordinator says first on an agent's stream, between the domain and the wire."""

from __future__ import annotations

from collections.abc import Sequence

from missioncontrol.v1 import agent_service_pb2 as wire

from services.domain.agent import DrainMode
from services.domain.commands import Admission
from services.domain.session import Intervals
from services.transport.convert_lease import lease_reference
from services.transport.convert_time import duration


def welcome(
    admission: Admission,
    *,
    version: int,
    intervals: Intervals,
    coordinator_id: str,
    coordinators: Sequence[str],
    now: int,
) -> wire.CoordinatorMessage:
    """The answer to Hello, with the orders that were given while the agent was away.

    `now` is microseconds since 1970 UTC.
    """
    orders = wire.Orders()
    for task in admission.kept:
        if task.cancel_request_time:
            orders.cancel.add(task_id=task.id, token=task.token)
    orders.resume = admission.drain_mode is DrainMode.NONE
    if not orders.resume:
        put_drain(orders, admission.drain_mode, drain_time=admission.drain_time, now=now)
    return wire.CoordinatorMessage(
        welcome=wire.Welcome(
            protocol_version=version,
            session=admission.session,
            keep=[lease_reference((task.id, task.token)) for task in admission.kept],
            drop=[lease_reference(lease) for lease in admission.dropped],
            heartbeat_interval=duration(int(intervals.heartbeat * 1e6)),
            echo_timeout=duration(int(intervals.echo_timeout * 1e6)),
            lease_ttl=duration(int(intervals.lease_ttl * 1e6)),
            reconnect_jitter_max=duration(int(intervals.reconnect_jitter_max * 1e6)),
            coordinators=coordinators,
            coordinator_id=coordinator_id,
            orders=orders,
        )
    )


def put_drain(orders: wire.Orders, mode: DrainMode, *, drain_time: int, now: int) -> None:
    """Adds an ordered drain; its deadline travels as the time that is left."""
    orders.drain.mode = wire.DrainMode.ValueType(mode)
    if drain_time:
        orders.drain.time_limit.CopyFrom(duration(max(drain_time - now, 0)))
