"""What a handler sees of its task: who it is, how to report, and whether it is to stop.

Everything may be used from any thread. Nothing here talks to the network: what is reported goes to the agent's
session, which sends it when and as often as the contract allows.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from missioncontrol import agent_limits as limits
from missioncontrol.happenings import Happening, HappeningKind
from missioncontrol.live_output import LOG, LiveOutput
from missioncontrol.payload import decode_payload, encode_payload
from missioncontrol.plain_text import fit_text
from missioncontrol.session_effects import LeaseKey, StopReason
from missioncontrol.session_leases import seconds
from missioncontrol.v1 import agent_service_pb2 as pb
from missioncontrol.v1 import task_pb2

_LOG = logging.getLogger("missioncontrol.agent")

Tell = Callable[[Happening], None]


def _tell_nobody(happening: Happening) -> None:
    """Of a context that no agent made."""


class TaskContext:
    """One attempt at a task, as its handler sees it.

    A handler is told to stop (cancel, time limit, lost lease, shutdown) like this: an async one gets
    `asyncio.CancelledError` at its next await; a sync one must look at `cancelled`, or call `raise_if_cancelled`,
    from time to time: Python cannot stop a thread. Until it ends by itself it keeps its slot.
    """

    __slots__ = ("_callbacks", "_event", "_lease", "_lock", "_output", "_start_time", "_stop", "_tell", "_usage")

    def __init__(self, lease: pb.Lease, tell: Tell = _tell_nobody) -> None:
        self._lease = lease
        self._tell = tell
        self._stop: StopReason | None = None
        self._start_time = time.monotonic()
        self._lock = threading.Lock()
        # Most tasks need none of these; they are made when they are first used.
        self._event: threading.Event | None = None
        self._callbacks: list[Callable[[], None]] | None = None
        self._output: LiveOutput | None = None
        self._usage: task_pb2.Usage | None = None

    @classmethod
    def detached(cls, task_id: str = "detached", *, payload: object = None, checkpoint: object = None) -> TaskContext:
        """A context without an agent, for calling a handler directly, in a test say. What it reports goes nowhere."""
        lease = pb.Lease(task_id=task_id, token=1, spec=task_pb2.TaskSpec(payload=encode_payload(payload)))
        if checkpoint is not None:
            lease.checkpoint.CopyFrom(encode_payload(checkpoint))
        return cls(lease)

    # --- Who it is

    @property
    def task_id(self) -> str:
        """The task's id."""
        return self._lease.task_id

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1; also the token that fences it."""
        return self._lease.token

    @property
    def failures(self) -> int:
        """Attempts that failed before this one."""
        return self._lease.failures

    @property
    def kind(self) -> str:
        """The task's kind."""
        return self._lease.spec.kind

    @property
    def namespace(self) -> str:
        """The task's namespace."""
        return self._lease.spec.namespace or "default"

    @property
    def queue(self) -> str:
        """The queue that it came from."""
        return self._lease.spec.queue or "default"

    @property
    def labels(self) -> Mapping[str, str]:
        """The task's labels."""
        return dict(self._lease.spec.labels)

    @property
    def trace_parent(self) -> str:
        """The W3C `traceparent` of whoever submitted the task; empty if there is none."""
        return self._lease.spec.trace_parent

    @property
    def payload(self) -> task_pb2.Payload:
        """The input, as it came."""
        return self._lease.spec.payload

    # --- Reporting

    def progress(self, fraction: float | None = None, message: str = "") -> None:
        """How far the work is: `fraction` between 0 and 1, or None if nobody knows. As often as you like: the newest
        goes out
        once a second."""
        progress = task_pb2.Progress(message=fit_text(message, limits.NOTE_BYTES_MAX))
        if fraction is not None and not math.isnan(fraction):
            progress.fraction = min(1.0, max(0.0, fraction))
        self._tell((HappeningKind.PROGRESS, self._key, progress))

    def checkpoint(self, value: object) -> None:
        """A state to go on from: `last_checkpoint` of the next attempt, should this one not get to its end.

        Raises PayloadError if it cannot be encoded, ValueError if it exceeds 256 KiB.
        """
        payload = encode_payload(value)
        if len(payload.data) > limits.PAYLOAD_BYTES_MAX:
            size = len(payload.data)
            raise ValueError(f"the checkpoint has {size} bytes; the limit is {limits.PAYLOAD_BYTES_MAX}")
        self._tell((HappeningKind.CHECKPOINT, self._key, payload))

    @property
    def last_checkpoint(self) -> Any:
        """The last checkpoint of an earlier attempt, as its content type says; None if there is none."""
        return self.last_checkpoint_as(None)

    def last_checkpoint_as(self, into: Any) -> Any:
        """The same as a value of this type, or None. Raises PayloadError if it is none."""
        return decode_payload(self._lease.checkpoint, into) if self._lease.HasField("checkpoint") else None

    def log(self, *values: object) -> None:
        """Writes a line to the live output, where followers see it. Not kept after the task."""
        self.output.stream(LOG).append((" ".join(map(str, values)) + "\n").encode("utf-8", "replace"))

    def usage(
        self,
        *,
        input_tokens: int = 0,
        output_tokens: int = 0,
        cost_usd: float = 0.0,
        cpu_seconds: float = 0.0,
        memory_bytes_max: int = 0,
        **custom: float,
    ) -> None:
        """Adds to what the attempt has used; of memory the largest counts. Goes out with the outcome."""
        with self._lock:
            used = self._usage = self._usage or task_pb2.Usage()
            used.input_tokens += max(0, input_tokens)
            used.output_tokens += max(0, output_tokens)
            used.cost_micro_usd += max(0, round(cost_usd * 1e6))
            used.memory_bytes_max = max(used.memory_bytes_max, memory_bytes_max)
            if cpu_seconds:
                used.cpu_time.FromNanoseconds(used.cpu_time.ToNanoseconds() + round(cpu_seconds * 1e9))
            for name, amount in custom.items():
                if name in used.custom or len(used.custom) < limits.CUSTOM_USAGE_MAX:
                    used.custom[name] += amount

    @property
    def used(self) -> task_pb2.Usage | None:
        """What `usage` has added up; None if nothing."""
        return self._usage

    # --- Stopping

    @property
    def cancelled(self) -> bool:
        """Whether the work is to stop."""
        return self._stop is not None

    @property
    def stop_reason(self) -> StopReason | None:
        """Why it is to stop; None if it is not."""
        return self._stop

    def raise_if_cancelled(self) -> None:
        """Raises `asyncio.CancelledError`, in sync handlers too, if the work is to stop. Let it pass."""
        if self._stop is not None:
            raise asyncio.CancelledError(self._stop.value)

    def wait_cancelled(self, timeout_seconds: float | None = None) -> bool:
        """Waits, blocking, until the work is to stop, or for so long; returns `cancelled`. For sync handlers: a
        `sleep` that
        ends early."""
        with self._lock:
            event = self._event = self._event or threading.Event()
            if self._stop is not None:
                return True
        return event.wait(timeout_seconds)

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Has this called once, from another thread, when the work is to stop; at once if it is already. Must not
        block.
        """
        with self._lock:
            if self._stop is None:
                self._callbacks = [*(self._callbacks or ()), callback]
                return
        callback()

    def begin(self, now: float) -> None:
        """Of the agent: the work starts now, by the monotonic clock."""
        self._start_time = now

    def stop(self, reason: StopReason) -> None:
        """Of the agent: tells the handler to stop. The first reason stands."""
        with self._lock:
            if self._stop is not None:
                return
            self._stop = reason
            callbacks, self._callbacks = self._callbacks or (), None
            if self._event is not None:
                self._event.set()
        for callback in callbacks:
            try:
                callback()
            except Exception:  # It is one handler's, and this the thread of all of them.
                _LOG.exception("a callback for the cancel of task %s failed", self.task_id)

    @property
    def deadline(self) -> float | None:
        """The end of the time limit for running, in seconds of `time.monotonic()`; None if there is no limit."""
        if not self._lease.HasField("run_time_limit"):
            return None
        return self._start_time + seconds(self._lease.run_time_limit)

    @property
    def remaining_seconds(self) -> float | None:
        """The time that is left for running, not below 0; None if there is no limit."""
        deadline = self.deadline
        return None if deadline is None else max(0.0, deadline - time.monotonic())

    # --- Of the agent

    @property
    def output(self) -> LiveOutput:
        """The live output."""
        with self._lock:
            if self._output is None:
                self._output = LiveOutput(self._written)
            return self._output

    @property
    def _key(self) -> LeaseKey:
        return (self._lease.task_id, self._lease.token)

    def _written(self) -> None:
        self._tell((HappeningKind.OUTPUT, self._key, None))
