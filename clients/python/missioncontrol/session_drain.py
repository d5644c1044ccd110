"""Whether the agent takes work, and until when what runs may run on: its own leaving, and drains that were ordered."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from missioncontrol import agent_limits as limits
from missioncontrol.session_effects import Leave
from missioncontrol.v1 import agent_service_pb2 as pb


@dataclass(slots=True)
class Drain:
    """`own`: the agent leaves, for good. `ordered`: the coordinator wants it empty, and may call that off."""

    own: bool = False
    ordered: bool = False
    notice_due: bool = False
    left: bool = False
    """Goodbye was said, or there was nobody to say it to."""
    _own_time: float = inf
    _ordered_time: float = inf
    leave_time: float = inf
    """When work that did not stop is left behind."""
    _end_time: float = inf

    @property
    def closed(self) -> bool:
        """Whether no work is started or taken."""
        return self.own or self.ordered

    @property
    def next_time(self) -> float:
        """When time alone changes something, besides `leave_time`."""
        return min(self._own_time, self._ordered_time, self._end_time, self.leave_time + limits.GOODBYE_SECONDS)

    def leave_within(self, now: float, drain_seconds: float, leave_seconds: float) -> None:
        """The agent leaves: what runs may do so for `drain_seconds`; after `leave_seconds` more it is left behind."""
        self.notice_due = self.notice_due or not self.own
        self.own = True
        self._own_time = min(self._own_time, now + drain_seconds)
        self.leave_time = min(self.leave_time, now + drain_seconds + leave_seconds)

    def order(self, now: float, limit_seconds: float) -> None:
        """A drain was ordered. Repeating it does not make the time longer."""
        self.ordered = True
        self._ordered_time = min(self._ordered_time, now + limit_seconds)

    def resume(self) -> None:
        """The ordered drain is called off."""
        self.ordered = False
        self._ordered_time = inf

    def time_is_up(self, now: float) -> bool:
        """Whether what still runs must stop now; said once for each limit."""
        if now < min(self._own_time, self._ordered_time):
            return False
        if now >= self._own_time:
            self._own_time = inf
        if now >= self._ordered_time:
            self._ordered_time = inf
        return True

    def goodbye(self, *, idle: bool, now: float) -> pb.AgentMessage | None:
        """The last message, once nothing is left to do, or the time for leaving is over."""
        if not self.own or self.left or not (idle or now >= self.leave_time):
            return None
        self.left = True
        self.leave_time, self._end_time = inf, now + limits.GOODBYE_SECONDS
        message = "the agent leaves" if idle else "the agent leaves; some work did not stop in time"
        return pb.AgentMessage(goodbye=pb.Goodbye(message=message))

    def leave(self, *, idle: bool, connected: bool, now: float) -> Leave | None:
        """Whether the stream, if there is one, can end for good: after Goodbye, or without one if nobody hears it."""
        if self.left and now >= self._end_time:
            self._end_time = inf
            return Leave()
        # A coordinator that does not read keeps Goodbye from being sent: it is not waited for either.
        unheard = now >= self.leave_time + limits.GOODBYE_SECONDS
        if self.own and not self.left and (unheard or (not connected and (idle or now >= self.leave_time))):
            self.left = True
            self.leave_time = inf
            return Leave()
        return None
