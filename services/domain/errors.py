"""The world's errors, as the domain names them. One table in `transport/status.py` maps them to gRPC.

    MissionControlError
    ├── InvalidArgument        the request itself is wrong: names fields
    ├── NotFound               no such thing in this namespace
    ├── AlreadyExists          the request id was used for another body
    ├── FailedPrecondition     right request, wrong moment: do not simply retry
    ├── IncarnationSuperseded  a newer process has this agent's id
    ├── SessionSuperseded      a newer stream of this agent took over
    ├── ConversationUnknown    the conversation that a call continues is over, or not here
    ├── SchedulerSuperseded    another scheduler was chosen since, or this one again
    ├── VersionMismatch        no protocol version that both sides speak
    ├── ResourceExhausted      a limit was reached: retry later
    │   └── QueueRefused       a queue takes no task now
    │       ├── QueueFull          its hard limit
    │       ├── QueueShedding      it is too deep, or was told to refuse tasks
    │       ├── QueueThrottled     its rate
    │       └── QueuePaused        it was told to stand still
    ├── SlowReader             a follower of the feed fell too far behind
    └── Unavailable            cannot be done here and now: retry, perhaps elsewhere

Our own mistakes are assertions, not errors of this tree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class MissionControlError(Exception):
    """Base of the tree. `reason` is stable and for programs, the message is for people."""

    reason = "INTERNAL"

    def __init__(self, message: str, **metadata: str) -> None:
        super().__init__(message)
        self.message = message
        self.metadata: Mapping[str, str] = metadata


class InvalidArgument(MissionControlError):
    """The request is wrong in itself. `fields` holds (path of the field, what is wrong with it)."""

    reason = "INVALID_ARGUMENT"

    def __init__(self, message: str, *, fields: Sequence[tuple[str, str]] = (), **metadata: str) -> None:
        super().__init__(message, **metadata)
        self.fields = tuple(fields)


class NotFound(MissionControlError):
    """There is no such thing in this namespace."""

    reason = "NOT_FOUND"


class AlreadyExists(MissionControlError):
    """The request id was used for another body; metadata `task_id` names the task that has it."""

    reason = "REQUEST_ID_REUSED"


class FailedPrecondition(MissionControlError):
    """The state of things forbids it; trying the same again will not help."""

    reason = "FAILED_PRECONDITION"


class IncarnationSuperseded(MissionControlError):
    """A newer process has this agent's id; the older one must exit."""

    reason = "INCARNATION_SUPERSEDED"


class SessionSuperseded(MissionControlError):
    """A newer stream of the same incarnation took over."""

    reason = "SESSION_SUPERSEDED"


class ConversationUnknown(MissionControlError):
    """A call continues a conversation that is over, or another coordinator's: the agent has to begin another one."""

    reason = "CONVERSATION_UNKNOWN"


class SchedulerSuperseded(MissionControlError):
    """Another scheduler was chosen since the term that the coordinator named; it has to look which one."""

    reason = "SCHEDULER_SUPERSEDED"


class VersionMismatch(MissionControlError):
    """There is no protocol version that both sides speak."""

    reason = "VERSION_MISMATCH"


class ResourceExhausted(MissionControlError):
    """A limit was reached; waiting helps. `retry_seconds` says how long."""

    reason = "RESOURCE_EXHAUSTED"

    def __init__(self, message: str, *, retry_seconds: float = 1.0, **metadata: str) -> None:
        super().__init__(message, **metadata)
        self.retry_seconds = retry_seconds


class QueueRefused(ResourceExhausted):
    """A queue takes no task now; metadata `queue` names it, `pending` and `limit` say how full it is."""

    reason = "QUEUE_REFUSED"


class QueueFull(QueueRefused):
    """The queue has as many pending tasks as it may have."""

    reason = "QUEUE_FULL"


class QueueShedding(QueueRefused):
    """The queue refuses tasks until it is less deep, or until its policy is changed."""

    reason = "QUEUE_SHEDDING"


class QueueThrottled(QueueRefused):
    """The queue takes tasks at a rate, and this one was too many."""

    reason = "QUEUE_THROTTLED"


class QueuePaused(QueueRefused):
    """The queue's policy makes it stand still: it takes nothing and grants nothing."""

    reason = "QUEUE_PAUSED"


class SlowReader(MissionControlError):
    """A follower of the feed fell too far behind; it connects again after its last position."""

    reason = "SLOW_READER"


class Unavailable(MissionControlError):
    """It cannot be done here and now; trying again, perhaps elsewhere, helps."""

    reason = "UNAVAILABLE"

    def __init__(self, message: str, *, retry_seconds: float = 0.5, **metadata: str) -> None:
        super().__init__(message, **metadata)
        self.retry_seconds = retry_seconds
