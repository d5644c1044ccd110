"""Named points around commits and sends where a test has this process killed, stopped, delayed, or failed.

    MISSIONCONTROL_FAILPOINTS="writer.before_commit=stop;journal.after_commit=kill:7:0.1"

Each is POINT=ACTION, or POINT=ACTION:SEED:CHANCE for an action that comes with that chance at each pass. It is decided
when the process starts: without the variable `reach` is a function that does nothing. Only where the world has errors,
too, may `error` come; which one it is says the place. Nothing here knows what is done there.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable, Mapping
from enum import StrEnum

VARIABLE = "MISSIONCONTROL_FAILPOINTS"
# Long against a commit, short against a lease.
DELAY_SECONDS = 0.05
_FORM = "use POINT=ACTION or POINT=ACTION:SEED:CHANCE, separated by semicolons"


class Action(StrEnum):
    """What happens at a point."""

    KILL = "kill"
    STOP = "stop"
    DELAY = "delay"
    ERROR = "error"


# The points, each with whether an error may come there: after a commit nothing may say that there was none.
POINTS: Mapping[str, bool] = {
    "writer.before_begin": True,
    "writer.before_commit": True,
    "writer.after_commit": False,
    "journal.before_commit": False,
    "journal.after_commit": False,
    "leases.before_send": True,
    "leases.after_send": True,
    "acknowledgement.before_send": True,
    "acknowledgement.after_send": True,
    "placements.before_submit": False,
    "placements.after_submit": False,
    "changes.before_send": False,
    "changes.after_send": False,
    "scheduler.before_send": True,
    "scheduler.after_send": True,
    "gateway.before_send": True,
    "gateway.after_send": True,
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


def _armed(points: Mapping[str, Failpoint]) -> Callable[..., None]:
    def reach_armed(point: str, error: type[Exception] = RuntimeError) -> None:
        assert point in POINTS, point
        if point in points:
            points[point].reach(error(f"the failpoint {point}"))

    return reach_armed


def reach(point: str, error: type[Exception] = RuntimeError) -> None:
    """The process passes a point; `error` is what this place knows as an error of the world."""


def _begin() -> None:
    value = os.environ.get(VARIABLE, "")
    if not value:
        return
    try:
        globals()["reach"] = _armed(parse(value))
    except WrongFailpoints as error:
        sys.stderr.write(f"missioncontrol: {VARIABLE}: {error}\n")
        sys.exit(2)


ENABLED = bool(os.environ.get(VARIABLE))
_begin()
