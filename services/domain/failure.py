"""What a failure is, and what may become of an attempt."""

from __future__ import annotations

from enum import IntEnum

import msgspec


class FailureReason(IntEnum):
    """The class of a failure. The numbers are those of the wire."""

    UNSPECIFIED = 0
    ERROR = 1
    TIMEOUT = 2
    DEAD_LETTER = 3
    INVALID_INPUT = 4
    NOT_STARTED = 5
    RESOURCE_EXHAUSTED = 6
    QUEUE_TIMEOUT = 7
    DEPENDENCY = 8


class AttemptOutcome(IntEnum):
    """What became of an attempt. The numbers are those of the wire."""

    UNSPECIFIED = 0
    SUCCEEDED = 1
    FAILED = 2
    CANCELLED = 3
    RETURNED = 4
    REJECTED = 5
    LOST = 6
    UNDELIVERED = 7


class Failure(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Why something failed, as the agent or the coordinator saw it."""

    reason: int
    message: str = ""
    code: str = ""
    permanent: bool = False


class Progress(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How far an attempt is; `fraction` is between 0 and 1, or None."""

    fraction: float | None = None
    message: str = ""


class Attempt(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False):
    """An attempt that has ended: what is kept of a lease. `output` and `usage` are opaque documents of the wire.

    `digest` names the outcome as it was reported, so that the same report, sent again, is known again. It is empty if
    the coordinator ended the attempt by itself.
    """

    task_id: str
    token: int
    agent_id: str
    incarnation: str
    grant_time: int
    start_time: int
    end_time: int
    outcome: AttemptOutcome
    digest: str = ""
    failure: Failure | None = None
    output: bytes = b""
    usage: bytes = b""
