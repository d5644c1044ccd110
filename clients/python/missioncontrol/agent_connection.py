"""The session on the network: one stream after another, in the session's own thread and event loop.

Everything that touches the `AgentSession` happens in `turn`, a plain function that never waits: it takes in what the
handlers did and what the time brings, and carries the effects out. A reader feeds it, a writer sends what the session
has to say, one message for each batch. A peer that does not read blocks the writer, and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from contextlib import suppress
from math import inf

import grpc
import grpc.aio

from missioncontrol import agent_limits as limits
from missioncontrol import failpoints
from missioncontrol.agent_errors import AgentError
from missioncontrol.channel import Addresses, open_channel
from missioncontrol.dispatch import Dispatcher
from missioncontrol.errors import call_error
from missioncontrol.followed_output import FollowedOutput
from missioncontrol.happenings import Happening, HappeningKind, Mailbox
from missioncontrol.session import AgentSession
from missioncontrol.session_effects import Effect, Follow, LeaseKey, Leave, Offer, Reconnect, Stop, Unfollow, Withdraw
from missioncontrol.stream_end import verdict
from missioncontrol.tls import FileUnreadable
from missioncontrol.transports import Call, Open, open_stream
from missioncontrol.v1 import agent_service_pb2 as pb

_LOG = logging.getLogger("missioncontrol.agent")


class AgentConnection:
    """Keeps the session connected until the agent has left, or must end."""

    def __init__(
        self,
        session: AgentSession,
        *,
        agent_id: str,
        addresses: Addresses,
        mailbox: Mailbox,
        dispatcher: Dispatcher,
        open_call: Open = open_stream,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._agent_id = agent_id
        self._addresses = addresses
        self._mailbox = mailbox
        self._dispatcher = dispatcher
        self._open_call = open_call
        self._clock = clock
        self._followed = FollowedOutput()
        self._call: Call | None = None
        self._writable = asyncio.Event()
        self._writing = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = inf
        self._reconnect = Reconnect("")
        self._left = asyncio.Event()
        self._attempts = 0
        self._opened = False
        self._failure: BaseException | None = None

    async def run(self) -> None:
        """Connects again and again, until the session has left. Raises AgentError if the agent must not go on."""
        try:
            while not self._left.is_set():
                await self.step()
                await self._pause()
        finally:
            if self._timer is not None:
                self._timer.cancel()
        if self._failure is not None:
            raise self._failure

    async def step(self) -> None:
        """One stream, from its Hello to its end."""
        address = self._addresses.current
        self._reconnect = Reconnect("the stream ended", elsewhere=True)
        channel = self._open_channel(address)
        if channel is None:
            return
        async with channel:
            call = self._call = self._open_call(channel)
            try:
                # A call that is cancelled cancels its reader, which a group takes for a quiet end.
                async with asyncio.TaskGroup() as group:
                    writer = group.create_task(self._write(call))
                    reader = group.create_task(self._read(call, address))
                    reader.add_done_callback(lambda _: writer.cancel())
            finally:
                call.cancel()
                self._call = None
                self._session.disconnect()
        self.turn()

    def turn(self) -> None:
        """Takes in what happened, and does what follows from it. Never waits."""
        try:
            now = self._clock()
            for happening in self._mailbox.take():
                self._take_in(happening, now)
            self._session.tick(now)
            self._carry_out(now)
            self._writable.set()
            self._set_timer()
        except BaseException as error:  # Nothing above us would see it: this is a callback of the loop.
            self._fail(error)

    def leave(self, drain_seconds: float, leave_seconds: float) -> None:
        """Starts the agent's own drain, or shortens it."""
        self._session.leave(self._clock(), drain_seconds=drain_seconds, leave_seconds=leave_seconds)
        self.turn()

    # --- The session

    def _take_in(self, happening: Happening, now: float) -> None:
        kind, key, content = happening
        if kind is HappeningKind.CLAIMED:
            self._session.claimed(key, now)
            self._followed.claimed(key, self._dispatcher.output(key))
        elif kind is HappeningKind.ENDED:
            self._followed.finish(key)
            self._session.ended(key, content, now)
        elif kind is HappeningKind.PROGRESS:
            self._session.progress(key, content)
        elif kind is HappeningKind.CHECKPOINT:
            self._session.checkpoint(key, content)
        else:
            self._followed.written(key)

    def _carry_out(self, now: float) -> None:
        # What is taken back frees slots, for which the session then offers more.
        while effects := self._session.take_effects(now):
            for effect in effects:
                self._do(effect)
        self._followed.wait_only_for(self._session.leases.has_work)

    def _do(self, effect: Effect) -> None:
        match effect:
            case Offer(leases):
                self._dispatcher.offer(leases)
            case Withdraw(key):
                self._take_back(key, won=self._dispatcher.withdraw(key))
            case Stop(key, reason):
                self._take_back(key, won=self._dispatcher.stop(key, reason))
            case Follow(key):
                self._followed.follow(key, self._dispatcher.output(key))
            case Unfollow(key):
                self._followed.unfollow(key)
            case Reconnect(why):
                _LOG.info("agent %s connects again: %s", self._agent_id, why)
                self._end_stream(effect)
            case Leave():
                self._left.set()
                self._end_stream(Reconnect("the agent has left"))

    def _take_back(self, key: LeaseKey, *, won: bool) -> None:
        if won:
            self._session.withdrawn(key)

    def _set_timer(self) -> None:
        due = self._session.next_time()
        if self._session.connected and not self._writing:
            due = min(due, self._session.next_message_time(), self._followed.due_time)
        if self._timer is not None:
            if self._timer_due <= due:
                return  # It goes off early enough, and is set again then.
            self._timer.cancel()
            self._timer = None
        if due < inf:
            self._timer_due = due
            self._timer = asyncio.get_running_loop().call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        """Loops differ in how exact they are: it may be a little early, and the timer is gone all the same."""
        self._timer = None
        self.turn()

    # --- The stream

    def _open_channel(self, address: str) -> grpc.aio.Channel | None:
        """None if that has to wait for a file of TLS that is being replaced; one that never was there is a mistake."""
        try:
            channel = open_channel(address, round_robin=False)
        except FileUnreadable as error:
            if not self._opened:
                raise
            _LOG.warning("agent %s cannot connect for now: %s", self._agent_id, error)
            return None
        self._opened = True
        return channel

    async def _read(self, call: Call, address: str) -> None:
        try:
            while True:
                message = await call.read()
                if message is grpc.aio.EOF:
                    break
                self._on_message(message, address)
        except grpc.aio.AioRpcError as error:
            self._on_broken(error, address)

    def _on_message(self, message: pb.CoordinatorMessage, address: str) -> None:
        self._session.receive(message, self._clock())
        if message.HasField("welcome"):
            self._attempts = 0
            self._addresses.learn(message.welcome.coordinators)
            _LOG.info("agent %s is connected to %s (%s)", self._agent_id, message.welcome.coordinator_id, address)
        self.turn()

    def _on_broken(self, error: grpc.aio.AioRpcError, address: str) -> None:
        refusal = call_error(error)
        fatal = verdict(refusal, agent_id=self._agent_id, welcomed=self._session.connected)
        if fatal is not None:
            self._fail(fatal)
        else:
            # A coordinator that stays away is said thrice, not for hours.
            level = logging.INFO if self._attempts < 3 else logging.DEBUG
            _LOG.log(level, "the stream to %s ended: %s", address, refusal)

    async def _write(self, call: Call) -> None:
        with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):  # The reader gets the status of the call.
            self._writing, write = True, failpoints.writing(call)
            await write(self._session.connect(self._clock()))
            self.turn()
            while True:
                while (message := self._next_message()) is not None:
                    await write(message)
                self._writable.clear()
                self._writing = False
                self._set_timer()
                await self._writable.wait()
                self._writing = True

    def _next_message(self) -> pb.AgentMessage | None:
        now = self._clock()
        if self._session.connected:
            final = self._followed.final_batch()
            if final is not None:
                return pb.AgentMessage(output=final)
        message = self._session.next_message(now)
        if message is None and self._session.connected:
            live = self._followed.next_batch(now)
            if live is not None:
                message = pb.AgentMessage(output=live)
        return message

    def _end_stream(self, effect: Reconnect) -> None:
        self._reconnect = effect
        if self._call is not None:
            self._call.cancel()

    def _fail(self, error: BaseException) -> None:
        if not isinstance(error, AgentError):
            _LOG.error("the agent's session failed", exc_info=error)
        self._failure = self._failure or error
        self._left.set()
        if self._call is not None:
            self._call.cancel()

    async def _pause(self) -> None:
        """Between two streams: the time that the coordinator named, and a random one, so that a fleet does not come
        at once.
        """
        if self._session.drain.left:
            self._left.set()
        if self._left.is_set():
            return
        if self._reconnect.elsewhere:
            self._addresses.advance()
        self._attempts += 1
        with suppress(TimeoutError):
            async with asyncio.timeout(self._reconnect.delay_seconds + self._jitter_seconds()):
                await self._left.wait()

    def _jitter_seconds(self) -> float:
        longest = jitter = self._session.liveness.jitter_seconds
        if self._attempts > 1:
            # Where leases are short the jitter is, too, and long waits would cost them.
            most = min(limits.RECONNECT_SECONDS_MAX, max(2 * jitter, limits.RECONNECT_SECONDS_MAX / 3))
            longest = min(limits.RECONNECT_SECONDS * 2 ** min(self._attempts, 16), most)
        return random.uniform(0, longest)  # noqa: S311 -- nothing secret
