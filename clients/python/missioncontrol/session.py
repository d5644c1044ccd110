"""The agent's half of the conversation that `agent_service.proto` specifies, as a pure state machine.

What comes in: messages of the coordinator, happenings in the agent, and the time (monotonic seconds). What comes out:
messages to send (`next_message`), and effects (`take_effects`): what to start, to stop, to follow, when to connect
again, when to leave. No I/O, no clock, no randomness, no thread: whoever owns a session calls it from one place.
Memory is bounded by the leases that the agent offers to take and by `agent_limits`.
"""

from __future__ import annotations

from math import inf

from missioncontrol import agent_limits as limits
from missioncontrol.session_drain import Drain
from missioncontrol.session_effects import (
    Effect,
    Follow,
    LeaseKey,
    Offer,
    Reconnect,
    Stop,
    StopReason,
    Unfollow,
    Withdraw,
    WithdrawReason,
)
from missioncontrol.session_leases import HeldLease, LeaseTable, Phase, seconds
from missioncontrol.session_lingering import Lingering
from missioncontrol.session_liveness import Liveness
from missioncontrol.session_notes import Notes
from missioncontrol.session_outcome import Outcome, final_report, replacement
from missioncontrol.session_receipts import Receipts
from missioncontrol.session_reports import ReportEntry, ReportLog
from missioncontrol.session_run_limits import RunLimits
from missioncontrol.v1 import agent_service_pb2 as pb
from missioncontrol.v1 import task_pb2

_STARTED = pb.Started()


