"""In which order the tasks of one batch are made: those that others of it depend on come first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush

References = Mapping[int, Sequence[int]]  # by its index in the batch: the indexes of the tasks that a task depends on


def order_of(count: int, references: References) -> tuple[list[int], set[int]]:
    """The indexes in such an order, otherwise as they were given; and those that are in a circle, or wait for one."""
    waiting = {index: len(set(references.get(index, ()))) for index in range(count)}
    dependents: dict[int, list[int]] = {}
    for index, waited_for in references.items():
        for other in set(waited_for):
            dependents.setdefault(other, []).append(index)
    free = [index for index, missing in waiting.items() if not missing]
    heapify(free)
    order = []
    while free:
        index = heappop(free)
        order.append(index)
        for dependent in dependents.get(index, ()):
            waiting[dependent] -= 1
            if not waiting[dependent]:
                heappush(free, dependent)
    return order, {index for index, missing in waiting.items() if missing}


def circle_of(index: int, references: References, stuck: set[int]) -> list[int]:
    """The circle that a stuck task leads into: its first task stands at the end once more."""
    path = [index]
    while True:
        after = next(other for other in references[path[-1]] if other in stuck)
        if after in path:
            return [*path[path.index(after) :], after]
        path.append(after)
