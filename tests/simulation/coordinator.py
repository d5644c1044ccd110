"""The coordinator's process: the glue of `coordinator/connection.py`, `connections.py`, `outbox.py` and `timers.py`
without their event loop. The rules, the sessions and the conversions are the real ones.

Not here: output, documents that are read from disk, the waits of the outbox, reads that wait behind a drain notice.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from missioncontrol.v1 import agent_service_pb2 as wire

from services.coordinator.limits import RENEW_SECONDS, SESSION_TICK_SECONDS, TIMER_POLL_SECONDS
from services.domain.agent import AgentKey, DrainMode
from services.domain.commands import (
    OUTCOMES,
    AdmitAgent,
    AdoptAgents,
    AgentAction,
    ApplyReports,
    ChangeAgent,
    EndSession,
    EnforceDrain,
    ExpireAgent,
    LeaseKey,
    Renew,
    Report,
    ReportKind,
    RevokeLeases,
    WakeTasks,
)
from services.domain.errors import IncarnationSuperseded, MissionControlError, SessionSuperseded, Unavailable
from services.domain.ledger import Granted
from services.domain.session import Intervals, Session, negotiate, revoking
from services.store.flush import Committed
from services.transport import convert_agent, convert_lease, convert_session
from tests.simulation.calls import Calls
from tests.simulation.clock import Clock
from tests.simulation.journal import Journal, failed
from tests.simulation.network import Stream
from tests.simulation.tables import Tables


class Conversation:
    """One agent's stream, after its Hello."""

    def __init__(self, coordinator: Coordinator, stream: Stream | Calls, session: Session, incarnation: str) -> None:
        self.session = session
        self.incarnation = incarnation
        self.stream = stream
        self.goodbye: str | None = None
        self.drain = (DrainMode.NONE, 0)
        self.leaves = False
        self.over = False
        self._coordinator = coordinator
        self._unwritten = 0
        self._late_progress: dict[str, Report] = {}
        self._first: list[wire.CoordinatorMessage] = []
        self._orders: wire.Orders | None = None
        self._ack = self._acked = 0
        self._refusals: list[wire.Refusal] = []
        self._offers: list[Granted] = []
        self._batch = 0
        self._speaking = False

    @property
    def notice(self) -> ChangeAgent:
        """That the agent drains by itself."""
        return ChangeAgent(self.session.key, AgentAction.NOTICE, session=self.session.number)

    # What goes out, in the order of `Outbox`.

    def say(self, message: wire.CoordinatorMessage) -> None:
        """What goes first."""
        self._first.append(message)
        self._wake()

    def offer(self, granted: Granted) -> None:
        """A lease."""
        self._offers.append(granted)
        self._wake()

    def order(self, kind: str, lease: LeaseKey) -> None:
        """Adds a lease to the orders."""
        getattr(self.orders, kind).add(task_id=lease[0], token=lease[1])

    @property
    def orders(self) -> wire.Orders:
        """The next orders."""
        if self._orders is None:
            self._orders = wire.Orders()
        self._wake()
        return self._orders

    def end(self, error: MissionControlError | None) -> None:
        """Ends the stream."""
        if not self.over:
            self.over = True
            self.stream.end(error)
            self._coordinator.left(self)

    def _wake(self) -> None:
        if not self._speaking:
            self._speaking = True
            self._coordinator.clock.later(0.0, self._speak)

    def _speak(self) -> None:
        self._speaking = False
        if self.over:
            return
        send = self.stream.down.send
        for message in self._first:
            send(message)
        self._first.clear()
        orders, self._orders = self._orders, None
        if orders is not None:
            send(wire.CoordinatorMessage(orders=orders))
        if self._ack > self._acked or self._refusals:
            send(wire.CoordinatorMessage(report_ack=wire.ReportAck(number=self._ack, refusals=self._refusals)))
            self._acked, self._refusals = self._ack, []
        if self._offers:
            self._deliver()

    def _deliver(self) -> None:
        message = wire.CoordinatorMessage()
        self._batch += 1
        message.leases.number = self._batch
        tables, keys = self._coordinator.tables, []
        for granted in self._offers:
            task = granted.task
            keys.append((task.id, task.token))
            document, checkpoint = tables.details[task.id].document, tables.checkpoints.get(task.id, b"")
            convert_lease.lease(granted, document=document, checkpoint=checkpoint, make=message.leases.leases.add)
        self._offers.clear()
        self.session.sent(self._batch, keys, now=self._coordinator.clock.now)
        self.stream.down.send(message)
        self._coordinator.after_delivery(self.session.key, keys)

    # What comes in.

    def hear(self, message: wire.AgentMessage) -> None:
        """One message of the agent."""
        if self.over:
            return
        kind = message.WhichOneof("content")
        if kind == "heartbeat":
            self._hear_heartbeat(message.heartbeat)
        elif kind == "reports":
            self._hear_reports(message.reports)
        elif kind == "lease_receipt":
            self.session.confirm(message.lease_receipt.number)
        elif kind == "drain_notice":
            self.leaves = True
            self._coordinator.journal.submit(self.notice, lambda answer: self.end(answer) if failed(answer) else None)
        elif kind == "goodbye":
            self.goodbye = message.goodbye.message
            self._part()

    def _hear_heartbeat(self, heartbeat: wire.Heartbeat) -> None:
        coordinator = self._coordinator
        held = {(lease.task_id, lease.token) for lease in heartbeat.held} if heartbeat.held_included else None
        self.session.heartbeat(held, now=coordinator.clock.now)
        for lease in sorted(self.session.cancelled):
            self.order("cancel", lease)
        if coordinator.clock.now - coordinator.journal.renewed_at < coordinator.intervals.lease_ttl * 2 / 3:
            echo = wire.HeartbeatEcho(number=heartbeat.number, held_version=heartbeat.held_version)
            self.say(wire.CoordinatorMessage(heartbeat_echo=echo))

    def _hear_reports(self, batch: wire.ReportBatch) -> None:
        now = self._coordinator.clock.now
        self.session.confirm(batch.lease_batch)
        reports = [convert_lease.report(message) for message in batch.reports]
        self._unwritten += 1
        taken = [report for report in reports if not self._put_off(report, now)]
        self._coordinator.journal.submit(self._command(taken), partial(self._acknowledge, reports[-1].number))

    def flush_progress(self, now: float) -> None:
        """Progress that came too early."""
        due = [r for r in self._late_progress.values() if self.session.takes_progress((r.task_id, r.token), now=now)]
        for report in due:
            del self._late_progress[report.task_id]
        if due:
            self._coordinator.journal.submit(self._command(due))

    def _put_off(self, report: Report, now: float) -> bool:
        if report.kind in OUTCOMES:
            self._late_progress.pop(report.task_id, None)
        if report.kind is not ReportKind.PROGRESS:
            return False
        if self.session.takes_progress((report.task_id, report.token), now=now):
            self._late_progress.pop(report.task_id, None)
            return False
        self._late_progress[report.task_id] = report
        return True

    def _command(self, reports: list[Report]) -> ApplyReports:
        return ApplyReports(self.session.key, self.incarnation, self.session.number, reports)

    def _acknowledge(self, number: int, answer: Any) -> None:
        if self.over:
            return
        if failed(answer):
            superseded = isinstance(answer, SessionSuperseded)
            self.end(answer if superseded else Unavailable("the reports could not be written; say them again"))
            return
        self._unwritten -= 1
        self._ack = max(self._ack, number)
        self._refusals += [convert_lease.refusal(refusal) for refusal in answer]
        self._wake()
        self._part()

    def _part(self) -> None:
        if self.goodbye is not None and not self._unwritten:
            self.end(None)


