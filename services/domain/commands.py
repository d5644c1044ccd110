"""What the journal is asked to do, as values. Each names beforehand what must be read for it; `fold.py` says what it
does.

A command belongs to one caller and gets one answer. The commands of a flush are folded in the order of their arrival.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import msgspec

from services.domain.agent import Agent, AgentKey, Declaration, DrainMode
from services.domain.errors import MissionControlError
from services.domain.failure import AttemptOutcome, Failure, Progress
from services.domain.policy import QueuePolicy
from services.domain.queue import QueueKey
from services.domain.requirements import LabelSelector, Requirements
from services.domain.retry import RetryPolicy
from services.domain.schedule_commands import ScheduleCommand
from services.domain.task import Task
from services.domain.task_changes import ChangeTasks

LeaseKey = tuple[str, int]  # (task id, token)
RequestKey = tuple[str, str]  # (namespace, request id)


class NewTask(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A task as it was submitted. `has_dependents`: others of the same command depend on it, and come behind it.

    `document` is the spec as the wire carries it, opaque here; `digest` names its content.
    """

    id: str
    namespace: str
    queue: str
    kind: str
    priority: int
    needs_id: str
    requirements: Requirements
    affinity_key: str = ""
    fairness_key: str = ""
    depends_on: tuple[str, ...] = ()
    dependency_policy: int = 0
    has_dependents: bool = False
    not_before_time: int = 0
    queue_limit_micros: int = 0
    run_limit_micros: int = 0
    retry: RetryPolicy | None = None
    retry_of: str = ""
    request_id: str = ""
    digest: str = ""
    labels: dict[str, str] = {}
    document: bytes = b""


class CreateTasks(msgspec.Struct, frozen=True):
    """Submit. Answer: for each task a Created or the error that keeps it out.

    `placements` names, for each task, the agent that it may go to at once (None: the scheduler has to be asked). It is
    as long as `tasks`, or empty.
    """

    tasks: Sequence[NewTask]
    placements: Sequence[Placement | None] = ()


class Created(msgspec.Struct, frozen=True, gc=False):
    """An accepted submit. `task` is None for an earlier submit with the same request id, which `task_id` names."""

    task_id: str
    task: Task | None

    @property
    def deduplicated(self) -> bool:
        """Whether the task is of an earlier submit."""
        return self.task is None


CreateAnswer = Created | MissionControlError


class CancelTask(msgspec.Struct, frozen=True):
    """Cancel. Answer: the task afterwards."""

    namespace: str
    task_id: str
    reason: str = ""


class PlacementOutcome(IntEnum):
    """What became of a placement. The numbers are those of the wire."""

    GRANTED = 1
    TASK_GONE = 2
    NOT_VISIBLE = 3
    AGENT_FULL = 4
    AGENT_GONE = 5
    AGENT_NOT_ACCEPTING = 6
    QUEUE_PAUSED = 7
    INELIGIBLE = 8


class Placement(msgspec.Struct, frozen=True, gc=False):
    """A task should go to an agent, as the scheduler saw it."""

    number: int
    task_id: str
    agent_id: str
    session: int
    # The task's namespace, and so the agent's. Empty where only the task itself tells it.
    namespace: str = ""


class GrantLeases(msgspec.Struct, frozen=True):
    """Grant. `agents` are those that the placements name. Answer: an outcome for each placement, in order."""

    placements: Sequence[Placement]
    agents: Sequence[AgentKey]


class ReportKind(IntEnum):
    """What a report says."""

    STARTED = 1
    PROGRESS = 2
    CHECKPOINT = 3
    SUCCEEDED = 4
    FAILED = 5
    CANCELLED = 6
    RETURNED = 7
    REJECTED = 8


# The reports that end an attempt, and the outcome that they report.
OUTCOMES: dict[ReportKind, AttemptOutcome] = {
    ReportKind.SUCCEEDED: AttemptOutcome.SUCCEEDED,
    ReportKind.FAILED: AttemptOutcome.FAILED,
    ReportKind.CANCELLED: AttemptOutcome.CANCELLED,
    ReportKind.RETURNED: AttemptOutcome.RETURNED,
    ReportKind.REJECTED: AttemptOutcome.REJECTED,
}


class Report(msgspec.Struct, frozen=True, gc=False):
    """One thing that happened to a lease. `digest` names the content of an outcome; documents are opaque here."""

    number: int
    task_id: str
    token: int
    kind: ReportKind
    digest: str = ""
    failure: Failure | None = None
    progress: Progress | None = None
    document: bytes = b""  # the output, or the checkpoint
    usage: bytes = b""
    message: str = ""


class ApplyReports(msgspec.Struct, frozen=True):
    """An agent's reports, on one session.

    Answer: a list of Refusals; SessionSuperseded if the session is not current.
    """

    agent: AgentKey
    incarnation: str
    session: int
    reports: Sequence[Report]


class RefusalReason(IntEnum):
    """Why a report was not accepted. The numbers are those of the wire."""

    STALE = 1
    INVALID = 2


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """A report that was not accepted; it is not to be sent again."""

    number: int
    task_id: str
    token: int
    reason: RefusalReason
    message: str = ""


