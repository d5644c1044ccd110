"""Which agents could run tasks, of all that the database knows: also those that are not connected now.

The hard filters are the scheduler's own. It is asked where the scheduler, which only knows agents that are connected,
finds none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from services.domain.grant import profile_of
from services.domain.requirements import Requirements, mismatch
from services.store import values
from services.store.limits import AGENTS_SCAN_MAX
from services.store.schema import agents


class Wanted(NamedTuple):
    """What an agent has to meet."""

    namespace: str
    queue: str
    kind: str
    requirements: Requirements


def find_able(connection: Connection, wanted: Sequence[Wanted], *, names_max: int) -> list[list[str]]:
    """For each of these the first agents that meet it, by id, at most so many. Looks at a bounded number of agents."""
    able: list[list[str]] = [[] for _ in wanted]
    for namespace in sorted({each.namespace for each in wanted}):
        rows = select(agents).where(agents.c.namespace == namespace).order_by(agents.c.id).limit(AGENTS_SCAN_MAX)
        for agent in map(values.agent, connection.execute(rows)):
            profile = profile_of(agent)
            for each, names in zip(wanted, able, strict=True):
                if each.namespace != namespace or len(names) == names_max:
                    continue
                if mismatch(profile, each.kind, queue=each.queue, requirements=each.requirements) is None:
                    names.append(agent.id)
    return able
