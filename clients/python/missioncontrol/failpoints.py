"""Named points in an agent where a test has its process killed, stopped, delayed, or its stream cut.

    MISSIONCONTROL_AGENT_FAILPOINTS="work.after_end=kill;reports.before_send=error:7:0.1"

The same grammar as the failpoints of the services, in a module of its own: neither side may import the other, and with
a variable of its own, a machine's services are not asked for points that only its agents have. It is decided when the
process starts: without the variable a stream is written to directly, and nothing of this is on the way. What an error
means is said where it comes from: a send that fails is a stream that broke.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Any

from missioncontrol.v1 import agent_service_pb2 as pb

VARIABLE = "MISSIONCONTROL_AGENT_FAILPOINTS"
# Long against a send, short against a lease.
DELAY_SECONDS = 0.05
_FORM = "use POINT=ACTION or POINT=ACTION:SEED:CHANCE, separated by semicolons"


class Action(StrEnum):
    """What happens at a point."""

    KILL = "kill"
    STOP = "stop"
    DELAY = "delay"
    ERROR = "error"


# What an agent says, by the members of AgentMessage.
SENDS = ("hello", "heartbeat", "lease_receipt", "reports", "output", "drain_notice", "goodbye")
# The points, each with whether an error may come there: work that has ended has its outcome, whatever comes then.
POINTS: Mapping[str, bool] = {
    **{f"{content}.{when}_send": True for content in SENDS for when in ("before", "after")},
    "work.after_end": False,
}


class WrongFailpoints(ValueError):
    """The variable cannot be understood."""


class Failpoint:
    """One point with its action. `reach` is called each time the process passes it."""

    def __init__(self, action: Action, chance: float, seed: str) -> None:
        self._action = action
        self._chance = chance
        self._random = random.Random(seed)  # noqa: S311 - replays a test, guards nothing

    def reach(self, error: Exception) -> None:
        """Does it, if its chance has come."""
        if self._random.random() >= self._chance:
            return
        match self._action:
            case Action.KILL:
                os.kill(os.getpid(), signal.SIGKILL)
            case Action.STOP:
                os.kill(os.getpid(), signal.SIGSTOP)
            case Action.DELAY:
                time.sleep(DELAY_SECONDS)
            case Action.ERROR:
                raise error


def parse(value: str) -> dict[str, Failpoint]:
    """The points that are switched on. Raises WrongFailpoints, which says what is wrong and what there is."""
    return dict(_parse_one(part.strip()) for part in value.split(";") if part.strip())


def _parse_one(part: str) -> tuple[str, Failpoint]:
    point, _, rest = part.partition("=")
    name, *chances = rest.split(":")
    if point not in POINTS:
        raise WrongFailpoints(f"there is no failpoint {point!r}: {_FORM}; there are {', '.join(POINTS)}")
    if name not in list(Action):
        raise WrongFailpoints(f"{part!r} has no action {name!r}: {_FORM}; there are {', '.join(Action)}")
    if name == Action.ERROR and not POINTS[point]:
        raise WrongFailpoints(f"{part!r}: no error may come there")
    if not chances:
        return point, Failpoint(Action(name), 1.0, "")
    try:
        seed, chance = chances
        probability = float(chance)
    except ValueError:
        raise WrongFailpoints(f"{part!r}: {_FORM}") from None
    if not 0 <= probability <= 1:
        raise WrongFailpoints(f"{part!r}: the chance must be from 0 to 1")
    return point, Failpoint(Action(name), probability, f"{seed}/{point}")


def reach(point: str, error: type[Exception] = RuntimeError) -> None:
    """The process passes a point. Only called where `ENABLED`."""
    assert point in POINTS, point
    if point in _armed:
        _armed[point].reach(error(f"the failpoint {point}"))


def writing(call: Any) -> Callable[[pb.AgentMessage], Awaitable[None]]:
    """How to write to this stream, with the failpoints around it if there are any.

    An error there is a stream that broke, so it breaks: nobody else would ever notice.
    """

    async def write(message: pb.AgentMessage) -> None:
        content = message.WhichOneof("content")
        try:
            reach(f"{content}.before_send", asyncio.InvalidStateError)
            await call.write(message)
            reach(f"{content}.after_send", asyncio.InvalidStateError)
        except asyncio.InvalidStateError:
            call.cancel()
            raise

    return write if ENABLED else call.write


def _from_environment() -> dict[str, Failpoint]:
    try:
        return parse(os.environ.get(VARIABLE, ""))
    except WrongFailpoints as error:
        sys.stderr.write(f"missioncontrol: {VARIABLE}: {error}\n")
        sys.exit(2)


_armed = _from_environment()
ENABLED = bool(_armed)
