"""What queueing theory says of the strategies. Mean service time 1, so that times are in units of it.

`load` is the rate of arrivals for each slot, 0 < load < 1. "Time" is the time in the system, from arrival to end;
"wait" is without the service. Nothing of the simulation is known here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

# A term this small, or a step this short, changes nothing that is printed.
_NEGLIGIBLE = 1e-15


def supermarket_time(load: float, choices: int = 2) -> float:
    """Mean time with the shorter queue of `choices` random ones, for infinitely many servers.

    Poisson arrivals, exponential service, first come first served. In equilibrium the fraction of servers with at least
    i tasks is load^((d^i - 1)/(d - 1)); their sum is the mean number of tasks a server, and Little's law divides it by
    the load. Vvedenskaya, Dobrushin, Karpelevich 1996; Mitzenmacher 1996.
    """
    total, number = 0.0, 1
    while True:
        exponent = (choices**number - choices) / (choices - 1) if choices > 1 else number - 1
        term = load**exponent
        total += term
        number += 1
        if term < _NEGLIGIBLE:
            return total


def erlang_c(servers: int, load: float) -> float:
    """Probability that a task waits in M/M/n, by Erlang B's recursion, which neither over- nor underflows."""
    offered = servers * load
    blocked = 1.0
    for count in range(1, servers + 1):
        blocked = offered * blocked / (count + offered * blocked)
    return blocked / (1 - load * (1 - blocked))


def central_queue_wait(servers: int, load: float) -> float:
    """Mean wait in M/M/n: one queue, exponential service."""
    return erlang_c(servers, load) / (servers * (1 - load))


def random_time(load: float) -> float:
    """Mean time if each task goes to a random server, exponential service: M/M/1."""
    return 1 / (1 - load)


def round_robin_time(servers: int, load: float) -> float:
    """Mean time if the servers take turns, exponential service.

    Each server sees each n-th arrival, so Erlang-n times between them: G/M/1, whose time is 1/(1 - s) where s is the
    root below 1 of s = A(1 - s), with the Laplace transform A of the time between arrivals.
    """
    rate = servers * load
    root = load
    while True:
        following = (rate / (rate + 1 - root)) ** servers
        if abs(following - root) < _NEGLIGIBLE:
            return 1 / (1 - following)
        root = following


def random_time_general(load: float, second_moment: float) -> float:
    """Mean time if each task goes to a random server, any service: M/G/1, by Pollaczek and Khinchine.

    `second_moment` is the mean of the squared service time.
    """
    return 1 + load * second_moment / (2 * (1 - load))


def central_queue_wait_general(servers: int, load: float, second_moment: float) -> float:
    """Mean wait in M/G/n, nearly: that of M/M/n times (1 + C²)/2, where the squared service's mean is 1 + C².

    An approximation (Lee and Longton 1959), exact for one server and for exponential service.
    """
    return central_queue_wait(servers, load) * second_moment / 2


class ReservedWait(NamedTuple):
    """How long tasks wait that have a reserved pool, in units of the mean service time."""

    probability: float
    rate: float

    @property
    def mean(self) -> float:
        """Mean wait, of all tasks."""
        return self.probability / self.rate

    def quantile(self, part: float) -> float:
        """The wait that this part of the tasks does not exceed."""
        return max(0.0, math.log(self.probability / (1 - part)) / self.rate)


def reserved_wait(servers: int, *, reserved: int, arrivals: float) -> ReservedWait:
    """Wait of urgent tasks under an endless flood, with `reserved` of the servers kept for them.

    `arrivals` is their rate. Both kinds have exponential service with mean 1; urgent tasks go first wherever a server
    becomes free. The servers that are not reserved are always busy, so their number busy is a birth-death chain: k
    reserved servers end at rate k, and once all are busy and tasks wait, any of the n servers that ends takes one. Who
    has to wait waits as in M/M/1 with rate n.
    """
    weight, weights = 1.0, 1.0
    for busy in range(1, reserved + 1):
        weight *= arrivals / busy
        weights += weight
    waiting = arrivals / servers
    all_busy = weight / (1 - waiting)
    return ReservedWait(all_busy / (weights - weight + all_busy), servers - arrivals)


def least_recently_used_hits(probabilities: Sequence[float], size: int) -> float:
    """Part of the requests that a cache finds which holds the `size` keys that were used last; requests independent.

    Che's approximation (Che, Tung, Wang 2002): a key is there if it was requested within a time T, the same for all
    keys, in which `size` different ones are requested on average.
    """
    low, high = 0.0, 1.0
    while _keys_within(probabilities, high) < size:
        high *= 2
    while high - low > _NEGLIGIBLE * high * 16:
        middle = (low + high) / 2
        low, high = (middle, high) if _keys_within(probabilities, middle) < size else (low, middle)
    return math.fsum(each * -math.expm1(-each * high) for each in probabilities)


def _keys_within(probabilities: Sequence[float], time: float) -> float:
    """How many different keys are requested within a time, on average; one request a unit of time."""
    return math.fsum(-math.expm1(-each * time) for each in probabilities)
