"""One agent's stream: reads what the agent says, says what there is to say, and ends when either side does.

The rules are elsewhere: `domain/session.py` knows which leases live, `domain/report.py` judges reports, the journal
commits. Here the messages are taken apart and put together. A report is acknowledged when the journal has answered,
in the order of arrival; if one cannot be written, nothing more is acknowledged and the stream ends, so that the agent
says it again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Protocol

import structlog
from missioncontrol.v1 import agent_service_pb2 as wire

from services import failpoints
from services.coordinator.limits import HELLO_SECONDS, REPORT_BATCHES_MAX
from services.coordinator.outbox import Outbox
from services.coordinator.output_relay import OutputRelay
from services.domain.agent import AgentKey, DrainMode
from services.domain.commands import (
    OUTCOMES,
    AgentAction,
    ApplyReports,
    ChangeAgent,
    LeaseKey,
    Refusal,
    Report,
    ReportKind,
)
from services.domain.errors import InvalidArgument, MissionControlError, SessionSuperseded, Unavailable
from services.domain.session import Session
from services.store.journal import Journal
from services.transport import convert_lease

log = structlog.get_logger(__name__)


class MessageWriter(Protocol):
    """The side of a gRPC context that a stream needs."""

    def write(self, message: Any) -> Awaitable[None]:
        """Sends one message; waits while the peer does not read."""


class Connection:
    """One stream of an agent, bound to a session. `converse` runs it; the other methods are called by the registry."""

    def __init__(
        self, session: Session, incarnation: str, journal: Journal, relay: OutputRelay, *, vouch_seconds: float
    ) -> None:
        self.session = session
        self.incarnation = incarnation
        self.outbox = Outbox()
        self.goodbye: str | None = None
        self.drain = (DrainMode.NONE, 0)  # as the agent was told
        self.leaves = False  # whether it drains by itself
        self.on_delivered: Callable[[AgentKey, list[LeaseKey]], None] = lambda _key, _leases: None
        self._journal = journal
        self._relay = relay
        self._vouch_seconds = vouch_seconds
        self._commits: asyncio.Queue[tuple[int, asyncio.Future[list[Refusal]]]] = asyncio.Queue(REPORT_BATCHES_MAX)
        self._late_progress: dict[str, Report] = {}
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # Called by the registry.

    def end(self, error: MissionControlError | None) -> None:
        """Ends the stream: with this error, or, without one, as the agent wished."""
        if self._ended.done():
            return
        if error is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(error)

    def recall(self, leases: Sequence[LeaseKey]) -> None:
        """Orders these leases back, as far as their work has not started."""
        for lease in leases:
            self.session.recall(lease)
            self.outbox.order("recall", lease)

    def note_leaving(self) -> asyncio.Future[Any]:
        """Records that the agent drains by itself."""
        return self._journal.submit(ChangeAgent(self.session.key, AgentAction.NOTICE, session=self.session.number))

    def flush_progress(self, now: float) -> None:
        """Records the newest progress of those whose last one came too early."""
        due = [r for r in self._late_progress.values() if self.session.takes_progress((r.task_id, r.token), now=now)]
        for report in due:
            del self._late_progress[report.task_id]
        if due:
            self._journal.submit(self._command(due)).add_done_callback(forget)

    async def converse(self, messages: AsyncIterator[wire.AgentMessage], writer: MessageWriter) -> None:
        """Runs the stream to its end. Raises the domain error that ends it, Unavailable for a peer that went away."""
        parts = [
            asyncio.ensure_future(self._listen(messages)),
            asyncio.ensure_future(self._speak(writer)),
            asyncio.ensure_future(self._acknowledge()),
            self._ended,
        ]
        try:
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for part in done:
                part.result()
        finally:
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)

    # The parts of the conversation.

    async def _speak(self, writer: MessageWriter) -> None:
        while True:
            message = await self.outbox.next()
            leases = list(self.outbox.delivering)
            if leases:
                self.session.sent(message.leases.number, leases, now=time.monotonic())
            if failpoints.ENABLED:
                reach_send(message, "before")
            await writer.write(message)
            if failpoints.ENABLED:
                reach_send(message, "after")
            if leases:
                self.on_delivered(self.session.key, leases)

    async def _listen(self, messages: AsyncIterator[wire.AgentMessage]) -> None:
        async for message in messages:
            await self._hear(message)
            if self.goodbye is not None:
                await self._commits.join()
                return
        raise Unavailable("the stream ended without a goodbye")

    async def _hear(self, message: wire.AgentMessage) -> None:
        kind = message.WhichOneof("content")
        if kind == "heartbeat":
            self._hear_heartbeat(message.heartbeat)
        elif kind == "reports":
            await self._hear_reports(message.reports)
        elif kind == "lease_receipt":
            self.session.confirm(message.lease_receipt.number)
        elif kind == "output":
            self._hear_output(message.output)
        elif kind == "drain_notice":
            self.leaves = True
            await self.note_leaving()
        elif kind == "goodbye":
            self.goodbye = message.goodbye.message
        elif kind == "hello":
            reason = "Hello comes first and only once; a new session needs a new stream"
            raise InvalidArgument(reason, fields=[("hello", reason)])

    def _hear_heartbeat(self, heartbeat: wire.Heartbeat) -> None:
        """Renews, and echoes as long as this coordinator can vouch for its agents: while it is able to write."""
        now = time.monotonic()
        held: set[LeaseKey] | None = None
        if heartbeat.held_included:
            held = {(lease.task_id, lease.token) for lease in heartbeat.held}
        self.session.heartbeat(held, now=now)
        self._repeat_cancels()
        if now - self._journal.renewed_at < self._vouch_seconds:
            echo = wire.HeartbeatEcho(number=heartbeat.number, held_version=heartbeat.held_version)
            self.outbox.say(wire.CoordinatorMessage(heartbeat_echo=echo))

    def _repeat_cancels(self) -> None:
        """Orders again what was cancelled and still goes on: an order may have overtaken its lease."""
        for lease in self.session.cancelled:
            self.outbox.order("cancel", lease)

    async def _hear_reports(self, batch: wire.ReportBatch) -> None:
        now = time.monotonic()
        self.session.confirm(batch.lease_batch)
        reports = [convert_lease.report(message) for message in batch.reports]
        taken = [report for report in reports if not self._put_off(report, now)]
        answer = self._journal.submit(self._command(taken))
        # If the stream ends first nobody waits for it any more: the agent says all of it again.
        answer.add_done_callback(forget)
        await self._commits.put((reports[-1].number, answer))

    def _put_off(self, report: Report, now: float) -> bool:
        """Whether this progress is kept for later. What ends the attempt makes it pointless."""
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

    async def _acknowledge(self) -> None:
        """Answers reports in the order of their arrival, each after its commit."""
        while True:
            number, answer = await self._commits.get()
            try:
                refusals = await answer
            except SessionSuperseded:
                raise
            except Exception as error:
                raise Unavailable("the reports could not be written; say them again") from error
            self.outbox.acknowledge(number, [convert_lease.refusal(refusal) for refusal in refusals])
            self._commits.task_done()

    def _hear_output(self, output: wire.OutputBatch) -> None:
        for piece in output.chunks:
            if (piece.task_id, piece.chunk.token) in self.session.leases:
                self._relay.publish(self.session.key[0], piece.task_id, piece.chunk)


async def read_hello(messages: AsyncIterator[wire.AgentMessage]) -> wire.Hello:
    """The first message of a stream. Raises Unavailable if it does not come, InvalidArgument if it is another."""
    try:
        async with asyncio.timeout(HELLO_SECONDS):
            first = await anext(messages, None)
    except TimeoutError:
        raise Unavailable(f"no Hello came within {HELLO_SECONDS:g} s; connect again") from None
    if first is None:
        raise Unavailable("the stream ended before Hello")
    if first.WhichOneof("content") != "hello":
        reason = "the first message of the stream must be Hello"
        raise InvalidArgument(reason, fields=[("hello", reason)])
    return first.hello


def reach_send(message: wire.CoordinatorMessage, when: str) -> None:
    """The failpoint of what is sent, if it has one."""
    kind = {"leases": "leases", "report_ack": "acknowledgement"}.get(str(message.WhichOneof("content")))
    if kind is not None:
        failpoints.reach(f"{kind}.{when}_send", Unavailable)


def forget(answer: asyncio.Future[Any]) -> None:
    """The answer to something that nobody waits for: its failure is the journal's to log."""
    if not answer.cancelled():
        answer.exception()
