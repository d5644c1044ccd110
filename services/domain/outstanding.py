"""A placement whose result has not come."""

from __future__ import annotations

from typing import NamedTuple

from services.domain.capacity import AgentRecord
from services.domain.task_order import Waiting
from services.domain.turns import Group


class Outstanding(NamedTuple):
    """`group` is the task's as it was placed, `source` the stream that the placement went to.

    The agent's slot is reserved as long as `voids` is the record's.
    """

    waiting: Waiting
    group: Group
    record: AgentRecord
    voids: int
    source: int
