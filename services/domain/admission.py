"""Admission of agents: which process speaks for an id, on which stream, and what it still holds."""

from __future__ import annotations

from services.domain.agent import Agent, AgentKey, AgentState, DrainMode, change
from services.domain.attempt_end import Ending, end_attempt
from services.domain.backpressure import review
from services.domain.commands import (
    Admission,
    AdmitAgent,
    AdoptAgents,
    ChangeQueue,
    EndSession,
    LeaseKey,
)
from services.domain.errors import IncarnationSuperseded
from services.domain.event import EventType
from services.domain.failure import AttemptOutcome
from services.domain.grant import lease_ttl
from services.domain.ledger import Ledger, Touches
from services.domain.limits import SUPERSEDED_MAX
from services.domain.queue import Queue
from services.domain.revoke import settle_absent
from services.domain.task import Task, TaskState


def touch_agent(command: AdmitAgent | EndSession, touches: Touches) -> None:
    """What admission and parting read: the agent and all that it holds."""
    touches.holders.add(command.agent)


def admit_agent(ledger: Ledger, command: AdmitAgent) -> Admission:
    """Binds the agent to a new session and settles what it holds."""
    before = ledger.agents.get(command.agent)
    if before is not None and command.incarnation in before.superseded:
        raise IncarnationSuperseded(
            f"agent {command.agent[1]} was started again elsewhere: this process (incarnation {command.incarnation}) "
            f"is superseded by {before.incarnation} and has to exit",
            agent_id=command.agent[1],
        )
    again = before is not None and before.incarnation == command.incarnation
    kept, dropped = settle_leases(ledger, command, again=again)
    after = bind(ledger, command, ledger.agents.get(command.agent), again=again)
    ledger.admitted.add(after.key)
    ledger.put_agent(after, EventType.AGENT_CONNECTED)
    return Admission(after.session, kept, dropped, after.drain_mode, after.drain_time)


def settle_leases(ledger: Ledger, command: AdmitAgent, *, again: bool) -> tuple[list[Task], list[LeaseKey]]:
    """What Hello names and still has, and what it must drop. What it does not name goes back.

    A lease that never reached the agent must not be renewed for ever. A new process has nothing of the old one's work.
    """
    held = set(command.held)
    kept = []
    for task in ledger.leases_of(command.agent):
        if again and (task.id, task.token) in held:
            kept.append(task)
            held.discard((task.id, task.token))
        else:
            end_attempt(ledger, task, unnamed(task))
    return kept, sorted(held)


def unnamed(task: Task) -> Ending:
    """How a lease ends that its agent does not name."""
    if task.state is TaskState.RUNNING:
        return Ending(outcome=AttemptOutcome.LOST, message="the agent came back without it")
    return Ending(outcome=AttemptOutcome.UNDELIVERED, message="the lease never reached the agent")


def bind(ledger: Ledger, command: AdmitAgent, before: Agent | None, *, again: bool) -> Agent:
    """The agent's row on its new session. A cordon and an ordered drain survive, also a new process."""
    drain_mode = before.drain_mode if before is not None else DrainMode.NONE
    draining = command.draining or drain_mode is not DrainMode.NONE
    superseded = before.superseded if before is not None else ()
    if before is not None and not again:
        superseded = (before.incarnation, *superseded)[:SUPERSEDED_MAX]
    return Agent(
        namespace=command.agent[0],
        id=command.agent[1],
        incarnation=command.incarnation,
        session=before.session + 1 if before is not None else 1,
        coordinator_id=command.coordinator_id,
        state=AgentState.DRAINING if draining else AgentState.READY,
        cordoned=before.cordoned if before is not None else False,
        drain_mode=drain_mode,
        drain_time=before.drain_time if before is not None else 0,
        connect_time=before.connect_time if before is not None and again else ledger.now,
        seen_time=ledger.now,
        expire_time=0,
        leases=before.leases if before is not None else 0,
        started=before.started if before is not None else 0,
        version=before.version if before is not None else 0,
        resources_used=before.resources_used if before is not None else {},
        superseded=superseded,
        declared=command.declared,
    )


def end_session(ledger: Ledger, command: EndSession) -> None:
    """The stream is gone. After a goodbye the agent holds nothing; otherwise its leases live on for their time."""
    agent = ledger.agents.get(command.agent)
    if agent is None or agent.session != command.session or not agent.connected:
        return
    if command.goodbye:
        for task in ledger.leases_of(command.agent):
            end_attempt(ledger, task, Ending(outcome=AttemptOutcome.RETURNED, message="the agent left"))
        left = change(ledger.agents[command.agent], state=AgentState.OFFLINE, seen_time=ledger.now)
        ledger.put_agent(left, EventType.AGENT_OFFLINE, message=command.message)
        return
    gone = change(agent, state=AgentState.DISCONNECTED, expire_time=command.expire_time or grace_end(ledger, agent.key))
    ledger.put_agent(gone, EventType.AGENT_DISCONNECTED, message=command.message)
    settle_absent(ledger, gone)


def grace_end(ledger: Ledger, key: AgentKey) -> int:
    """When the longest-lived of an absent agent's leases runs out, counted from now."""
    ttls = [lease_ttl(ledger, task) for task in ledger.leases_of(key)]
    return ledger.now + max(ttls, default=ledger.rules.lease_ttl_micros)


def touch_adopt(command: AdoptAgents, touches: Touches) -> None:
    """What a start reads: the agents that were connected, and all that they hold."""
    touches.holders.update(key for key, _ in command.agents)


def adopt_agents(ledger: Ledger, command: AdoptAgents) -> None:
    """Their streams ended with their coordinator: each gets the grace period, counted from now, once.

    One that has another session has connected again in between.
    """
    for key, session in command.agents:
        agent = ledger.agents.get(key)
        if agent is None or agent.session != session or not (agent.connected or agent.leases):
            continue
        expire_time = agent.expire_time or grace_end(ledger, key)  # once: a restart loop does not renew it
        waiting = change(agent, state=AgentState.DISCONNECTED, expire_time=expire_time)
        ledger.put_agent(waiting, EventType.AGENT_DISCONNECTED, message="its coordinator is gone")
        ledger.adopted.add(key)
        settle_absent(ledger, waiting)


def touch_queue(command: ChangeQueue, touches: Touches) -> None:
    """What a queue's change reads; its depth, if the new policy goes by it."""
    touches.queues.add(command.queue)
    if command.policy is not None and command.policy.admission.counts:
        touches.gated.add(command.queue)


def change_queue(ledger: Ledger, command: ChangeQueue) -> Queue:
    """Configures, pauses or resumes. Returns the queue afterwards; what is so already records no event."""
    queue = ledger.queue(command.queue)
    policy = queue.policy if command.policy is None else command.policy
    paused = queue.paused if command.paused is None else command.paused
    if queue.version and policy == queue.policy and paused == queue.paused:
        return queue
    after = Queue(queue.namespace, queue.name, policy, paused, queue.version + 1, ledger.now, queue.admission)
    type_ = EventType.QUEUE_UPDATED
    if paused != queue.paused:
        type_ = EventType.QUEUE_PAUSED if paused else EventType.QUEUE_RESUMED
    ledger.put_queue(after, type_)
    return review(ledger, command.queue)
