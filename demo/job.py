"""One task of a demo: what is asked for, where it goes, and how its output is judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from missioncontrol.v1 import task_pb2

# Queues and priorities. What somebody waits for goes before what only has to be done.
NORMAL, URGENT = 0, 10

# What is wrong with a task's output; empty if nothing is.
Verdict = Callable[[task_pb2.Payload], str]


@dataclass(frozen=True)
class Job:
    """`name` is unique in the demo. A `long` one runs for seconds: whoever is killed is killed in the middle of one."""

    name: str
    kind: str
    payload: object
    verdict: Verdict
    queue: str
    priority: int = NORMAL
    capabilities: tuple[str, ...] = ()
    long: bool = False


def spread(few: list[Job], many: list[Job]) -> list[Job]:
    """Both, the few at even distances among the many."""
    mixed = list(many)
    for index, job in enumerate(few):
        mixed.insert(index * (len(many) // len(few) + 1), job)
    return mixed
