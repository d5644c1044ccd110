"""Several coordinators on one database: who is there, who is dead, and who looks after which shards.

Whether one lives is told by its row, which every transaction of it changes. No clocks are compared: whoever looks
measures, by its own monotonic clock, for how long it has seen no change.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import IntEnum

import msgspec

# Parts of the tasks that a coordinator can own. Many more than coordinators, so that they share them evenly.
SHARDS = 64

# A coordinator whose row did not change for so long is dead. It renews its row every second, and gives up vouching
# for its agents long before it is taken for dead with the default time to live.
DEAD_SECONDS = 5.0

# One that has written nothing in its term yet is still starting, which takes longer on a busy machine.
START_SECONDS = 15.0

# Whoever has not looked for so long, since it was stopped or the database was away, has seen nothing: it begins anew.
LOOK_GAP_SECONDS = 2.0


# What a coordinator's program knows: 1 is alone on a database and ends when another one comes, 2 may be one of several,
# 3 knows tasks that wait for others, schedules, and the types of events that came with them. One that meets an event of
# a type that it does not know ends: as long as an older one lives, nothing is done that only the newer words can tell.
PROGRAM = 3
SHARING_PROGRAM = 2
ROUTING_PROGRAM = 3


class CoordinatorState(IntEnum):
    """What is known of a coordinator."""

    LIVE = 1
    STOPPED = 2  # it said so
    DEAD = 3  # another one has taken over


class Coordinator(msgspec.Struct, frozen=True):
    """A coordinator as the others see it. `shards` are those that it looks after, `program` is what it knows."""

    id: str
    term: int
    flush: int
    state: CoordinatorState
    address: str
    shards: tuple[int, ...] = ()
    program: int = PROGRAM

    @property
    def live(self) -> bool:
        """Whether nobody has said otherwise."""
        return self.state is CoordinatorState.LIVE


class Watch:
    """What one coordinator has seen of the others. Times are seconds of its monotonic clock."""

    def __init__(self) -> None:
        self._unchanged: dict[str, tuple[int, int, float]] = {}  # term and flush, and since when
        self._looked = float("-inf")

    def look(self, others: Collection[Coordinator], *, now: float) -> list[Coordinator]:
        """Notes what is to be seen now; those that are dead by it."""
        if now - self._looked > LOOK_GAP_SECONDS:
            self._unchanged.clear()
        self._looked = now
        dead = []
        for other in others:
            term, flush, since = self._unchanged.get(other.id, (0, -1, now))
            if (term, flush) != (other.term, other.flush):
                since = now
            self._unchanged[other.id] = (other.term, other.flush, since)
            if other.live and now - since >= (DEAD_SECONDS if other.flush else START_SECONDS):
                dead.append(other)
        return dead


def shards_to_take(live: Sequence[Coordinator], own_id: str, *, unowned: Collection[int]) -> list[tuple[int, str]]:
    """The shards that a coordinator should take, each with its owner ("" for none), so that all have about as many.

    A coordinator keeps its lowest ones: into the lowest go its new tasks.
    """
    taken = [(shard, "") for shard in sorted(unowned)]
    fair = SHARDS // max(len(live), 1)
    missing = fair - len(taken) - sum(len(each.shards) for each in live if each.id == own_id)
    for owner in sorted(live, key=lambda each: (-len(each.shards), each.id)):
        if owner.id == own_id:
            continue
        given = max(0, min(missing, len(owner.shards) - fair))
        taken += [(shard, owner.id) for shard in sorted(owner.shards)[len(owner.shards) - given :]]
        missing -= given
    return taken
