"""A small world in virtual time: the real session of an agent, a model of a coordinator, and a network that breaks.

The model keeps the books by which the session is judged: which lease is whose until when, what was accepted, what runs.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from missioncontrol.session import AgentSession
from missioncontrol.session_effects import LeaseKey, Leave, Offer, Reconnect, Stop, Withdraw
from missioncontrol.v1 import agent_service_pb2 as pb
from missioncontrol.v1 import task_pb2

INTERVAL, ECHO, JITTER = 1.0, 3.0, 0.5


def hello(*, slots: int = 4, queue_limit: int = 2) -> pb.Hello:
    return pb.Hello(
        protocol_version_min=1, protocol_version_max=1, agent_id="a", kinds=["k"], slots=slots, queue_limit=queue_limit
    )


def welcome(*keep: LeaseKey, drop: tuple[LeaseKey, ...] = ()) -> pb.CoordinatorMessage:
    answer = pb.Welcome(protocol_version=1, session=1, keep=references(keep), drop=references(drop))
    answer.heartbeat_interval.FromMilliseconds(int(INTERVAL * 1000))
    answer.echo_timeout.FromMilliseconds(int(ECHO * 1000))
    answer.reconnect_jitter_max.FromMilliseconds(int(JITTER * 1000))
    return pb.CoordinatorMessage(welcome=answer)


def references(keys: tuple[LeaseKey, ...] | list[LeaseKey]) -> list[pb.LeaseReference]:
    return [pb.LeaseReference(task_id=task_id, token=token) for task_id, token in keys]


def lease(
    task_id: str = "t", token: int = 1, *, ttl: float = 30.0, kind: str = "k", limit: float | None = None
) -> pb.Lease:
    made = pb.Lease(task_id=task_id, token=token, spec=task_pb2.TaskSpec(kind=kind))
    made.ttl.FromNanoseconds(round(ttl * 1e9))
    if limit is not None:
        made.run_time_limit.FromNanoseconds(round(limit * 1e9))
    return made


def leases(*several: pb.Lease, number: int = 1) -> pb.CoordinatorMessage:
    return pb.CoordinatorMessage(leases=pb.LeaseBatch(number=number, leases=several))


@dataclass
class ModelTask:
    """What the coordinator knows of a task."""

    token: int = 0
    ttl: float = 6.0
    holder: bool = False
    started: bool = False
    expire_time: float = inf
    cancel: bool = False
    accepted: list[str] = field(default_factory=list)
    ended: dict[int, str] = field(default_factory=dict)
    """Outcomes that were recorded, by token."""


class World:
    """Everything, with one clock and one seed."""

    def __init__(self, seed: int, *, tasks: int, stubborn: float = 0.0) -> None:
        """`stubborn` is the part of the work that goes on for a while when it is told to stop."""
        self.random = random.Random(seed)
        self.now = 0.0
        self.tasks = {f"t{number}": ModelTask(ttl=self.random.choice((3.0, 6.0, 30.0))) for number in range(tasks)}
        self.session = AgentSession(hello(), handover_seconds=2.0)
        self.chaos = True
        self.left = False
        self.offered = (0, False)
        """Slots, and whether it drains, as the last Hello said."""
        self._stubborn_part = stubborn
        self._stubborn: set[LeaseKey] = set()
        self.succeeded: set[LeaseKey] = set()
        self._offered: dict[LeaseKey, pb.Lease] = {}
        self._running: dict[LeaseKey, float] = {}
        self._seen: set[LeaseKey] = set()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._stream = 0
        """The agent's current stream; what belongs to another is lost."""
        self._bound = -1
        """The coordinator's current stream."""
        self._delivered = {"up": 0.0, "down": 0.0}
        self._acked = 0
        self._mute_until = 0.0
        self._batch = 0
        self._draining = False
        self._held: dict[int, set[LeaseKey]] = {}
        self._wake_time = inf
        self.later(0.0, self._connect)
        self.later(0.1, self._coordinate)
        self.later(0.3, self._disturb)

    # --- Time

    def later(self, delay: float, what: Callable[[], None]) -> None:
        self._at(self.now + delay, what)

    def _at(self, time: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._order), what))

    def run(self, until: float) -> None:
        while self._events and self._events[0][0] <= until:
            self.now, _, what = heapq.heappop(self._events)
            what()
        self.now = until

    @property
    def running(self) -> list[LeaseKey]:
        return list(self._running)

    @property
    def unfinished(self) -> list[str]:
        return [task_id for task_id, task in self.tasks.items() if not task.accepted]

    # --- The agent

    def _connect(self) -> None:
        if self.left:
            return
        self._stream += 1
        self._send("up", self.session.connect(self.now), self._receive_up)
        self._turn()

    def _turn(self) -> None:
        self.session.tick(self.now)
        while effects := self.session.take_effects(self.now):
            for effect in effects:
                self._do(effect)
        while (message := self.session.next_message(self.now)) is not None:
            self._send("up", message, self._receive_up)
        due = min(self.session.next_time(), self.session.next_message_time())
        if due < self._wake_time or self._wake_time <= self.now:
            assert due > self.now or not self.session.connected, "the session would spin"
            self._wake_time = due
            if due < inf:
                self.later(max(0.0, due - self.now), self._turn)

    def _do(self, effect: object) -> None:
        match effect:
            case Offer(offered):
                for each in offered:
                    self._on_offer(each)
            case Withdraw(key) if self._offered.pop(key, None) is not None:
                self.session.withdrawn(key)
            case Stop(key, _):
                if self._offered.pop(key, None) is not None:
                    self.session.withdrawn(key)
                elif self._running.pop(key, None) is not None:
                    self._on_stop(key)
            case Reconnect():
                self._broken()
            case Leave():
                self.left = True

    def _on_stop(self, key: LeaseKey) -> None:
        delay = 0.0
        if self._stubborn_part and self.random.random() < self._stubborn_part:
            delay = self.random.choice((0.5, 8.0, 30.0))
            self._stubborn.add(key)
        self.later(delay, lambda: self._stopped(key))

    def _stopped(self, key: LeaseKey) -> None:
        self._stubborn.discard(key)
        self._ended(key, pb.Cancelled())

    def _on_offer(self, offered: pb.Lease) -> None:
        key = (offered.task_id, offered.token)
        assert key not in self._seen, f"{key} was handed over twice"
        at_work = (*self._running, *self._stubborn)
        assert not any(key[0] == other[0] for other in at_work), f"{key[0]} runs twice in one agent"
        assert len(at_work) + len(self._offered) < 4, "more work than slots"
        self._seen.add(key)
        self._offered[key] = offered
        self.later(self.random.choice((0.0, 0.0, 0.1, 5.0 if self.chaos else 0.0)), lambda: self._claim(key))

    def _claim(self, key: LeaseKey) -> None:
        if self._offered.pop(key, None) is None:
            return
        self._running[key] = self.now
        self.session.claimed(key, self.now)
        if self.random.random() < 0.3:
            self.session.progress(key, task_pb2.Progress(fraction=0.5))
            self.session.checkpoint(key, task_pb2.Payload(data=b"c"))
        self.later(self.random.choice((0.0, 0.2, 2.0, 8.0)), lambda: self._finish(key))
        self._turn()

    def _finish(self, key: LeaseKey) -> None:
        if self._running.pop(key, None) is None:
            return
        self.succeeded.add(key)
        self._ended(key, pb.Succeeded(output=task_pb2.Payload(data=key[0].encode())))

    def _ended(self, key: LeaseKey, outcome: pb.Succeeded | pb.Cancelled) -> None:
        self.session.ended(key, outcome, self.now)
        self._turn()

    def _receive_down(self, message: pb.CoordinatorMessage) -> None:
        self.session.receive(message, self.now)
        self._turn()

    def _broken(self) -> None:
        self.session.disconnect()
        stream = self._stream = self._stream + 1  # Nothing of the old one arrives any more.
        wait = self.random.uniform(0.0, JITTER if not self.chaos else self.random.choice((JITTER, 4.0, 12.0)))
        self.later(wait, lambda: self._connect() if self._stream == stream else None)
        self._turn()

    # --- The network

    def _send(self, way: str, message: object, receive: Callable[..., None]) -> None:
        stream = self._stream
        # First in, first out, like a connection.
        slow = self.chaos and self.random.random() < 0.1
        delay = 1.2 if slow else self.random.uniform(0.0, 0.3 if self.chaos else 0.02)
        arrival = max(self._delivered[way], self.now + delay)
        self._delivered[way] = arrival
        swallowed = self.now < self._mute_until

        def arrive() -> None:
            if stream == self._stream and not swallowed:
                receive(message)

        # At this very instant: a delay that is added again may round to a later one, and be overtaken.
        self._at(arrival, arrive)

    def _disturb(self) -> None:
        if not self.chaos:
            return
        what = self.random.random()
        if what < 0.4:
            self._broken()
        elif what < 0.6:  # Packets vanish; the connection stands, as far as both sides know.
            self._mute_until = self.now + self.random.choice((1.0, 5.0, 15.0))
            self._deaf(self._stream)
        elif what < 0.8:
            self._order_something()
        self.later(self.random.uniform(0.2, 6.0), self._disturb)

    def _deaf(self, stream: int) -> None:
        # A connection that lost something delivers nothing after it: it breaks when the packets flow again.
        self.later(self._mute_until - self.now, lambda: self._broken() if stream == self._stream else None)

    # --- The coordinator

    def _down(self, message: pb.CoordinatorMessage) -> None:
        if self._bound == self._stream:
            self._send("down", message, self._receive_down)

    def _coordinate(self) -> None:
        for task_id, task in self.tasks.items():
            if task.holder and self.now >= task.expire_time:
                self._revoke(task_id, task)
        if self._bound == self._stream and not self._draining:
            self._grant()
        self.later(0.05, self._coordinate)

    def _revoke(self, task_id: str, task: ModelTask) -> None:
        assert (task_id, task.token) not in self._running, f"{task_id} still runs when its lease ends"
        task.holder = False

    def _grant(self) -> None:
        free = self.offered[0] + 2 - sum(task.holder for task in self.tasks.values())
        pending = [task_id for task_id, task in self.tasks.items() if not task.holder and not task.accepted]
        batch = []
        for task_id in pending[: max(0, free)]:
            task = self.tasks[task_id]
            task.token += 1
            task.holder, task.started, task.expire_time = True, False, self.now + task.ttl
            batch.append(lease(task_id, task.token, ttl=task.ttl))
        if batch:
            self._batch += 1
            self._down(leases(*batch, number=self._batch))

    def _order_something(self) -> None:
        held = [(task_id, task.token) for task_id, task in self.tasks.items() if task.holder]
        if not held or self._bound != self._stream:
            return
        key = self.random.choice(held)
        if self.random.random() < 0.5:
            self._down(pb.CoordinatorMessage(orders=pb.Orders(recall=references([key]))))
        else:
            self.tasks[key[0]].cancel = True
            self._down(pb.CoordinatorMessage(orders=pb.Orders(cancel=references([key]))))

    def _receive_up(self, message: pb.AgentMessage) -> None:
        match message.WhichOneof("content"):
            case "hello":
                self._on_hello(message.hello)
            case "heartbeat":
                self._on_heartbeat(message.heartbeat)
            case "reports":
                self._on_reports(message.reports)
            case "drain_notice":
                self._draining = True

    def _on_hello(self, said: pb.Hello) -> None:
        self._bound = self._stream
        self._draining = said.draining
        self.offered = (said.slots, said.draining)
        named = {(each.task_id, each.token) for each in said.held}
        self._held = {said.held_version: named}
        keep = []
        for task_id, task in self.tasks.items():
            key = (task_id, task.token)
            if task.holder and key in named:
                task.expire_time = self.now + task.ttl
                keep.append(key)
            elif task.holder:
                self._revoke(task_id, task)
        self._down(welcome(*keep))
        cancels = [key for key in keep if self.tasks[key[0]].cancel]
        if cancels:
            self._down(pb.CoordinatorMessage(orders=pb.Orders(cancel=references(cancels))))

    def _on_heartbeat(self, beat: pb.Heartbeat) -> None:
        if beat.held_included:
            self._held = {beat.held_version: {(each.task_id, each.token) for each in beat.held}}
        for task_id, token in self._held[beat.held_version]:
            task = self.tasks[task_id]
            if task.holder and task.token == token:
                task.expire_time = self.now + task.ttl
        self._down(
            pb.CoordinatorMessage(heartbeat_echo=pb.HeartbeatEcho(number=beat.number, held_version=beat.held_version))
        )

    def _on_reports(self, batch: pb.ReportBatch) -> None:
        assert [report.number for report in batch.reports] == sorted(report.number for report in batch.reports)
        refusals = []
        for report in batch.reports:
            assert report.number <= self._acked + 1, "a report was skipped"
            self._acked = max(self._acked, report.number)
            if not self._judge(report):
                refusal = pb.Refusal(number=report.number, task_id=report.task_id, token=report.token)
                refusal.reason = pb.REFUSAL_REASON_STALE
                refusals.append(refusal)
        ack = pb.ReportAck(number=batch.reports[-1].number, refusals=refusals)
        self._down(pb.CoordinatorMessage(report_ack=ack))

    def _judge(self, report: pb.Report) -> bool:
        task, event = self.tasks[report.task_id], report.WhichOneof("event")
        if report.token in task.ended:
            return event in ("started", "progress", "checkpoint", task.ended[report.token])
        if not task.holder or task.token != report.token:
            return False
        if event == "started":
            task.started = True
        elif event in ("succeeded", "failed", "cancelled", "returned", "rejected"):
            task.ended[report.token] = event
            task.holder = False
            if event in ("succeeded", "failed", "cancelled"):
                task.accepted.append(event)
        else:
            assert task.started, f"{event} before the start"
        return True
