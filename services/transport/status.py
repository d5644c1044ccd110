"""Domain errors as gRPC statuses: one table, and the details that go with each.

A status always has an ErrorInfo (domain "missioncontrol", the error's reason and metadata), a BadRequest where fields
are at fault, and a RetryInfo where waiting helps.
"""

from __future__ import annotations

from collections.abc import Mapping

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from services.domain import errors
from services.transport import limits

ERROR_DOMAIN = "missioncontrol"
DETAILS_KEY = "grpc-status-details-bin"

CODES: Mapping[type[errors.MissionControlError], grpc.StatusCode] = {
    errors.InvalidArgument: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.FailedPrecondition: grpc.StatusCode.FAILED_PRECONDITION,
    errors.IncarnationSuperseded: grpc.StatusCode.FAILED_PRECONDITION,
    errors.SessionSuperseded: grpc.StatusCode.ABORTED,
    errors.ConversationUnknown: grpc.StatusCode.ABORTED,
    errors.SchedulerSuperseded: grpc.StatusCode.FAILED_PRECONDITION,
    errors.VersionMismatch: grpc.StatusCode.FAILED_PRECONDITION,
    errors.ResourceExhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.QueueRefused: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.QueueFull: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.QueueShedding: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.QueueThrottled: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.QueuePaused: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.SlowReader: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
}


def code_of(error: errors.MissionControlError) -> grpc.StatusCode:
    """The gRPC code of a domain error; a class that is not in the table counts as its nearest parent that is."""
    for ancestor in type(error).__mro__:
        if ancestor in CODES:
            return CODES[ancestor]
    return grpc.StatusCode.INTERNAL


def status_of(error: errors.MissionControlError) -> status_pb2.Status:
    """The whole status, as the trailing metadata carries it and as a batch's item shows it."""
    code: int = code_of(error).value[0]
    message = error.message[: limits.STATUS_MESSAGE_CHARACTERS_MAX]
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=ERROR_DOMAIN, metadata=error.metadata)
    details: list[Message] = [info]
    if isinstance(error, errors.InvalidArgument) and error.fields:
        details.append(_bad_request(error))
    if isinstance(error, errors.ResourceExhausted | errors.Unavailable):
        details.append(error_details_pb2.RetryInfo(retry_delay=_duration(error.retry_seconds)))
    return status_pb2.Status(code=code, message=message, details=[_packed(detail) for detail in details])


def trailing_metadata(status: status_pb2.Status) -> tuple[tuple[str, bytes], ...]:
    """The status as trailing metadata; without details if they would not fit what peers accept."""
    content: bytes = status.SerializeToString()
    if len(content) > 2 * limits.STATUS_DETAILS_BYTES_MAX:
        content = status_pb2.Status(code=status.code, message=status.message).SerializeToString()
    return ((DETAILS_KEY, content),)


def _bad_request(error: errors.InvalidArgument) -> error_details_pb2.BadRequest:
    request = error_details_pb2.BadRequest()
    for field, reason in error.fields[: limits.VIOLATIONS_MAX]:
        request.field_violations.add(field=field, description=reason)
        if request.ByteSize() > limits.STATUS_DETAILS_BYTES_MAX:
            del request.field_violations[-1]
            break
    return request


def _duration(seconds: float) -> duration_pb2.Duration:
    duration = duration_pb2.Duration()
    duration.FromMicroseconds(round(seconds * 1_000_000))
    return duration


def _packed(detail: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed
