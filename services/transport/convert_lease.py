"""Leases and reports: the work on an agent's stream, between the wire and the domain."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message
from missioncontrol.v1 import agent_service_pb2

from services.domain.commands import LeaseKey, Refusal, Report, ReportKind
from services.domain.ledger import Granted
from services.transport.convert_task import failure, progress
from services.transport.convert_time import duration, optional_duration, timestamp


def lease(
    granted: Granted,
    *,
    document: bytes,
    checkpoint: bytes = b"",
    make: Callable[..., agent_service_pb2.Lease] = agent_service_pb2.Lease,
) -> agent_service_pb2.Lease:
    """A lease for the wire. With `make=batch.leases.add` it is made inside its batch, which saves a copy."""
    row = granted.task
    message = make(
        task_id=row.id,
        token=row.token,
        failures=row.failures,
        ttl=duration(granted.ttl_micros),
        run_time_limit=optional_duration(row.run_limit_micros),
        create_time=timestamp(row.create_time),
        grant_time=timestamp(row.grant_time),
    )
    message.spec.MergeFromString(document)
    if checkpoint:
        message.checkpoint.MergeFromString(checkpoint)
    return message


def lease_reference(key: LeaseKey) -> agent_service_pb2.LeaseReference:
    """The name of a lease for the wire."""
    return agent_service_pb2.LeaseReference(task_id=key[0], token=key[1])


def lease_key(message: agent_service_pb2.LeaseReference) -> LeaseKey:
    """The name of a lease from the wire."""
    return (message.task_id, message.token)


def report(message: agent_service_pb2.Report) -> Report:
    """A valid report from the wire. The digest of an outcome names all that it says."""
    name = message.WhichOneof("event")
    assert name is not None, "the edge refuses a report without an event"
    if name == "started":
        return Report(message.number, message.task_id, message.token, ReportKind.STARTED)
    kind, read = _READERS[name]
    member = getattr(message, name)
    return Report(message.number, message.task_id, message.token, kind, **read(name, member))


def _read_progress(_name: str, member: Any) -> dict[str, Any]:
    return {"progress": progress(member)}


def _read_checkpoint(_name: str, member: Any) -> dict[str, Any]:
    return {"document": member.SerializeToString()}


def _read_ended(name: str, member: Any) -> dict[str, Any]:
    """An outcome of the work itself."""
    said: dict[str, Any] = {"digest": _digest(name, member)}
    if member.HasField("output"):
        said["document"] = member.output.SerializeToString()
    if member.HasField("usage"):
        said["usage"] = member.usage.SerializeToString()
    if name == "failed":
        said["failure"] = failure(member.failure)
    return said


def _read_given_back(name: str, member: Any) -> dict[str, Any]:
    """An outcome of the lease alone."""
    return {"digest": _digest(name, member), "message": member.message}


def _digest(name: str, member: Message) -> str:
    return hashlib.blake2b(
        member.SerializeToString(deterministic=True), digest_size=8, person=name.encode()
    ).hexdigest()


_READERS: dict[str, tuple[ReportKind, Callable[[str, Any], dict[str, Any]]]] = {
    "progress": (ReportKind.PROGRESS, _read_progress),
    "checkpoint": (ReportKind.CHECKPOINT, _read_checkpoint),
    "succeeded": (ReportKind.SUCCEEDED, _read_ended),
    "failed": (ReportKind.FAILED, _read_ended),
    "cancelled": (ReportKind.CANCELLED, _read_ended),
    "returned": (ReportKind.RETURNED, _read_given_back),
    "rejected": (ReportKind.REJECTED, _read_given_back),
}


def refusal(value: Refusal) -> agent_service_pb2.Refusal:
    """A refused report for the wire."""
    make: Any = agent_service_pb2.Refusal
    message: agent_service_pb2.Refusal = make(
        number=value.number, task_id=value.task_id, token=value.token, reason=value.reason, message=value.message
    )
    return message