class Coordinator:
    """From its start to its death. `link` is made by the world, and listens before this does."""

    def __init__(self, clock: Clock, tables: Tables, journal: Journal, intervals: Intervals) -> None:
        self.clock = clock
        self.tables = tables
        self.journal = journal
        self.intervals = intervals
        self.live: dict[AgentKey, Conversation] = {}
        self.absent: dict[AgentKey, Session] = {}
        self.dead = False
        self._partings: dict[AgentKey, EndSession] = {}
        self._drains: dict[AgentKey, tuple[DrainMode, int]] = {}
        self._streams: list[Stream | Calls] = []
        self._next_timer = 0
        self._timer_planned = float("inf")

    def start(self) -> None:
        """Adopts who was connected, and begins to serve."""
        self.journal.listeners.append(self.on_committed)
        self.journal.submit(AdoptAgents(self.tables.present_agents()))
        self.clock.later(SESSION_TICK_SECONDS, self._step)
        self._plan_timers(0.0)

    def kill(self) -> None:
        """The process is gone."""
        self.dead = True
        self.journal.stop()
        for stream in self._streams:
            stream.coordinator_died()

    # Streams.

    def accept(self, stream: Stream | Calls) -> None:
        """A stream, before its Hello."""
        self._streams = [*(known for known in self._streams if not known.down.closed), stream]
        stream.up.receive = partial(self._hello, stream)

    def _hello(self, stream: Stream | Calls, message: wire.AgentMessage) -> None:
        if self.dead:
            return
        version = negotiate(message.hello.protocol_version_min, message.hello.protocol_version_max)
        command = convert_agent.hello(message.hello, coordinator_id="c")
        gone: list[bool] = []
        stream.up.receive = lambda _message: None
        stream.up.ended = lambda _error: gone.append(True)

        def admitted(answer: Any) -> None:
            if failed(answer):
                stream.end(answer)
            elif gone:
                self._record_end(EndSession(command.agent, answer.session, goodbye=False, message="did not wait"))
            else:
                self._enter(stream, command, answer, version)

        self.journal.submit(command, admitted)

    def _enter(self, stream: Stream | Calls, command: AdmitAgent, admission: Any, version: int) -> None:
        now = self.clock.now
        session = Session(command.agent, admission.session, self.intervals, now=now)
        session.keep((((t.id, t.token), self.ttl_micros / 1e6) for t in admission.kept), now=now)
        conversation = Conversation(self, stream, session, command.incarnation)
        conversation.drain = (admission.drain_mode, admission.drain_time)
        conversation.leaves = command.draining
        for task in admission.kept:
            if task.cancel_request_time:
                session.cancel((task.id, task.token))
        earlier = self.live.get(command.agent)
        self.live[command.agent] = conversation
        self.absent.pop(command.agent, None)
        if earlier is not None:
            again = earlier.incarnation == command.incarnation
            earlier.end(SessionSuperseded("it has connected again") if again else IncarnationSuperseded("a newer one"))
        stream.up.receive = conversation.hear
        stream.up.ended = lambda _error: conversation.end(Unavailable("the stream ended without a goodbye"))
        micros = self.clock.micros
        conversation.say(
            convert_session.welcome(
                admission, version=version, intervals=self.intervals, coordinator_id="c", coordinators=[], now=micros
            )
        )
        self.after_delivery(command.agent, list(session.leases))
        self._order_drain(command.agent)

    @property
    def ttl_micros(self) -> int:
        """Every queue has the default time to live."""
        return self.tables.rules.lease_ttl_micros

    def left(self, conversation: Conversation) -> None:
        """A stream is over."""
        key, session = conversation.session.key, conversation.session
        if self.dead or self.live.get(key) is not conversation:
            return
        del self.live[key]
        goodbye = conversation.goodbye is not None
        if not goodbye and session.leases:
            self.absent[key] = session
        expire_time = self.clock.micros + int(session.expires_in(self.clock.now) * 1e6)
        self._record_end(EndSession(key, session.number, goodbye, expire_time=expire_time))

    def _record_end(self, command: EndSession) -> None:
        self._partings.pop(command.agent, None)

        def settle(answer: Any) -> None:
            if failed(answer):
                self._partings[command.agent] = command

        self.journal.submit(command, settle)

    # What commits bring.

    def on_committed(self, committed: Committed) -> None:
        """Delivers leases and orders; forgets what has ended."""
        for attempt in committed.ended:
            session = self._session((committed.tasks[attempt.task_id].namespace, attempt.agent_id))
            if session is not None:
                session.end((attempt.task_id, attempt.token))
        for granted in committed.granted:
            task = committed.tasks[granted.task.id]
            if task.token == granted.task.token and task.held:
                self._grant(granted)
        self._order_stops(committed)
        for agent in committed.agents:
            self._drains[agent.key] = (agent.drain_mode, agent.drain_time)
            if agent.drain_mode is DrainMode.NONE:
                del self._drains[agent.key]
            self._order_drain(agent.key)
        for task in committed.tasks.values():
            if task.wake_time and task.wake_time < self._next_timer:
                self._next_timer = task.wake_time
                self._plan_timers((task.wake_time - self.clock.micros) / 1e6)

    def _order_stops(self, committed: Committed) -> None:
        for order in committed.cancels:
            session = self._session(order.agent)
            if session is not None:
                session.cancel((order.task_id, order.token))
            self._order(order.agent, "cancel", (order.task_id, order.token))
        for revoked in committed.revoked:
            self._order(revoked.agent, "drop", (revoked.task_id, revoked.token))

    def _session(self, key: AgentKey) -> Session | None:
        conversation = self.live.get(key)
        return conversation.session if conversation is not None else self.absent.get(key)

    def _grant(self, granted: Granted) -> None:
        task = granted.task
        conversation = self.live.get((task.namespace, task.agent_id))
        if conversation is not None and conversation.session.number == granted.session:
            conversation.session.grant((task.id, task.token), granted.ttl_micros / 1e6, now=self.clock.now)
            conversation.offer(granted)

    def after_delivery(self, key: AgentKey, leases: list[LeaseKey]) -> None:
        """Orders what was wanted before the agent knew the leases."""
        session = self._session(key)
        for lease in leases:
            if session is not None and lease in session.cancelled:
                self._order(key, "cancel", lease)

    def _order(self, key: AgentKey, kind: str, lease: LeaseKey) -> None:
        conversation = self.live.get(key)
        if conversation is not None:
            conversation.order(kind, lease)

    def _order_drain(self, key: AgentKey) -> None:
        conversation = self.live.get(key)
        drain = self._drains.get(key, (DrainMode.NONE, 0))
        if conversation is None or drain == conversation.drain:
            return
        conversation.drain = drain
        orders = conversation.orders
        orders.ClearField("drain")
        orders.resume = drain[0] is DrainMode.NONE
        if not orders.resume:
            convert_session.put_drain(orders, drain[0], drain_time=drain[1], now=self.clock.micros)
        elif conversation.leaves:
            self.journal.submit(conversation.notice)

    # Its loops.

    def _step(self) -> None:
        if self.dead:
            return
        now = self.clock.now
        for command in list(self._partings.values()):
            self._record_end(command)
        revocations: list[RevokeLeases] = []
        for conversation in list(self.live.values()):
            conversation.flush_progress(now)
            due = conversation.session.tick(now)
            revocations += revoking(conversation.session, due)
            if due.silent:
                conversation.end(Unavailable("no heartbeat came for too long; connect again"))
        for key, session in list(self.absent.items()):
            revocations += revoking(session, session.tick(now))
            if not session.leases:
                self.absent.pop(key, None)
        self._revoke(revocations)

    def _revoke(self, commands: list[RevokeLeases]) -> None:
        """The next step comes after the answers to this one."""
        waiting = [len(commands)]

        def settle(command: RevokeLeases, answer: Any) -> None:
            session = self._session(command.agent)
            if not failed(answer) and session is not None and session.number == command.session:
                for lease in command.leases:
                    session.end(lease)
            waiting[0] -= 1
            if not waiting[0]:
                self.clock.later(SESSION_TICK_SECONDS, self._step)

        for command in commands:
            self.journal.submit(command, partial(settle, command))
        if not commands:
            self.clock.later(SESSION_TICK_SECONDS, self._step)

    def _plan_timers(self, seconds: float) -> None:
        time = self.clock.now + max(0.0, seconds)
        if time < self._timer_planned:
            self._timer_planned = time
            self.clock.at(time, self._look_at_timers, time)

    def _look_at_timers(self, time: float) -> None:
        if self.dead or time != self._timer_planned:
            return
        self._timer_planned = float("inf")
        now = self.clock.micros
        self._next_timer = now + int(TIMER_POLL_SECONDS * 1e6)
        task_ids, sessions, following = self.tables.due(now)
        if following:
            self._next_timer = min(self._next_timer, following)
        if task_ids:
            self.journal.submit(WakeTasks(task_ids))
        for agent, session in sessions:
            self.journal.submit(ExpireAgent(agent, session))
        for agent in self.tables.overdue_drains(now):
            self.journal.submit(EnforceDrain(agent))
        renew_seconds = min(RENEW_SECONDS, self.intervals.lease_ttl / 6)
        if self.clock.now - self.journal.renewed_at >= renew_seconds:
            self.journal.submit(Renew())
        # Never at once again: what was just asked for is not written yet.
        self._plan_timers(max(0.001, min((self._next_timer - now) / 1e6, TIMER_POLL_SECONDS, renew_seconds)))
