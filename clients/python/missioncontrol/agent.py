"""The agent: handlers, and the process around them.

    agent = Agent("worker-1", labels={"zone": "a"})

    @agent.handler("summarize")
    async def summarize(job: Job, ctx: TaskContext) -> Summary: ...

    agent.run_forever()

What runs where: the session with the coordinator in a thread of its own; async handlers on the loop that calls `run`;
sync ones in as many threads as there are slots. A handler that blocks therefore costs its neighbours on the loop
their turn, but never a lease.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType
from typing import Any, TypeVar

import uuid_utils

from missioncontrol import __version__
from missioncontrol import agent_limits as limits
from missioncontrol.agent_connection import AgentConnection
from missioncontrol.agent_errors import AgentError
from missioncontrol.agent_thread import AgentThread
from missioncontrol.channel import DEFAULT_ADDRESS, Addresses
from missioncontrol.command import COMMAND_KIND
from missioncontrol.command_executor import CommandExecutor, CommandSettings
from missioncontrol.dispatch import Dispatcher
from missioncontrol.handlers import Handler, RunsIn, caller_names, make_handler
from missioncontrol.happenings import Mailbox
from missioncontrol.session import AgentSession
from missioncontrol.slots import default_slots, read_capacity
from missioncontrol.transports import find_transport
from missioncontrol.v1 import agent_service_pb2 as pb

_LOG = logging.getLogger("missioncontrol.agent")
_DEFAULT_COMMANDS = CommandSettings()

Function = TypeVar("Function", bound=Callable[..., Any])


class Agent:
    """One agent: an id, what it offers, and its handlers. It runs once.

    `agent_id` is unique in the namespace, and the same over restarts: a second process with it ends the first.
    `address`: one or several "host:port" (default: MISSIONCONTROL_ADDRESS, or 127.0.0.1:7070).
    `slots`: how many tasks run at once (default: what CPUs and memory allow, see `slots.default_slots`).
    `queue_limit`: how many leases it holds beyond these, not started: hides the way to the coordinator where tasks
    are short, and takes them away from other agents where they are long.
    `resources`: for tasks that ask for some; `cpus` and `memory_bytes` of the machine or container are declared
    besides. `queues`: where it takes work from (default: all). `commands`: how it runs tasks of kind "command"; None:
    not at all. `warm_keys`: the affinity keys that it has at hand already (a checkout, a cache), the best first; those
    of the tasks that it runs are added by itself. `transport`: "stream", or "poll" for networks that break streams
    (default: MISSIONCONTROL_AGENT_TRANSPORT, or "stream").
    """

    def __init__(  # noqa: PLR0913 -- all but the first are named by the caller, and each is one thing that an agent says of itself
        self,
        agent_id: str,
        *,
        address: str | Sequence[str] | None = None,
        namespace: str | None = None,
        slots: int | None = None,
        queue_limit: int = 0,
        labels: Mapping[str, str] | None = None,
        capabilities: Sequence[str] = (),
        resources: Mapping[str, float] | None = None,
        queues: Sequence[str] = (),
        warm_keys: Sequence[str] = (),
        commands: CommandSettings | None = _DEFAULT_COMMANDS,
        drain_time_limit: float = limits.DRAIN_SECONDS,
        transport: str | None = None,
    ) -> None:
        capacity = read_capacity()
        self.agent_id = agent_id
        self.slots = default_slots(capacity) if slots is None else slots
        given = address or os.environ.get("MISSIONCONTROL_ADDRESS") or DEFAULT_ADDRESS
        self._addresses = Addresses(given, start=random.random())  # noqa: S311 - spreads load, guards nothing
        self._drain_seconds = drain_time_limit
        self._open_call = find_transport(transport)
        self._handlers: dict[str, Handler] = {}
        self._thread = AgentThread(f"missioncontrol-{agent_id}")
        self._connection: AgentConnection | None = None
        self._drain_calls = 0
        self._executor = CommandExecutor(commands) if commands is not None else None
        if self._executor is not None:
            self._handlers[COMMAND_KIND] = make_handler(COMMAND_KIND, self._executor)
        _check_range("slots", self.slots, 1, limits.SLOTS_MAX)
        _check_range("queue_limit", queue_limit, 0, limits.QUEUE_LIMIT_MAX)
        _check_range("the number of warm_keys", len(warm_keys), 0, limits.WARM_KEYS_MAX)
        self._hello = pb.Hello(
            protocol_version_min=limits.PROTOCOL_VERSION_MIN,
            protocol_version_max=limits.PROTOCOL_VERSION_MAX,
            namespace=namespace or os.environ.get("MISSIONCONTROL_NAMESPACE") or "",
            agent_id=agent_id,
            incarnation=str(uuid_utils.uuid7()),
            labels=labels or {},
            capabilities=capabilities,
            queues=queues,
            slots=self.slots,
            queue_limit=queue_limit,
            resources={**capacity.resources, **(resources or {})},
            warm_keys=dict.fromkeys(warm_keys),
            sdk=f"missioncontrol-python/{__version__}",
            host=socket.gethostname(),
        )

    @property
    def incarnation(self) -> str:
        """The id of this start of the agent."""
        return self._hello.incarnation

    def handler(self, kind: str, *, runs_in: RunsIn | None = None) -> Callable[[Function], Function]:
        """Makes a function the handler of a task kind. The function itself stays as it is.

        It takes at most one input, decoded to the type of its annotation (a pydantic model, a dataclass, str, bytes,
        dict, …), and, anywhere among its parameters, a `TaskContext`. What it returns is the task's output.
        `runs_in`: see `make_handler`. Raises ValueError if the kind has a handler, TypeError if the signature cannot
        be served.
        """
        names = caller_names(1)

        def register(function: Function) -> Function:
            if kind in self._handlers:
                raise ValueError(f"the kind {kind!r} has a handler already")
            self._handlers[kind] = make_handler(kind, function, runs_in=runs_in, names=names)
            return function

        return register

    async def run(self) -> None:
        """Takes work and runs it, until `drain` was called and has come to its end. Cancelled: returns what runs, at
        once.

        Raises AgentSuperseded if a newer process has this agent's id, AgentRefused if the coordinator does not take it.
        """
        if not self._handlers:
            raise ValueError("the agent has no handler")
        if self._thread.loop is not None:
            raise RuntimeError("an agent runs once; make another one")
        hello = pb.Hello(kinds=sorted(self._handlers))
        hello.MergeFrom(self._hello)
        dispatchers: list[Dispatcher] = []
        self._thread.start(partial(self._converse, hello, asyncio.get_running_loop(), dispatchers))
        ended = asyncio.wrap_future(self._thread.result)
        try:
            await asyncio.shield(ended)
        except asyncio.CancelledError:
            self.drain(0.0)
            await asyncio.shield(ended)  # a second cancel ends the waiting, not the thread's result
            raise
        finally:
            for dispatcher in dispatchers:
                dispatcher.cancel_all()
                dispatcher.close()
            if self._executor is not None:
                await asyncio.get_running_loop().run_in_executor(None, self._executor.close)

    def run_forever(self) -> None:
        """Runs the agent as this process: SIGTERM or SIGINT drains it, a second one returns what runs at once.

        Returns when the agent has left; exits with the code of the AgentError (70: superseded, 78: refused) if it
        must end.
        """
        exit_watch = _ExitWatch(self._thread)
        with _signals(self._on_signal):
            try:
                asyncio.run(self.run())
            except AgentError as error:
                _LOG.error("%s", error)
                raise SystemExit(error.exit_code) from error
            finally:
                exit_watch.cancel()

    def drain(self, time_limit: float | None = None) -> None:
        """Starts to leave: no more work; what runs may finish within `time_limit` seconds (default: the agent's
        setting), and is
        returned, without burning a retry, after that. Any thread; also from a signal handler. A shorter limit wins."""
        self._drain_calls += 1
        seconds = self._drain_seconds if time_limit is None else time_limit
        self._thread.call(partial(self._leave, seconds))

    def _leave(self, drain_seconds: float) -> None:
        if self._connection is not None:
            self._connection.leave(drain_seconds, limits.LEAVE_SECONDS)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.drain(None if self._drain_calls == 0 else 0.0)

    async def _converse(
        self, hello: pb.Hello, main_loop: asyncio.AbstractEventLoop, dispatchers: list[Dispatcher]
    ) -> None:
        # In the session's thread.
        mailbox = Mailbox(lambda: self._thread.call(connection.turn))
        dispatcher = Dispatcher(self._handlers, mailbox, loop=main_loop, slots=self.slots, name=self.agent_id)
        connection = AgentConnection(
            AgentSession(hello, handover_seconds=limits.HANDOVER_SECONDS),
            agent_id=self.agent_id,
            addresses=self._addresses,
            mailbox=mailbox,
            dispatcher=dispatcher,
            open_call=self._open_call,
        )
        dispatchers.append(dispatcher)
        self._connection = connection
        if self._drain_calls:
            connection.leave(0.0, 0.0)  # Told to leave before it began.
        await connection.run()


class _ExitWatch:
    """Ends the process if the agent has left and its main loop does not come back: a handler holds it."""

    def __init__(self, thread: AgentThread) -> None:
        self._timer = threading.Timer(limits.EXIT_SECONDS, self._exit)
        self._timer.daemon = True
        self._result = thread.result
        self._result.add_done_callback(lambda _: self._start())

    def cancel(self) -> None:
        """The main loop came back."""
        self._timer.cancel()

    def _start(self) -> None:
        with suppress(RuntimeError):  # It was cancelled, or the interpreter is ending.
            self._timer.start()

    def _exit(self) -> None:
        error = self._result.exception()
        _LOG.error("the agent has left, but a handler blocks its main loop: the process ends now")
        os._exit(error.exit_code if isinstance(error, AgentError) else 0 if error is None else 1)


@contextmanager
def _signals(handle: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    # Plain handlers, not the loop's: they run between two bytecodes of a handler that blocks the loop.
    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def _check_range(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name} is {value}; it must be from {least} to {most}")
