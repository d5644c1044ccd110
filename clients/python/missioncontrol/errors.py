"""What the SDK raises: one typed tree, read from `google.rpc.Status` where a service answered.

    MissionControlError
    ├── CallError                a service, or the way to it, refused a call: code, reason, metadata, fields
    │   ├── InvalidArgument      the request is wrong: `field_violations` says where
    │   ├── NotFound             no such thing in this namespace
    │   ├── AlreadyExists        the request id was used for another body
    │   ├── FailedPrecondition   right request, wrong moment: trying again will not help
    │   ├── Aborted              somebody newer took over
    │   ├── ResourceExhausted    a limit was reached: later
    │   │   └── QueueRefused     a queue takes no more tasks just now
    │   ├── PermissionDenied     this caller may not
    │   ├── Unauthenticated      this caller is not known
    │   ├── Unimplemented        the service is older than this client
    │   ├── Unavailable          nobody answered
    │   ├── DeadlineExceeded     no answer in time; a write may have happened: repeat it with the same request id
    │   └── Internal             a fault of the service
    ├── TaskError                a task ended, and not with success: `task` is the whole task
    │   ├── TaskFailed
    │   ├── TaskCancelled
    │   └── TaskExpired
    ├── BatchRefused             some tasks of a batch were refused: `errors` by index, `handles` of the others
    └── PayloadError             a value cannot become a payload, or a payload is not what it should be

Nothing here talks to the network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from missioncontrol.v1 import task_pb2

if TYPE_CHECKING:
    from missioncontrol.handle import TaskHandle

_DETAILS_KEY = "grpc-status-details-bin"


class MissionControlError(Exception):
    """The root of everything that the SDK raises by itself. Its text is for people."""


class PayloadError(MissionControlError):
    """A value cannot become a payload, or a payload cannot become the value that was asked for."""


@dataclass(frozen=True)
class FieldViolation:
    """One field of a request that was refused: its path, what is wrong, and the rule's id."""

    field: str
    description: str
    reason: str = ""


@dataclass(frozen=True)
class CallStatus:
    """A `google.rpc.Status`, read. `reason` is stable and for programs: the code's name where the service gave none.

    `explained` tells a service of Mission Control, which always says why, from a proxy or a broken connection.
    """

    code: grpc.StatusCode
    message: str
    reason: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    field_violations: tuple[FieldViolation, ...] = ()
    retry_seconds: float | None = None
    explained: bool = False


class CallError(MissionControlError):
    """A call was refused. The parts of the status are attributes; `retry_seconds` is set where waiting helps."""

    def __init__(self, status: CallStatus) -> None:
        super().__init__(_sentence(status))
        self.status = status

    @property
    def code(self) -> grpc.StatusCode:
        """The gRPC status code."""
        return self.status.code

    @property
    def reason(self) -> str:
        """The stable name of what went wrong, such as "REQUEST_ID_REUSED"."""
        return self.status.reason

    @property
    def message(self) -> str:
        """What the service said."""
        return self.status.message

    @property
    def metadata(self) -> Mapping[str, str]:
        """Further facts by name, from ErrorInfo."""
        return self.status.metadata

    @property
    def field_violations(self) -> tuple[FieldViolation, ...]:
        """The fields that were refused, from BadRequest."""
        return self.status.field_violations

    @property
    def retry_seconds(self) -> float | None:
        """How long the service asks to wait before trying again, from RetryInfo."""
        return self.status.retry_seconds


class InvalidArgument(CallError):
    """The request is wrong in itself."""


class NotFound(CallError):
    """There is no such thing in this namespace."""


class AlreadyExists(CallError):
    """The request id was used for another body; metadata `task_id` names the task that has it."""


class FailedPrecondition(CallError):
    """The state of things forbids it; trying the same again will not help."""


class Aborted(CallError):
    """Somebody newer took over (a lease, a session)."""


class ResourceExhausted(CallError):
    """A limit was reached; `retry_after` says when to try again."""

    @property
    def retry_after(self) -> timedelta | None:
        """How long the service asks to wait before trying again."""
        return timedelta(seconds=self.retry_seconds) if self.retry_seconds is not None else None


class QueueRefused(ResourceExhausted):
    """A queue takes no more tasks just now; nothing was submitted.

    `reason` is QUEUE_FULL, QUEUE_SHEDDING, QUEUE_THROTTLED or QUEUE_PAUSED. Try again after `retry_after` with the same
    request id, or submit with `wait_for_room`.
    """

    @property
    def queue(self) -> str:
        """The queue's name."""
        return self.metadata.get("queue", "")

    @property
    def pending(self) -> int | None:
        """How many tasks are pending in it, where that was the reason."""
        return int(self.metadata["pending"]) if "pending" in self.metadata else None


class PermissionDenied(CallError):
    """This caller may not do that."""


class Unauthenticated(CallError):
    """This caller did not say who it is, or is not known."""


class Unimplemented(CallError):
    """The service does not know this call: it is older than this client, or something else listens there."""


class Unavailable(CallError):
    """Nobody answered, or the service cannot do it here and now."""


class DeadlineExceeded(CallError):
    """No answer came in time. A write may have happened: repeated with the same request id it is done once."""


class Internal(CallError):
    """A fault of the service; its log has the whole story."""


