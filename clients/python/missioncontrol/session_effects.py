"""What the agent's half of the conversation asks its surroundings to do, and why work is stopped. Plain values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from missioncontrol.v1 import agent_service_pb2 as pb

# A lease's name: task id and token.
LeaseKey = tuple[str, int]


class StopReason(Enum):
    """Why work that has started, or was about to, must stop."""

    CANCEL = "the task was cancelled"
    TIMEOUT = "the time limit for running was exceeded"
    LOST = "the lease could not be renewed in time"
    DROPPED = "the lease is not this agent's any more"
    DRAIN = "the agent is draining"


class WithdrawReason(Enum):
    """Why a lease that was handed over and not yet taken by a handler goes back."""

    RECALL = "recalled"
    DRAIN = "the agent is draining"
    STUCK = "the agent's slots are held by work that does not stop"
    BLOCKED = "the agent's handlers block: no handler took the lease in time"


@dataclass(frozen=True, slots=True)
class Offer:
    """Hand these over to their handlers: slots are free for them. Answer each with `claimed`, then `ended`."""

    leases: tuple[pb.Lease, ...]


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Take this one back if no handler has claimed it; then, and only then, answer `withdrawn`."""

    key: LeaseKey


@dataclass(frozen=True, slots=True)
class Stop:
    """Take this one back if no handler has claimed it (answer `withdrawn`); otherwise stop its work (`ended`
    follows).
    """

    key: LeaseKey
    reason: StopReason


@dataclass(frozen=True, slots=True)
class Follow:
    """Send this lease's live output, from the oldest byte still kept."""

    key: LeaseKey


@dataclass(frozen=True, slots=True)
class Unfollow:
    """Stop sending this lease's live output."""

    key: LeaseKey


@dataclass(frozen=True, slots=True)
class Reconnect:
    """Drop this stream and open another after `delay_seconds` and a random wait. `elsewhere`: at another address if
    there is one.
    """

    why: str
    delay_seconds: float = 0.0
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Leave:
    """The drain is over: end the stream, for good."""


Effect = Offer | Withdraw | Stop | Follow | Unfollow | Reconnect | Leave
