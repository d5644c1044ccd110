"""What a storm takes away, and in which order.

The order depends on the seed alone; when in the work a kill falls is up to the machine, so a seed finds the same kind
of trouble again and not the same instant.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

from services.fleet.launcher import COORDINATOR, GATEWAY, SCHEDULER, Fleet, names_of


@dataclass(frozen=True)
class Kill:
    """Wait, take something away, wait, bring it back. A name of the fleet is a process that is killed with SIGKILL."""

    name: str
    after_seconds: float
    down_seconds: float


# How to take something else away, and bring it back after so many seconds.
Strike = Callable[[float], Awaitable[None]]


def weather(seed: int, kills: int, bag: Sequence[str]) -> Iterator[Kill]:
    """So many kills, each of the names in the bag once before any comes again."""
    chance = random.Random(seed)
    names: list[str] = []
    for _ in range(kills):
        if not names:
            names = list(bag)
            chance.shuffle(names)
        yield Kill(names.pop(), after_seconds=chance.uniform(0.05, 0.6), down_seconds=chance.uniform(0.0, 0.4))


def every_process(fleet: Fleet) -> list[str]:
    """The bag for `weather` with every process of the fleet, the first coordinator twice."""
    plan = fleet.plan
    kinds = ((COORDINATOR, plan.coordinators), (SCHEDULER, plan.schedulers), (GATEWAY, plan.gateways))
    services = [name for kind, count in kinds for name in names_of(kind, count)]
    return [COORDINATOR, *services, *(agent.id for agent in plan.agents)]
