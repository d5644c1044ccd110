"""What a run of a demo consists of: the work, the agents that do it, and which of them are killed in the middle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from demo.job import Job
from services.fleet.launcher import THREE_AGENTS, AgentPlan


@dataclass(frozen=True)
class Scenario:
    """`victims` are killed one after the other, each with work in hand; with `revive` they are started again later.

    Those who alone can do some of the work have to be revived.
    """

    jobs: Sequence[Job]
    agents: Sequence[AgentPlan] = THREE_AGENTS
    # Not the one that has the capability: its work must be there for others to take over.
    victims: Sequence[str] = ("agent-2",)
    revive: bool = False
