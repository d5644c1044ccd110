"""The Python SDK of Mission Control: submit tasks with `Client`, run them with `Agent`.

What is named here is loaded when it is first used, so that `import missioncontrol` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from missioncontrol.agent import Agent
    from missioncontrol.agent_errors import AgentError, AgentRefused, AgentSuperseded, HandlerError, PermanentError
    from missioncontrol.calls.events import FeedReset
    from missioncontrol.client import Client
    from missioncontrol.command import CommandInput, CommandOutput
    from missioncontrol.command_executor import CommandSettings
    from missioncontrol.context import TaskContext
    from missioncontrol.errors import (
        Aborted,
        AlreadyExists,
        BatchRefused,
        CallError,
        DeadlineExceeded,
        FailedPrecondition,
        FieldViolation,
        Internal,
        InvalidArgument,
        MissionControlError,
        NotFound,
        PayloadError,
        PermissionDenied,
        QueueRefused,
        ResourceExhausted,
        TaskCancelled,
        TaskError,
        TaskExpired,
        TaskFailed,
        Unauthenticated,
        Unavailable,
        Unimplemented,
    )
    from missioncontrol.handle import TaskHandle
    from missioncontrol.requests import RetryPolicy, task_request

__version__ = "0.1.0"

__all__ = [
    "Aborted",
    "Agent",
    "AgentError",
    "AgentRefused",
    "AgentSuperseded",
    "AlreadyExists",
    "BatchRefused",
    "CallError",
    "Client",
    "CommandInput",
    "CommandOutput",
    "CommandSettings",
    "DeadlineExceeded",
    "FailedPrecondition",
    "FeedReset",
    "FieldViolation",
    "HandlerError",
    "Internal",
    "InvalidArgument",
    "MissionControlError",
    "NotFound",
    "PayloadError",
    "PermanentError",
    "PermissionDenied",
    "QueueRefused",
    "ResourceExhausted",
    "RetryPolicy",
    "TaskCancelled",
    "TaskContext",
    "TaskError",
    "TaskExpired",
    "TaskFailed",
    "TaskHandle",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "task_request",
]

_HOMES = {
    "Agent": "missioncontrol.agent",
    "AgentError": "missioncontrol.agent_errors",
    "AgentRefused": "missioncontrol.agent_errors",
    "AgentSuperseded": "missioncontrol.agent_errors",
    "Client": "missioncontrol.client",
    "CommandInput": "missioncontrol.command",
    "CommandOutput": "missioncontrol.command",
    "CommandSettings": "missioncontrol.command_executor",
    "FeedReset": "missioncontrol.calls.events",
    "HandlerError": "missioncontrol.agent_errors",
    "PermanentError": "missioncontrol.agent_errors",
    "RetryPolicy": "missioncontrol.requests",
    "TaskContext": "missioncontrol.context",
    "TaskHandle": "missioncontrol.handle",
    "task_request": "missioncontrol.requests",
}
_HOME_OF_THE_REST = "missioncontrol.errors"


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES.get(name, _HOME_OF_THE_REST)), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
