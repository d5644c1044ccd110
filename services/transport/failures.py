"""How a call that did not go well ends: which status its peer gets, and what is logged.

A domain error becomes its status. A peer that went away, or a call that was cancelled, is a debug line. Everything
else is our own mistake: logged whole, shown as INTERNAL with nothing in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import structlog
from google.rpc import status_pb2

from services.domain.errors import MissionControlError, Unavailable
from services.transport.status import code_of, status_of, trailing_metadata

log = structlog.get_logger()

End = Callable[[], Awaitable[None]]
_INTERNAL = MissionControlError("internal error; the server's log has the details")


def answer(error: BaseException, context: Any, *, method: str) -> tuple[str, End]:
    """(name of the status code, what to await to end the call with it).

    The awaitable raises grpc's AbortError where there is a status to send, and returns where the error must just go on.
    """
    if isinstance(error, grpc.aio.AbortError):
        return _name(context.code()), _nothing
    if isinstance(error, asyncio.CancelledError) and _is_cancelled():
        log.debug("rpc cancelled", rpc_method=method)
        return "CANCELLED", _nothing
    if isinstance(error, grpc.aio.InternalError):
        log.debug("peer went away", rpc_method=method, error=str(error))
        return "CANCELLED", _nothing
    if not isinstance(error, Exception | asyncio.CancelledError):
        return "INTERNAL", _nothing
    known = _domain_error(error)
    if known is None:
        log.error("rpc failed", rpc_method=method, exc_info=error)
        known = _INTERNAL
    return code_of(known).name, _abort(context, known)


def _domain_error(error: BaseException) -> MissionControlError | None:
    """The domain error that `error` is, or that a task group was ended by; None if anything else is among them."""
    if isinstance(error, asyncio.CancelledError):
        # Not this call was cancelled but what it waited for: a loop of ours was stopped under it.
        return Unavailable("the server is stopping")
    if isinstance(error, MissionControlError):
        return error
    if isinstance(error, BaseExceptionGroup):
        known = [_domain_error(inner) for inner in error.exceptions]
        return None if None in known else known[0]
    return None


def _abort(context: Any, error: MissionControlError) -> End:
    async def end() -> None:
        status: status_pb2.Status = status_of(error)
        await context.abort(code_of(error), status.message, trailing_metadata(status))

    return end


async def _nothing() -> None:
    return


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _name(code: Any) -> str:
    if isinstance(code, grpc.StatusCode):
        return code.name
    return next((status.name for status in grpc.StatusCode if status.value[0] == code), "UNKNOWN")
