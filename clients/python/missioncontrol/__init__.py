"""The Python SDK of Mission Control: submit tasks with `Client`, run them with `Agent`.

What is named here is loaded when it is first used, so that `import missioncontrol` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from missioncontrol.errors import (
        Aborted,
        AlreadyExists,
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
        ResourceExhausted,
        TaskCancelled,
        TaskError,
        TaskExpired,
        TaskFailed,
        Unauthenticated,
        Unavailable,
        Unimplemented,
    )

__version__ = "0.1.0"

_HOMES = {
    "missioncontrol.errors": (
        "Aborted",
        "AlreadyExists",
        "CallError",
        "DeadlineExceeded",
        "FailedPrecondition",
        "FieldViolation",
        "Internal",
        "InvalidArgument",
        "MissionControlError",
        "NotFound",
        "PayloadError",
        "PermissionDenied",
        "ResourceExhausted",
        "TaskCancelled",
        "TaskError",
        "TaskExpired",
        "TaskFailed",
        "Unauthenticated",
        "Unavailable",
        "Unimplemented",
    ),
    "missioncontrol.agent": ("Agent",),
    "missioncontrol.client": ("Client",),
    "missioncontrol.context": ("TaskContext",),
    "missioncontrol.handle": ("TaskHandle",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})
