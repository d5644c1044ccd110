"""From what a handler returned or raised to the outcome of its lease. Pure."""

from __future__ import annotations

import asyncio
import traceback

from missioncontrol import agent_limits as limits
from missioncontrol.agent_errors import HandlerError, StoppedWithOutput
from missioncontrol.context import TaskContext
from missioncontrol.errors import PayloadError
from missioncontrol.payload import encode_payload
from missioncontrol.plain_text import fit_text
from missioncontrol.session_outcome import Outcome
from missioncontrol.v1 import agent_service_pb2 as pb
from missioncontrol.v1 import task_pb2

_EMPTY = pb.Succeeded()
_OWN_FILES = ("/missioncontrol/dispatch.py", "/missioncontrol/handlers.py", "/missioncontrol/worker_threads.py")


def returned(value: object, context: TaskContext) -> Outcome:
    """The outcome of a handler that returned this."""
    if value is None and context.used is None:
        return _EMPTY
    try:
        output = encode_payload(value)
    except PayloadError as error:
        return _failed(task_pb2.FAILURE_REASON_ERROR, str(error), "OUTPUT_NOT_ENCODABLE", context)
    if len(output.data) > limits.PAYLOAD_BYTES_MAX:
        return _too_large(len(output.data), context)
    return pb.Succeeded(output=output, usage=context.used)


def invalid_input(error: Exception, context: TaskContext) -> Outcome:
    """The outcome of a task whose input does not fit its handler."""
    return _failed(task_pb2.FAILURE_REASON_INVALID_INPUT, str(error), "", context)


def raised(error: BaseException, context: TaskContext) -> Outcome:
    """The outcome of a handler that raised this. Never raises: an attempt without an outcome would never end."""
    try:
        return _raised(error, context)
    except Exception as broken:  # such as a HandlerError whose code is a number, or whose __init__ left it half made
        message = f"{type(error).__name__} was raised, and cannot be told: {_told(broken)}"
        return _failed(task_pb2.FAILURE_REASON_ERROR, message, type(error).__name__, context)


def _raised(error: BaseException, context: TaskContext) -> Outcome:
    if isinstance(error, StoppedWithOutput):
        return pb.Cancelled(output=_kept(error.output), usage=context.used)
    if isinstance(error, asyncio.CancelledError):
        return pb.Cancelled(usage=context.used)
    if isinstance(error, HandlerError):
        failure = _failure(error.reason, str(error), error.code)
        failure.permanent = error.permanent
        return pb.Failed(failure=failure, output=_kept(error.output), usage=context.used)
    if isinstance(error, MemoryError):
        return _failed(task_pb2.FAILURE_REASON_RESOURCE_EXHAUSTED, _told(error), type(error).__name__, context)
    return _failed(task_pb2.FAILURE_REASON_ERROR, _told(error), type(error).__name__, context)


def _kept(output: object) -> task_pb2.Payload | None:
    if output is None:
        return None
    try:
        payload = encode_payload(output)
    except PayloadError:
        return None  # The failure itself matters more than what should go with it.
    return payload if len(payload.data) <= limits.PAYLOAD_BYTES_MAX else None


def _too_large(size: int, context: TaskContext) -> Outcome:
    message = f"the output has {size} bytes; the limit is {limits.PAYLOAD_BYTES_MAX}: return an address of it instead"
    return _failed(task_pb2.FAILURE_REASON_RESOURCE_EXHAUSTED, message, "OUTPUT_TOO_LARGE", context)


def _failed(reason: task_pb2.FailureReason.ValueType, message: str, code: str, context: TaskContext) -> pb.Failed:
    return pb.Failed(failure=_failure(reason, message, code), usage=context.used)


def _failure(reason: task_pb2.FailureReason.ValueType, message: str, code: str) -> task_pb2.Failure:
    return task_pb2.Failure(
        reason=reason,
        message=fit_text(message, limits.FAILURE_MESSAGE_BYTES_MAX),
        code=fit_text(code, limits.FAILURE_CODE_BYTES_MAX),
    )


def _told(error: BaseException) -> str:
    """The exception in one line, then the innermost frames that are not the agent's own."""
    line = "".join(traceback.format_exception_only(error)).strip()
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.endswith(_OWN_FILES)][
        -limits.TRACEBACK_FRAMES_MAX :
    ]
    return "\n".join([line, *("".join(traceback.format_list([frame])).rstrip() for frame in frames)])
