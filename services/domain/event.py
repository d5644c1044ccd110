"""The entries of the activity feed, and positions in it.

Every committed change of a task, an agent or a queue has exactly one event, in the same transaction. The number of an
event is not part of this value: the journal gives it when it appends.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

from services.domain.errors import InvalidArgument
from services.domain.failure import Failure, Progress
from services.domain.requirements import WaitReason
from services.domain.stuck_group import StuckKey


class EventType(IntEnum):
    """What happened. The numbers are those of the wire."""

    TASK_CREATED = 1
    TASK_READY = 2
    TASK_LEASED = 3
    TASK_STARTED = 4
    TASK_PROGRESSED = 5
    TASK_CHECKPOINTED = 6
    TASK_REQUEUED = 7
    TASK_RETRYING = 8
    TASK_CANCEL_REQUESTED = 9
    TASK_SUCCEEDED = 10
    TASK_FAILED = 11
    TASK_CANCELLED = 12
    TASK_EXPIRED = 13
    TASK_UNBLOCKED = 14
    TASK_CHANGED = 15
    AGENT_CONNECTED = 20
    AGENT_DISCONNECTED = 21
    AGENT_OFFLINE = 22
    AGENT_CORDONED = 23
    AGENT_UNCORDONED = 24
    AGENT_DRAINING = 25
    AGENT_DRAINED = 26
    AGENT_RESUMED = 27
    QUEUE_UPDATED = 30
    QUEUE_PAUSED = 31
    QUEUE_RESUMED = 32
    QUEUE_STUCK = 33
    QUEUE_UNSTUCK = 34
    QUEUE_ADMISSION = 35
    SCHEDULE_UPDATED = 40
    SCHEDULE_FIRED = 41
    SCHEDULE_MISSED = 42
    SCHEDULE_DELETED = 43


class Stuck(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Tasks of a queue with the same priority and needs that cannot be placed, and why; NONE: they can again."""

    kind: str
    priority: int
    needs_id: str
    reason: WaitReason = WaitReason.NONE
    never: bool = False
    message: str = ""


# The message of an event that says, in the words of before, that an ordered drain was called off.
DRAIN_OVER = "its drain is over"


def in_older_words(type_: EventType, message: str, *, cordoned: bool) -> tuple[EventType | None, str]:
    """The event of an agent for a coordinator of a program before ROUTING_PROGRAM, which ends at types it cannot know.

    None if there is no word for it. What the agent is afterwards stands in its row in any case.
    """
    if type_ is EventType.AGENT_DRAINED:
        return None, ""
    if type_ is EventType.AGENT_RESUMED:
        return EventType.AGENT_CORDONED if cordoned else EventType.AGENT_UNCORDONED, DRAIN_OVER
    return type_, message


class EventData(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The part of an event that nobody searches by. Zero and empty mean "does not apply"."""

    version: int = 0
    from_state: int = 0
    to_state: int = 0
    token: int = 0
    failures: int = 0
    redeliveries: int = 0
    outcome: int = 0
    schedule_time: int = 0
    agent_state: int = 0
    priority: int = 0
    kind: str = ""
    retry_of: str = ""
    message: str = ""
    failure: Failure | None = None
    progress: Progress | None = None
    blockers: int = 0
    schedule: str = ""
    stuck: Stuck | None = None


class Event(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One committed change. `time` is microseconds since 1970 UTC by the database's clock."""

    type: EventType
    time: int
    namespace: str
    queue: str
    task_id: str
    agent_id: str
    data: EventData

    @property
    def changes_task(self) -> bool:
        """Whether it tells of a change of its task. A schedule's firing names its task, which has an event itself."""
        return bool(self.task_id) and not self.data.schedule

    @property
    def stuck_key(self) -> StuckKey | None:
        """Which tasks that cannot be placed, or can be again, it tells of; None if it does not."""
        stuck = self.data.stuck
        return None if stuck is None else (self.namespace, self.queue, stuck.priority, stuck.needs_id)


class Position(msgspec.Struct, frozen=True, gc=False):
    """A place in the feed: everything up to and including `sequence`, in one epoch of the database."""

    epoch: str
    sequence: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.sequence}"


def parse_position(text: str) -> Position:
    """Reads "<epoch>:<sequence>". Raises InvalidArgument for anything else."""
    epoch, separator, number = text.rpartition(":")
    if not separator or not epoch or not (number.isascii() and number.isdigit()) or len(number) > 18:
        reason = f'not a feed position ("<epoch>:<sequence>", as the feed gives it): {text[:80]!r}'
        raise InvalidArgument(reason, fields=[("after", reason)])
    return Position(epoch, int(number))
