"""Dispatchers of a few lines, without the scheduler: what its strategies and the theory are both compared with.

Each agent has one slot and serves first come, first served, so a task's end is known when it is dispatched.
"""

from __future__ import annotations

import random
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count, islice

from benchmarks.routing_study.workload import Arrival

# For each agent, when its tasks end that have not ended yet.
Backlogs = list[deque[float]]
Choose = Callable[[Backlogs, float], int]


def dispatch(
    arrivals: Iterator[Arrival], *, agents: int, choose: Choose, skip: int, tasks: int
) -> tuple[array[float], array[float]]:
    """Dispatch each task to the agent that `choose` names.

    Return the times in the system and the waits of `tasks` tasks after the first `skip`.
    """
    backlogs: Backlogs = [deque() for _ in range(agents)]
    times, waits = array("d"), array("d")
    for number, arrival in enumerate(islice(arrivals, skip + tasks)):
        backlog = backlogs[choose(backlogs, arrival.time)]
        discard_ended(backlog, arrival.time)
        wait = backlog[-1] - arrival.time if backlog else 0.0
        backlog.append(arrival.time + wait + arrival.service)
        if number >= skip:
            times.append(wait + arrival.service)
            waits.append(wait)
    return times, waits


def discard_ended(backlog: deque[float], now: float) -> int:
    """Forget what has ended; how many tasks are left."""
    while backlog and backlog[0] <= now:
        backlog.popleft()
    return len(backlog)


def at_random(seed: int) -> Choose:
    """Any agent."""
    chance = random.Random(seed)
    return lambda backlogs, _: int(chance.random() * len(backlogs))


def in_turn() -> Choose:
    """Each agent in turn."""
    numbers = count()
    return lambda backlogs, _: next(numbers) % len(backlogs)


def shorter_of_two(seed: int) -> Choose:
    """The less loaded of two different agents."""
    chance = random.Random(seed)

    def choose(backlogs: Backlogs, now: float) -> int:
        first = int(chance.random() * len(backlogs))
        second = int(chance.random() * (len(backlogs) - 1))
        second += second >= first
        return min(first, second, key=lambda number: discard_ended(backlogs[number], now))

    return choose