_BY_CODE: Mapping[grpc.StatusCode, type[CallError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.OUT_OF_RANGE: InvalidArgument,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.ABORTED: Aborted,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhausted,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.UNIMPLEMENTED: Unimplemented,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.INTERNAL: Internal,
    grpc.StatusCode.DATA_LOSS: Internal,
    grpc.StatusCode.UNKNOWN: Internal,
}
_QUEUE_REASONS = frozenset({"QUEUE_FULL", "QUEUE_SHEDDING", "QUEUE_THROTTLED", "QUEUE_PAUSED"})
_CODES_BY_NUMBER: Mapping[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}


class BatchRefused(MissionControlError):
    """Some tasks of a batch were refused. `handles` has the accepted ones in the batch's order, None for the others."""

    def __init__(self, handles: Sequence[TaskHandle[Any] | None], errors: Mapping[int, CallError]) -> None:
        index, first = next(iter(errors.items()))
        super().__init__(f"{len(errors)} of {len(handles)} tasks were refused; the first, number {index}: {first}")
        self.handles = tuple(handles)
        self.errors = dict(errors)


class TaskError(MissionControlError):
    """A task ended without success. `task` is the whole task, with the failure and, where there is some, the output."""

    def __init__(self, task: task_pb2.Task) -> None:
        state = task_pb2.TaskState.Name(task.state).removeprefix("TASK_STATE_")
        said = f": {task.failure.message}" if task.failure.message else ""
        super().__init__(f"task {task.id} {state} ({failure_label(task.failure)}){said}")
        self.task = task

    @property
    def task_id(self) -> str:
        """The task's id."""
        return self.task.id

    @property
    def failure(self) -> task_pb2.Failure:
        """Why it ended so."""
        return self.task.failure

    @property
    def reason(self) -> str:
        """The class of the failure, such as "TIMEOUT"; empty if there is none."""
        return _failure_reason(self.task.failure)


class TaskFailed(TaskError):
    """The last allowed attempt failed, or the failure must not be retried."""


class TaskCancelled(TaskError):
    """The task was cancelled."""


class TaskExpired(TaskError):
    """No attempt started before the task's time limit for queueing ran out."""


_BY_STATE: Mapping[int, type[TaskError]] = {
    task_pb2.TASK_STATE_FAILED: TaskFailed,
    task_pb2.TASK_STATE_CANCELLED: TaskCancelled,
    task_pb2.TASK_STATE_EXPIRED: TaskExpired,
}


def task_error(task: task_pb2.Task) -> TaskError | None:
    """The error that a terminal task stands for; None for one that succeeded or has not ended."""
    kind = _BY_STATE.get(task.state)
    return kind(task) if kind is not None else None


def failure_label(failure: task_pb2.Failure) -> str:
    """A failure in a word or two: its reason, and the application's own code if there is one."""
    reason = _failure_reason(failure) or "no reason given"
    return f"{reason}, {failure.code}" if failure.code else reason


def call_error(error: grpc.RpcError) -> CallError:
    """Translates what grpc raised, with all that the service said about it. Works for grpc.aio and for grpc."""
    code = error.code()
    message = error.details() or ""
    details = _status_details(error)
    if details is None:
        return refusal(CallStatus(code=code, message=message, reason=code.name))
    return call_error_of_status(details)


def call_error_of_status(status: status_pb2.Status) -> CallError:
    """Translates a `google.rpc.Status`, such as one item's result of a batch."""
    code = _CODES_BY_NUMBER.get(status.code, grpc.StatusCode.UNKNOWN)
    info, request, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    retry_seconds = None
    for detail in status.details:
        if detail.Unpack(info) or detail.Unpack(request):
            continue
        if detail.Unpack(retry):
            retry_seconds = retry.retry_delay.ToTimedelta().total_seconds()
    return refusal(
        CallStatus(
            code=code,
            message=status.message,
            reason=info.reason or code.name,
            metadata=dict(info.metadata),
            field_violations=tuple(
                FieldViolation(field=each.field, description=each.description, reason=each.reason)
                for each in request.field_violations
            ),
            retry_seconds=retry_seconds,
            explained=True,
        )
    )


def _status_details(error: grpc.RpcError) -> status_pb2.Status | None:
    # The stubs say neither that this is None at times nor that it is iterable.
    trailing: Any = error.trailing_metadata()
    for key, value in trailing or ():
        if key == _DETAILS_KEY:
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                return None  # A proxy garbled it; the plain status still tells enough.
    return None


def refusal(status: CallStatus) -> CallError:
    """The error that stands for a status."""
    if status.code is grpc.StatusCode.RESOURCE_EXHAUSTED and status.reason in _QUEUE_REASONS:
        return QueueRefused(status)
    return _BY_CODE.get(status.code, CallError)(status)


def _sentence(status: CallStatus) -> str:
    label = status.code.name if status.reason == status.code.name else f"{status.code.name}, {status.reason}"
    said = status.message or "no message"
    fields = "; ".join(
        each.field if each.description in said else f"{each.field}: {each.description}"
        for each in status.field_violations
        if each.field not in said or each.description not in said
    )
    return f"{said} [{fields}] ({label})" if fields else f"{said} ({label})"


def _failure_reason(failure: task_pb2.Failure) -> str:
    if failure.reason == task_pb2.FAILURE_REASON_UNSPECIFIED:
        return ""
    return task_pb2.FailureReason.Name(failure.reason).removeprefix("FAILURE_REASON_")