class AgentSession:
    """One incarnation of an agent, over any number of streams.

    `hello` says who the agent is; the session fills in what it holds. The owner calls `connect` for each stream,
    `receive` for each message, the local happenings as they occur, and after any of them `take_effects` and
    `next_message` until both are empty; and again at `next_time` at the latest, with `tick` before.
    """

    def __init__(self, hello: pb.Hello, *, handover_seconds: float = limits.HANDOVER_SECONDS) -> None:
        self._hello = hello
        self._kinds = frozenset(hello.kinds)
        self._handover_seconds = handover_seconds
        self.leases = LeaseTable.of(hello)
        self.liveness = Liveness()
        self.reports = ReportLog()
        self.drain = Drain()
        self._lingering = Lingering()
        self._notes = Notes()
        self._effects: list[Effect] = []
        self._receipts = Receipts()
        self._hello_held: frozenset[LeaseKey] = frozenset()
        self._self_stop_time = inf
        self._run_limits = RunLimits()

    # --- The stream

    def connect(self, now: float) -> pb.AgentMessage:
        """A new stream is open: the Hello to send on it. What was under way on an earlier stream will be sent again."""
        held = self.leases.references()
        self._hello_held = frozenset((each.task_id, each.token) for each in held)
        self.reports.rewind()
        self._receipts = Receipts()
        self.liveness.begin(self.leases.version, now)
        hello = pb.Hello(held=held, held_version=self.leases.version, draining=self.drain.own)
        hello.MergeFrom(self._hello)
        hello.warm_keys[:] = self.leases.warm_keys()
        slots_left = self._lingering.tell(hello, now)
        for lease in self.leases.surplus(slots_left, self._lingering.told_tasks):
            self._give_back(lease, WithdrawReason.STUCK.value)
        return pb.AgentMessage(hello=hello)

    def disconnect(self) -> None:
        """The stream is gone. Work goes on until its leases run out."""
        self.liveness.end()

    @property
    def connected(self) -> bool:
        """Whether the current stream was welcomed."""
        return self.liveness.welcomed

    def receive(self, message: pb.CoordinatorMessage, now: float) -> None:
        """Takes in a message of the current stream. Members that are not known are ignored, as the contract says."""
        if now >= self.liveness.silence_time:
            # The stream counts as broken, and `tick` says so. What comes all the same may have waited in the socket for
            # as long as this process was stopped: a lease of it is not new, an echo no proof that anybody is there.
            return
        content = message.WhichOneof("content")
        if content == "welcome":
            self._on_welcome(message.welcome, now)
        elif content == "heartbeat_echo":
            self.liveness.echo(message.heartbeat_echo, now)
        elif content == "leases":
            self._on_leases(message.leases, now)
        elif content == "report_ack":
            self._on_ack(message.report_ack, now)
        elif content == "orders":
            self._on_orders(message.orders, now)
        elif content == "moving":
            delay = seconds(message.moving.delay)
            self._effects.append(Reconnect(f"the coordinator said: {message.moving.message}", delay, elsewhere=True))

    def next_message(self, now: float) -> pb.AgentMessage | None:
        """The next message to send; None if there is none now. Heartbeats first: a backlog must not delay them."""
        if not self.connected:
            return None
        if now >= self.liveness.heartbeat_time(self.leases.shortest_ttl):
            heartbeat = self.liveness.heartbeat(self.leases.version, now)
            if heartbeat.held_included:
                heartbeat.held.extend(self.leases.references())
            return pb.AgentMessage(heartbeat=heartbeat)
        if self.drain.notice_due:
            self.drain.notice_due = False
            return pb.AgentMessage(drain_notice=pb.DrainNotice())
        self._notes.flush(self.reports, now)
        batch = self.reports.next_batch()
        if batch is not None:
            batch.reports.lease_batch = self._receipts.take()
            return batch
        if now >= self._receipts.due_time:
            return pb.AgentMessage(lease_receipt=pb.LeaseReceipt(number=self._receipts.take()))
        return self.drain.goodbye(idle=self.idle, now=now)

    def take_effects(self, now: float) -> list[Effect]:
        """What to do now, in order; each effect is given once."""
        if not self.drain.closed and self.reports.unacknowledged_bytes < limits.UNACKNOWLEDGED_BYTES_MAX:
            offered = self.leases.offer(now)
            if offered:
                self._effects.append(Offer(tuple(lease.lease for lease in offered)))
        leave = self.drain.leave(idle=self.idle, connected=self.connected, now=now)
        if leave is not None:
            self._effects.append(leave)
        effects, self._effects = self._effects, []
        return effects

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing is left to say."""
        return self.leases.busy == 0 and self.leases.held == 0

    @property
    def _tells_of_lingering(self) -> bool:
        return self.connected and not self.drain.own

    # --- Time

    def tick(self, now: float) -> None:
        """Does what is due by the time alone."""
        if now >= self.liveness.silence_time:
            self.disconnect()
            self._effects.append(Reconnect("no answer of the coordinator in time", elsewhere=True))
        if now >= self._self_stop_time:
            self._stop_unrenewed(now)
        for key in self._run_limits.reached(now):
            lease = self.leases.get(key)
            if lease is not None and lease.phase is Phase.RUNNING:
                self._stop(lease, StopReason.TIMEOUT)
        self._withdraw_unclaimed(now)
        if self.drain.time_is_up(now):
            self._stop_all(StopReason.DRAIN)
        if self._tells_of_lingering and self._lingering.changed(now):
            self.disconnect()
            self._effects.append(Reconnect("work whose lease is gone does not stop, or has stopped at last"))

    def next_time(self) -> float:
        """When `tick` and `take_effects` have something to do again, if nothing happens before; at the latest."""
        return min(
            self.liveness.silence_time,
            self._self_stop_time,
            self._run_limits.next_time,
            self.leases.unclaimed_time(self._handover_seconds),
            self.drain.next_time,
            self._lingering.due_time if self._tells_of_lingering else inf,
            inf if self.connected else self.drain.leave_time,
        )

    def next_message_time(self) -> float:
        """When `next_message` has something to say by the time alone.

        Apart from `next_time`, since an owner that cannot send just now must not be woken for it again and again.
        """
        if not self.connected:
            return inf
        heartbeat_time = self.liveness.heartbeat_time(self.leases.shortest_ttl)
        return min(heartbeat_time, self._receipts.due_time, self._notes.due_time, self.drain.leave_time)

    # --- Happenings in the agent

    def claimed(self, key: LeaseKey, now: float) -> None:
        """A handler has taken the lease: its work starts now."""
        lease = self.leases.get(key)
        if lease is None or lease.phase is not Phase.OFFERED:
            return
        lease.phase = Phase.RUNNING
        if lease.held:
            self.reports.add(key, "started", _STARTED)
        if lease.lease.HasField("run_time_limit"):
            self._run_limits.add(key, now + seconds(lease.lease.run_time_limit))

    def ended(self, key: LeaseKey, outcome: Outcome, now: float) -> None:
        """The lease's work has ended, in whatever way. Its slot is free."""
        lease = self.leases.get(key)
        if lease is None or lease.phase is not Phase.RUNNING:
            return
        report = final_report(outcome, lease.stop)
        self._notes.finish(lease, self.reports, now)
        self._end(lease, report)

    def withdrawn(self, key: LeaseKey) -> None:
        """The lease was taken back before any handler claimed it."""
        lease = self.leases.get(key)
        if lease is None or lease.phase is not Phase.OFFERED:
            return
        if lease.stop is not None:
            self._end(lease, final_report(pb.Cancelled(), lease.stop))
        elif lease.withdraw is WithdrawReason.BLOCKED:
            self._end(lease, ("rejected", pb.Rejected(message=lease.withdraw.value)))
        else:
            self._give_back(lease, lease.withdraw.value if lease.withdraw else "")

    def progress(self, key: LeaseKey, progress: task_pb2.Progress) -> None:
        """The work got further. Only the newest is sent, at most once a second."""
        lease = self.leases.get(key)
        if lease is not None and lease.held and lease.phase is Phase.RUNNING:
            self._notes.progress(lease, progress)

    def checkpoint(self, key: LeaseKey, checkpoint: task_pb2.Payload) -> None:
        """A state to go on from. While one is on its way only the newest of those after it is kept."""
        lease = self.leases.get(key)
        if lease is not None and lease.held and lease.phase is Phase.RUNNING:
            self._notes.checkpoint(lease, checkpoint)

    def leave(self, now: float, *, drain_seconds: float, leave_seconds: float) -> None:
        """The agent is to end: no more work, what runs may finish within `drain_seconds`, then stops within
        `leave_seconds`.

        A second call with a shorter time shortens it.
        """
        self.drain.leave_within(now, drain_seconds, leave_seconds)
        self._give_back_unstarted()
        self.tick(now)

    # --- Messages of the coordinator

    def _on_welcome(self, welcome: pb.Welcome, now: float) -> None:
        self.liveness.welcome(welcome, now)
        self.drain.notice_due = self.drain.own
        keep = {(each.task_id, each.token) for each in welcome.keep}
        for key in sorted(self._hello_held - keep):
            self._drop(key, now)
        self._on_orders(welcome.orders, now)

    def _on_leases(self, batch: pb.LeaseBatch, now: float) -> None:
        self._receipts.arrived(batch.number, now)
        for lease in batch.leases:
            if self.leases.get((lease.task_id, lease.token)) is not None:
                continue
            full = self.leases.full
            ttl = seconds(lease.ttl)
            trusted = max(self.liveness.echoed_sent_time, now - ttl * limits.UNCONFIRMED_PART)
            held = self.leases.add(lease, ttl, trusted)
            self._self_stop_time = min(self._self_stop_time, trusted + ttl * limits.SELF_STOP_PART)
            if self.drain.closed:
                self._give_back(held, WithdrawReason.DRAIN.value)
            elif lease.spec.kind not in self._kinds:
                self._end(held, ("rejected", pb.Rejected(message=f"no handler for the kind {lease.spec.kind}"[:1000])))
            elif lease.task_id in self._lingering.told_tasks:
                self._end(held, ("rejected", pb.Rejected(message=WithdrawReason.STUCK.value)))
            elif full:
                self._end(held, ("rejected", pb.Rejected(message="all slots and places in the queue are taken")))
            else:
                self.leases.wait(held)

    def _on_ack(self, ack: pb.ReportAck, now: float) -> None:
        refusals = {refusal.number: refusal for refusal in ack.refusals}
        for entry in self.reports.acknowledged(ack.number):
            refusal = refusals.get(entry.report.number) if refusals else None
            if refusal is None:
                self._on_accepted(entry, now)
            else:
                self._on_refused(entry, refusal, now)

    def _on_accepted(self, entry: ReportEntry, now: float) -> None:
        lease = self.leases.get(entry.key)
        if lease is None:
            return
        if entry.is_outcome:
            self.leases.forget(lease)
        elif entry.event != "started":
            self._notes.acknowledged(lease, entry.event, now)

    def _on_refused(self, entry: ReportEntry, refusal: pb.Refusal, now: float) -> None:
        lease = self.leases.get(entry.key)
        if lease is None:
            return
        if refusal.reason != pb.REFUSAL_REASON_INVALID:
            self._drop(entry.key, now)
        elif not entry.is_outcome:
            self._on_accepted(entry, now)
        elif lease.refused >= 2:
            self._drop(entry.key, now)
        else:
            lease.refused += 1
            self.reports.add(entry.key, *replacement(lease.refused, refusal.message))

    def _on_orders(self, orders: pb.Orders, now: float) -> None:
        for each in orders.drop:
            self._drop((each.task_id, each.token), now)
        for each in orders.cancel:
            if (lease := self.leases.get((each.task_id, each.token))) is not None:
                self._stop(lease, StopReason.CANCEL)
        for each in orders.recall:
            if (lease := self.leases.get((each.task_id, each.token))) is not None:
                self._withdraw(lease, WithdrawReason.RECALL)
        self._effects.extend(Unfollow((each.task_id, each.token)) for each in orders.unfollow_output)
        self._effects.extend(Follow((each.task_id, each.token)) for each in orders.follow_output)
        if orders.resume:
            self.drain.resume()
        elif orders.HasField("drain"):
            self._on_drain(orders.drain, now)

    def _on_drain(self, order: pb.DrainOrder, now: float) -> None:
        returning = order.mode == pb.DRAIN_MODE_RETURN
        limit = seconds(order.time_limit) if order.HasField("time_limit") else inf
        self.drain.order(now, 0.0 if returning else limit)
        self._give_back_unstarted()
        self.tick(now)

    # --- What is done with leases

    def _end(self, lease: HeldLease, report: tuple[str, object] | None) -> None:
        self.leases.end(lease)
        self._lingering.end(lease.key)
        self._run_limits.end(lease.key)
        if lease.held and report is not None:
            self.reports.add(lease.key, *report)

    def _give_back(self, lease: HeldLease, why: str) -> None:
        self._end(lease, ("returned", pb.Returned(message=why)))

    def _drop(self, key: LeaseKey, now: float) -> None:
        lease = self.leases.get(key)
        if lease is None or not lease.held:
            return
        self._notes.forget(lease)
        self.leases.forget(lease)
        if lease.busy:
            lease.stop = StopReason.DROPPED
            self._lingering.begin(lease.lease, now)
            self._effects.append(Stop(key, StopReason.DROPPED))

    def _stop(self, lease: HeldLease, reason: StopReason) -> None:
        if lease.phase is Phase.WAITING:
            lease.stop = reason
            self._end(lease, final_report(pb.Cancelled(), reason))
        elif lease.busy and lease.may_stop(reason):
            lease.stop = reason
            self._effects.append(Stop(lease.key, reason))

    def _stop_all(self, reason: StopReason) -> None:
        for lease in self.leases:
            self._stop(lease, reason)

    def _stop_unrenewed(self, now: float) -> None:
        self._self_stop_time = inf
        for lease in self.leases:
            if not lease.held or lease.phase is Phase.ENDED or lease.stop is StopReason.LOST:
                continue
            stop_time = (
                self.liveness.renewed_time(lease.version, lease.renewed_time)
                + lease.ttl_seconds * limits.SELF_STOP_PART
            )
            if now >= stop_time:
                self._stop(lease, StopReason.LOST)
            else:
                self._self_stop_time = min(self._self_stop_time, stop_time)

    def _withdraw(self, lease: HeldLease, reason: WithdrawReason) -> None:
        if lease.phase is Phase.WAITING:
            self._give_back(lease, reason.value)
        elif lease.phase is Phase.OFFERED:
            lease.withdraw = reason
            self._effects.append(Withdraw(lease.key))

    def _withdraw_unclaimed(self, now: float) -> None:
        while now >= self.leases.unclaimed_time(self._handover_seconds):
            self._withdraw(self.leases.skip_offer(), WithdrawReason.BLOCKED)

    def _give_back_unstarted(self) -> None:
        for lease in self.leases:
            self._withdraw(lease, WithdrawReason.DRAIN)
