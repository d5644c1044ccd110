"""A small model of the store: what each command has to answer, and what has to be there afterwards.

It knows commands and plain values, and none of the rules in `services/domain`: it says them a second time, over mutable
dictionaries, one command after the other. What it holds, and how the store's answers look in its words, is in
`model_values.py`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from services.domain.agent import AgentState, DrainMode
from services.domain.commands import (
    AdmitAgent,
    AdoptAgents,
    AgentAction,
    ApplyReports,
    CancelTask,
    ChangeAgent,
    ChangeQueue,
    Command,
    CreateTasks,
    EndSession,
    EnforceDrain,
    ExpireAgent,
    Forget,
    GrantLeases,
    NewTask,
    Placement,
    PlacementOutcome,
    RefusalReason,
    Report,
    ReportKind,
    RevokeLeases,
    RevokeReason,
    WakeTasks,
)
from services.domain.dependencies import DependencyPolicy
from services.domain.failure import AttemptOutcome, FailureReason
from services.domain.task import TaskState
from services.domain.task_changes import Cancel, ChangeTasks, Move, Reprioritize, TaskChange
from tests.store.model_values import (
    AVOID,
    DRAIN_GRACE,
    ENDINGS,
    LEASE_TTL,
    OVER,
    PRESENT,
    RUN_LIMIT_GRACE,
    SECOND,
    ModelAgent,
    ModelQueue,
    ModelTask,
    OneOf,
)


class Model:
    """One namespace. Copied to try out orders."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.tasks: dict[str, ModelTask] = {}
        self.agents: dict[str, ModelAgent] = {}
        self.queues: dict[str, ModelQueue] = {}
        self.requests: dict[str, tuple[str, str]] = {}  # request id → (task id, digest)
        self.now = 0

    def copy(self) -> Model:
        return copy.deepcopy(self)

    def apply(self, command: Command) -> Any:
        """Does what the command asks for; the answer that is expected, in the words of `seen`."""
        answer = getattr(self, type(command).__name__)(command)
        self.move_dependents_on()
        return answer

    # Tasks.

    def CreateTasks(self, command: CreateTasks) -> Any:  # each answer is named by its command
        if any(new.queue is None or new.affinity_key is None for new in command.tasks):
            return "RowsRefused"
        placements = command.placements or [None] * len(command.tasks)
        return tuple(self.create(new, placement) for new, placement in zip(command.tasks, placements, strict=True))

    def create(self, new: NewTask, placement: Placement | None) -> Any:
        if new.request_id in self.requests:
            task_id, digest = self.requests[new.request_id]
            return ("same" if digest == new.digest else "reused", task_id)
        if any(task_id not in self.tasks for task_id in new.depends_on):
            return "InvalidArgument"
        if new.request_id:
            self.requests[new.request_id] = (new.id, new.digest)
        policy = self.queue(new.queue).policy
        limit = new.queue_limit_micros or policy.queue_limit_micros
        limits = (limit, new.run_limit_micros or policy.run_limit_micros)
        task = ModelTask(new, *limits, TaskState.PENDING, new.queue, new.priority)
        task.wake = self.now + limit if limit else 0
        if new.not_before_time > self.now:
            task.state, task.wake = TaskState.SCHEDULED, new.not_before_time
        self.tasks[new.id] = task
        if self.block(task):
            return ("created", task.summary())
        if placement is not None:
            self.grant(placement)
        return ("created", task.summary())

    def block(self, task: ModelTask) -> bool:
        """Whether it has to wait for others. One of them may have failed already."""
        ended = [id_ for id_ in task.new.depends_on if self.tasks[id_].state in OVER]
        failed = [id_ for id_ in ended if self.stumbles(task, id_)]
        task.waits_for = failed or [id_ for id_ in task.new.depends_on if id_ not in ended]
        if not task.waits_for:
            return False
        task.state, task.wake = TaskState.BLOCKED, max(0, task.new.not_before_time)
        if task.wake <= self.now:
            task.wake = 0
        for id_ in [] if failed else task.waits_for:
            self.tasks[id_].version += not self.tasks[id_].marked
            self.tasks[id_].marked = True
        self.look_again(task)
        return True

    def stumbles(self, task: ModelTask, other: str) -> bool:
        return self.tasks[other].state is not TaskState.SUCCEEDED and task.new.dependency_policy != DependencyPolicy.RUN

    def move_dependents_on(self) -> None:
        """Until nobody waits for what has ended."""
        while any(self.look_again(task) for task in self.tasks.values() if task.state is TaskState.BLOCKED):
            pass

    def look_again(self, task: ModelTask) -> bool:
        """Takes the end of what it waits for into account, one after the other. Whether something has ended."""
        ended = [id_ for id_ in task.waits_for if self.tasks[id_].state in OVER]
        for id_ in ended:
            if self.stumbles(task, id_):
                cancel = task.new.dependency_policy == DependencyPolicy.CANCEL
                self.finish(task, TaskState.CANCELLED if cancel else TaskState.FAILED)
                break
            task.waits_for.remove(id_)
            if task.waits_for:
                task.version += 1
            elif task.wake > self.now:
                self.move(task, TaskState.SCHEDULED, wake=task.wake)
            else:
                self.move(task, TaskState.PENDING, wake=self.now + task.queue_limit if task.queue_limit else 0)
        return bool(ended)

    def CancelTask(self, command: CancelTask) -> Any:
        task = self.tasks.get(command.task_id)
        if task is None or command.namespace != self.namespace:
            return "NotFound"
        if task.state not in OVER and not task.cancelled:
            task.cancelled = True
            if task.held:
                task.version += 1
            else:
                self.finish(task, TaskState.CANCELLED)
        return task.summary()

    def ChangeTasks(self, command: ChangeTasks) -> Any:
        tasks = [self.tasks[id_] for id_ in dict.fromkeys(command.task_ids) if id_ in self.tasks]
        wanted = command.filter_.states
        changed = [task.new.id for task in tasks if task.state in wanted and self.change(task, command.change)]
        return tuple(changed)

    def change(self, task: ModelTask, change: TaskChange) -> bool:
        if isinstance(change, Cancel):
            changes = task.state not in OVER and not task.cancelled
            self.CancelTask(CancelTask(self.namespace, task.new.id))
            return changes
        queue = change.queue if isinstance(change, Move) else task.queue
        priority = change.priority if isinstance(change, Reprioritize) else task.priority
        if task.held or task.state in OVER or (queue, priority) == (task.queue, task.priority):
            return False
        task.queue, task.priority, task.version = queue, priority, task.version + 1
        return True

    def WakeTasks(self, command: WakeTasks) -> None:
        for task_id in command.task_ids:
            task = self.tasks.get(task_id)
            if task is not None and task.state not in OVER and 0 < task.wake <= self.now:
                self.wake(task)

    def wake(self, task: ModelTask) -> None:
        if task.state is TaskState.RUNNING:
            self.end(task, AttemptOutcome.FAILED, reason=FailureReason.TIMEOUT)
        elif task.state is TaskState.BLOCKED:
            task.version, task.wake = task.version + 1, 0
        elif task.state is TaskState.SCHEDULED:
            self.move(task, TaskState.PENDING, wake=self.now + task.queue_limit if task.queue_limit else 0)
        else:
            if task.held:
                self.end(task, AttemptOutcome.RETURNED)
            if task.state not in OVER:
                self.finish(task, TaskState.EXPIRED)

    def Forget(self, command: Forget) -> None:
        for task_id in command.tasks:
            task = self.tasks.get(task_id)
            if task is not None and task.state in OVER and task.end_time < command.ended_before:
                del self.tasks[task_id]
                self.requests.pop(task.new.request_id, None)

    def move(self, task: ModelTask, state: TaskState, *, wake: int) -> None:
        task.state, task.wake = state, wake
        task.version += 1

    def finish(self, task: ModelTask, state: TaskState) -> None:
        self.move(task, state, wake=0)
        task.waits_for = []
        task.end_time = self.now

    # Leases.

    def GrantLeases(self, command: GrantLeases) -> Any:
        return tuple(self.grant(placement) for placement in command.placements)

    def grant(self, placement: Placement) -> PlacementOutcome | OneOf:
        task = self.tasks.get(placement.task_id)
        if task is None:
            return PlacementOutcome.NOT_VISIBLE
        against = OneOf(self.against(task, self.agents.get(placement.agent_id), placement))
        if against:
            return against
        task.agent = placement.agent_id
        task.token += 1
        self.move(task, TaskState.LEASED, wake=task.wake)
        return PlacementOutcome.GRANTED

    def against(self, task: ModelTask, agent: ModelAgent | None, placement: Placement) -> Iterable[PlacementOutcome]:
        """Every reason not to grant it."""
        if task.state is not TaskState.PENDING:
            yield PlacementOutcome.TASK_GONE
        if self.queue(task.queue).paused:
            yield PlacementOutcome.QUEUE_PAUSED
        if agent is None or agent.session != placement.session or agent.state not in PRESENT:
            yield PlacementOutcome.AGENT_GONE
        if agent is None:
            return
        if agent.state is not AgentState.READY or agent.cordoned or agent.drain:
            yield PlacementOutcome.AGENT_NOT_ACCEPTING
        if task.avoid.get(agent.id, 0) > self.now or task.new.kind not in agent.kinds or task.gpus > agent.gpus:
            yield PlacementOutcome.INELIGIBLE
        held = self.held_by(agent.id)
        early = self.queue(task.queue).policy.strategy.binds_early
        full = len(held) >= agent.slots + (agent.queue_limit if early else 0)
        if full or (task.gpus and sum(other.gpus for other in held) + task.gpus > agent.gpus):
            yield PlacementOutcome.AGENT_FULL

    def held_by(self, agent_id: str) -> list[ModelTask]:
        return [task for task in self.tasks.values() if task.held and task.agent == agent_id]

    def end(
        self,
        task: ModelTask,
        outcome: AttemptOutcome,
        *,
        digest: str = "",
        reason: FailureReason = FailureReason.ERROR,
        permanent: bool = False,
    ) -> None:
        """The current attempt ends so."""
        agent = self.agents[task.agent]
        task.attempts[task.token] = (agent.id, agent.incarnation, outcome, digest)
        ran = task.state is TaskState.RUNNING
        policy = task.new.retry
        task.failures += outcome is AttemptOutcome.FAILED
        if outcome is AttemptOutcome.SUCCEEDED:
            self.finish(task, TaskState.SUCCEEDED)
        elif task.cancelled or outcome is AttemptOutcome.CANCELLED:
            self.finish(task, TaskState.CANCELLED)
        elif outcome is AttemptOutcome.FAILED:
            if task.failures < policy.attempts_max and not permanent and reason is not FailureReason.INVALID_INPUT:
                self.move(task, TaskState.SCHEDULED, wake=self.now + SECOND)  # about: the clock goes in larger steps
            else:
                self.finish(task, TaskState.FAILED)
        else:
            task.redeliveries += outcome is AttemptOutcome.LOST and ran
            if task.redeliveries > policy.redeliveries_max:
                self.finish(task, TaskState.FAILED)
                return
            wake = (self.now + task.queue_limit if task.queue_limit else 0) if ran else task.wake
            self.move(task, TaskState.PENDING, wake=wake)
            if outcome in (AttemptOutcome.LOST, AttemptOutcome.REJECTED):
                task.avoid[agent.id] = self.now + AVOID

    def RevokeLeases(self, command: RevokeLeases) -> None:
        agent = self.on_session(command)
        if agent is None:
            return
        outcome = AttemptOutcome.LOST if command.reason is RevokeReason.EXPIRED else AttemptOutcome.UNDELIVERED
        for task_id, token in command.leases:
            task = self.tasks.get(task_id)
            if task is not None and task.held and task.token == token and task.agent == agent.id:
                self.end(task, outcome)
        self.settle(agent)

    def ExpireAgent(self, command: ExpireAgent) -> None:
        agent = self.on_session(command)
        if agent is not None and 0 < agent.expire_time <= self.now:
            for task in self.held_by(agent.id):
                self.end(task, AttemptOutcome.LOST)
            self.settle(agent)

    # Reports.

    def ApplyReports(self, command: ApplyReports) -> Any:
        agent = self.on_session(command)
        if agent is None or agent.incarnation != command.incarnation:
            return "SessionSuperseded"
        judged = [(report.number, self.report(agent, report)) for report in command.reports]
        return tuple((number, reason) for number, reason in judged if reason is not None)

    def report(self, agent: ModelAgent, report: Report) -> RefusalReason | None:
        task = self.tasks.get(report.task_id)
        if task is None or not (task.held and task.token == report.token and task.agent == agent.id):
            return None if task is not None and self.was_accepted(task, agent, report) else RefusalReason.STALE
        running = task.state is TaskState.RUNNING
        if report.kind in (ReportKind.PROGRESS, ReportKind.CHECKPOINT):
            task.version += running
            return None if running else RefusalReason.INVALID
        if report.kind is ReportKind.REJECTED and running:
            return RefusalReason.INVALID
        if report.kind in (ReportKind.STARTED, ReportKind.SUCCEEDED, ReportKind.FAILED) and not running:
            wake = self.now + task.run_limit + RUN_LIMIT_GRACE if task.run_limit else 0
            self.move(task, TaskState.RUNNING, wake=wake)
        if report.kind in ENDINGS:
            failure = report.failure
            permanent, reason = (failure.permanent, FailureReason(failure.reason)) if failure else (False, 0)
            self.end(task, ENDINGS[report.kind], digest=report.digest, reason=reason, permanent=permanent)
        return None

    def was_accepted(self, task: ModelTask, agent: ModelAgent, report: Report) -> bool:
        """Whether this process has ended that attempt itself, in the same words if it is an end."""
        by, incarnation, _, digest = task.attempts.get(report.token, ("", "", None, ""))
        if not digest or (by, incarnation) != (agent.id, agent.incarnation):
            return False
        return report.kind not in ENDINGS or digest == report.digest

    # Agents.

    def AdmitAgent(self, command: AdmitAgent) -> Any:
        agent_id, declared = command.agent[1], command.declared
        agent = self.agents.get(agent_id)
        offer = (declared.slots, declared.queue_limit, declared.resources.get("gpu", 0.0), declared.kinds)
        if agent is None:
            agent = self.agents[agent_id] = ModelAgent(agent_id, command.incarnation, *offer)
        if command.incarnation in agent.superseded:
            return "IncarnationSuperseded"
        again = agent.incarnation == command.incarnation
        named = set(command.held)
        kept = set()
        for task in self.held_by(agent_id):
            lease = (task.new.id, task.token)
            if again and lease in named:
                kept.add(lease)
            else:
                running = task.state is TaskState.RUNNING
                self.end(task, AttemptOutcome.LOST if running else AttemptOutcome.UNDELIVERED)
        if not again:
            agent.superseded.add(agent.incarnation)
            agent.incarnation = command.incarnation
        agent.slots, agent.queue_limit, agent.gpus, agent.kinds = offer
        agent.session += 1
        agent.state = AgentState.DRAINING if command.draining or agent.drain else AgentState.READY
        agent.expire_time = 0
        return (agent.session, tuple(sorted(kept)), tuple(sorted(named - kept)), agent.drain, agent.drain_time)

    def EndSession(self, command: EndSession) -> None:
        agent = self.on_session(command)
        if agent is None or agent.state not in PRESENT:
            return
        if command.goodbye:
            for task in self.held_by(agent.id):
                self.end(task, AttemptOutcome.RETURNED)
            agent.state = AgentState.OFFLINE
        else:
            self.part(agent, command.expire_time or self.grace(agent))

    def AdoptAgents(self, command: AdoptAgents) -> None:
        for (_, agent_id), session in command.agents:
            agent = self.agents.get(agent_id)
            if agent is not None and agent.session == session and (agent.state in PRESENT or self.held_by(agent_id)):
                self.part(agent, agent.expire_time or self.grace(agent))

    def part(self, agent: ModelAgent, expire_time: int) -> None:
        agent.state, agent.expire_time = AgentState.DISCONNECTED, expire_time
        self.settle(agent)

    def grace(self, agent: ModelAgent) -> int:
        ttls = [self.queue(task.queue).policy.lease_ttl_micros or LEASE_TTL for task in self.held_by(agent.id)]
        return self.now + max(ttls, default=LEASE_TTL)

    def settle(self, agent: ModelAgent) -> None:
        if agent.state is AgentState.DISCONNECTED and not self.held_by(agent.id):
            agent.state, agent.expire_time = AgentState.OFFLINE, 0

    def ChangeAgent(self, command: ChangeAgent) -> Any:
        agent = self.agents.get(command.agent[1])
        if agent is None:
            return "NotFound"
        present = agent.state in PRESENT
        if command.action is AgentAction.CORDON:
            agent.cordoned = True
        elif command.action in (AgentAction.UNCORDON, AgentAction.RESUME, AgentAction.REOPEN):
            self.open(agent, command.action)
        elif command.action is AgentAction.DRAIN:
            self.drain(agent, command)
        elif present and agent.session == command.session:
            agent.state = AgentState.DRAINING
        return agent.summary()

    def open(self, agent: ModelAgent, action: AgentAction) -> None:
        if action is not AgentAction.RESUME:
            agent.cordoned = False
        if action is not AgentAction.UNCORDON and agent.drain:
            agent.drain, agent.drain_time = DrainMode.NONE, 0
            agent.state = AgentState.READY if agent.state is AgentState.DRAINING else agent.state

    def drain(self, agent: ModelAgent, command: ChangeAgent) -> None:
        if agent.drain and not self.held_by(agent.id):
            return
        returns, limit = command.drain_mode is DrainMode.RETURN, command.drain_limit_micros
        ends = [agent.drain_time] if agent.drain_time else []
        ends += [self.now] if returns else [self.now + limit] if limit else []
        agent.drain = DrainMode.RETURN if returns else agent.drain or DrainMode.FINISH
        agent.drain_time = min(ends, default=0)
        agent.state = AgentState.DRAINING if agent.state in PRESENT else agent.state

    def EnforceDrain(self, command: EnforceDrain) -> None:
        agent = self.agents.get(command.agent[1])
        if agent is not None and agent.drain_time and agent.drain_time + DRAIN_GRACE <= self.now:
            for task in self.held_by(agent.id):
                self.end(task, AttemptOutcome.RETURNED)
            self.settle(agent)

    def on_session(self, command: Any) -> ModelAgent | None:
        """The agent, if the command is of its current session."""
        agent = self.agents.get(command.agent[1])
        return agent if agent is not None and agent.session == command.session else None

    # Queues.

    def queue(self, name: str) -> ModelQueue:
        return self.queues.get(name) or ModelQueue()

    def ChangeQueue(self, command: ChangeQueue) -> Any:
        queue = self.queues.setdefault(command.queue[1], ModelQueue())
        policy = queue.policy if command.policy is None else command.policy
        paused = queue.paused if command.paused is None else command.paused
        if not queue.version or (policy, paused) != (queue.policy, queue.paused):
            queue.version += 1
        queue.policy, queue.paused = policy, paused
        return (policy, paused, queue.version)