class AdmitAgent(msgspec.Struct, frozen=True):
    """Hello. Answer: an Admission; IncarnationSuperseded if a newer process has the id."""

    agent: AgentKey
    incarnation: str
    declared: Declaration
    held: Sequence[LeaseKey]
    draining: bool
    coordinator_id: str


class Admission(msgspec.Struct, frozen=True):
    """The agent is bound to `session`.

    `kept` are the tasks it goes on with, `dropped` the leases that are not its own.
    """

    session: int
    kept: Sequence[Task]
    dropped: Sequence[LeaseKey]
    drain_mode: DrainMode
    drain_time: int


class EndSession(msgspec.Struct, frozen=True):
    """The stream is gone. With `goodbye` the agent's leases are returned, otherwise they live until `expire_time`.

    Answer: None.
    """

    agent: AgentKey
    session: int
    goodbye: bool
    expire_time: int = 0
    message: str = ""


class RevokeReason(IntEnum):
    """Why the coordinator takes leases back."""

    EXPIRED = 1  # no heartbeat named them for their time to live
    UNDELIVERED = 2  # the agent never confirmed that it has them


class RevokeLeases(msgspec.Struct, frozen=True):
    """Leases of one session run out. Answer: None. What is not current any more is left alone."""

    agent: AgentKey
    session: int
    leases: Sequence[LeaseKey]
    reason: RevokeReason


class ExpireAgent(msgspec.Struct, frozen=True):
    """Nobody vouched for a session until its expire time: all its leases run out. Answer: None."""

    agent: AgentKey
    session: int


class AdoptAgents(msgspec.Struct, frozen=True):
    """A coordinator starts, or takes over from one that is dead. Answer: None.

    The agents that were connected there, on these sessions, lost their streams, and get the grace period.
    """

    agents: Sequence[tuple[AgentKey, int]]


class WakeTasks(msgspec.Struct, frozen=True):
    """Timers of these tasks are due. Answer: None."""

    task_ids: Sequence[str]


class AgentAction(IntEnum):
    """What an operator, or the agent itself, wants of an agent. The first four numbers are those of the wire."""

    CORDON = 1
    UNCORDON = 2
    DRAIN = 3
    RESUME = 4
    REOPEN = 5  # uncordon and resume
    NOTICE = 6  # the agent drains by itself


class ChangeAgent(msgspec.Struct, frozen=True):
    """Cordon, uncordon, drain, resume. Answer: the agent afterwards."""

    agent: AgentKey
    action: AgentAction
    drain_mode: DrainMode = DrainMode.NONE
    drain_limit_micros: int = 0
    session: int = 0  # of a notice: the session it came on


class ChangeSelectedAgent(msgspec.Struct, frozen=True):
    """The same, if the agent is there and its labels meet all selectors. Answer: an AgentChanged; None if not."""

    agent: AgentKey
    selectors: Sequence[LabelSelector]
    action: AgentAction
    drain_mode: DrainMode = DrainMode.NONE
    drain_limit_micros: int = 0


class AgentChanged(msgspec.Struct, frozen=True):
    """The agent afterwards, and whether that is something else than before."""

    agent: Agent
    changed: bool


class EnforceDrain(msgspec.Struct, frozen=True):
    """The deadline of a drain, and its grace, may be over: what the agent still holds is taken back. Answer: None."""

    agent: AgentKey


class ChangeQueue(msgspec.Struct, frozen=True):
    """Configure, pause or resume. None leaves a part as it is. Answer: the queue afterwards."""

    queue: QueueKey
    policy: QueuePolicy | None = None
    paused: bool | None = None


class ReviewAdmission(msgspec.Struct, frozen=True):
    """A queue is as deep as it is: the state of its admission follows. Answer: None."""

    queue: QueueKey


class TrimmedChunk(msgspec.Struct, frozen=True, gc=False):
    """A part of the log that goes: the number of its last event, and the tasks that it tells of."""

    last: int
    task_ids: Sequence[str]


class Forget(msgspec.Struct, frozen=True):
    """What is too old goes: these tasks, as far as they ended before an instant, and the oldest chunks of the log.

    Answer: None.
    """

    tasks: Sequence[str]
    ended_before: int
    chunks: Sequence[TrimmedChunk]


class SettleDependents(msgspec.Struct, frozen=True):
    """Moves those on that wait for these tasks and were left by the flush that ended them. Answer: None."""

    task_ids: Sequence[str]


class Renew(msgspec.Struct, frozen=True):
    """Nothing but the fence: shows that this coordinator can still write. Answer: None."""


Command = (
    Renew
    | CreateTasks
    | CancelTask
    | ChangeTasks
    | GrantLeases
    | ApplyReports
    | AdmitAgent
    | EndSession
    | RevokeLeases
    | ExpireAgent
    | AdoptAgents
    | WakeTasks
    | ChangeAgent
    | ChangeSelectedAgent
    | EnforceDrain
    | Forget
    | ChangeQueue
    | SettleDependents
    | ScheduleCommand
    | ReviewAdmission
)
