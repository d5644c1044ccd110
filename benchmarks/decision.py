"""How fast the scheduler decides, for each way of routing: tasks a second on one core, and whether a backlog matters.

    python -m benchmarks.decision        prints the table, about a minute; exits 1 if a target is missed

The fleet is full and stays full: each round so many leases end, as many tasks arrive, and the CPU time of the next
`plan` is measured. What the coordinator does meanwhile, and taking its news in, is not in it; that is in `plan.py`.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import cycle, islice, product
from random import Random
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.plan import SLOTS, median, needs_of, timed
from services.domain.commands import Placement, PlacementOutcome
from services.domain.placement import PLACEMENTS_MAX, plan
from services.domain.policy import Lane, QueuePolicy, Strategy
from services.domain.requirements import AgentProfile
from services.domain.schedule import (
    LeaseLoad,
    PlacementResult,
    QueueRule,
    ReadyTask,
    SchedulableAgent,
    ScheduleChanges,
    TaskGroup,
)
from services.domain.schedule_view import ScheduleView

ROUNDS = 30
# Room of an agent's own queue, which strategies that bind early fill.
QUEUE_LIMIT = 4
# With a million tasks pending a placement costs at most this many times what it costs with a hundred.
FLAT_FACTOR_MAX = 2.0
PENDING = (100, 10_000, 1_000_000)
URGENT_PRIORITY = 10
FAIRNESS_KEYS = tuple(f"tenant-{number}" for number in range(5))

LANES_AND_FAIRNESS = QueuePolicy(
    lanes=(Lane("urgent", priority_min=URGENT_PRIORITY, weight=3), Lane("batch", priority_min=-100, weight=1)),
    fairness={FAIRNESS_KEYS[0]: 3},
)
POLICIES = {
    "central queue": QueuePolicy(),
    "round robin": QueuePolicy(strategy=Strategy.ROUND_ROBIN),
    "shortest queue": QueuePolicy(strategy=Strategy.SHORTEST_QUEUE),
    "two choices": QueuePolicy(strategy=Strategy.TWO_CHOICES),
    "lanes and fairness": LANES_AND_FAIRNESS,
}


class Fleet(NamedTuple):
    """How many agents, how many different sets of requirements, and how many tasks a second must be placed."""

    agents: int
    needs: int
    target: int


FLEETS = (Fleet(1_000, 1, 50_000), Fleet(10_000, 200, 20_000))


class Speed(NamedTuple):
    """What one policy reached: tasks a second for each fleet, and microseconds a placement by the pending tasks."""

    tasks_per_second: dict[Fleet, float]
    micros_by_pending: dict[int, float]

    @property
    def flat_factor(self) -> float:
        """What a placement costs with the most pending, in relation to the fewest."""
        return self.micros_by_pending[PENDING[-1]] / self.micros_by_pending[PENDING[0]]

    def document(self) -> dict[str, object]:
        """Its part of latest.json."""
        return {
            "tasks_per_second": {
                f"{fleet.agents} agents, {fleet.needs} requirement sets": round(rate)
                for fleet, rate in self.tasks_per_second.items()
            },
            "micros_by_pending": {str(pending): round(micros, 2) for pending, micros in self.micros_by_pending.items()},
        }

    def missed(self) -> Iterator[str]:
        """The targets that it did not reach."""
        for fleet, rate in self.tasks_per_second.items():
            if rate < fleet.target:
                yield f"{rate:,.0f} tasks/s with {fleet.agents:,} agents, not {fleet.target:,}"
        if self.flat_factor > FLAT_FACTOR_MAX:
            yield f"a million pending costs {self.flat_factor:.2f} times what a hundred costs"


class Play:
    """The coordinator's side, in values: tasks, agents, and the leases between them."""

    def __init__(self, fleet: Fleet, policy: QueuePolicy) -> None:
        self._counts_leases = policy.counts_leases
        self._chance = Random(1)
        self._groups = tuple(groups_of(policy, fleet.needs))
        self._tasks = endless(self._groups)
        self._pending: dict[str, int] = {}  # by task, its group's number
        self._leases: list[tuple[str, int]] = []
        self._held: dict[str, Counter[int]] = {f"agent-{number}": Counter() for number in range(fleet.agents)}
        self._profiles = {name: AgentProfile(frozenset({"k"}), labels={"host": name}) for name in self._held}
        self.view = ScheduleView()
        rule = QueueRule("default", "q", version=1, policy=policy)
        agents = tuple(self._told(agent_id) for agent_id in self._held)
        self.view.apply(ScheduleChanges(queues=(rule,), groups=self._groups, agents=agents), 0)

    def fill(self, pending: int) -> None:
        """Lease until nobody has room; then so many tasks are pending."""
        room = True
        while room:
            self.arrive(PENDING[0] - len(self._pending))
            room = self.grant(plan(self.view, 0))
        self.arrive(pending - len(self._pending))

    def arrive(self, count: int) -> None:
        """The next tasks, over all groups in turn."""
        tasks = list(islice(self._tasks, max(0, count)))
        self._pending.update((task.task_id, task.group_id) for task in tasks)
        self.view.apply(ScheduleChanges(ready=tuple(tasks)), 0)

    def grant(self, placements: list[Placement]) -> bool:
        """Grant what was placed. Whether it was anything."""
        for placement in placements:
            group = self._pending.pop(placement.task_id)
            self._held[placement.agent_id][group] += 1
            self._leases.append((placement.agent_id, group))
        self._tell([placement.agent_id for placement in placements], placements)
        return bool(placements)

    def end(self, count: int) -> None:
        """End leases at random."""
        ended = []
        for _ in range(count):
            place = self._chance.randrange(len(self._leases))
            self._leases[place], self._leases[-1] = self._leases[-1], self._leases[place]
            agent_id, group = self._leases.pop()
            self._held[agent_id][group] -= 1
            ended.append(agent_id)
        self._tell(ended, [])

    def _tell(self, agent_ids: list[str], placements: list[Placement]) -> None:
        results = tuple(PlacementResult(placement.number, PlacementOutcome.GRANTED) for placement in placements)
        agents = tuple(self._told(agent_id) for agent_id in dict.fromkeys(agent_ids))
        self.view.apply(ScheduleChanges(results=results, agents=agents), 0)

    def _told(self, agent_id: str) -> SchedulableAgent:
        held = self._held[agent_id]
        loads = tuple(self._load(number, leases) for number, leases in held.items() if self._counts_leases and leases)
        return SchedulableAgent(
            f"default/{agent_id}", "default", agent_id, 1, True, self._profiles[agent_id], SLOTS, held.total(),
            queue_limit=QUEUE_LIMIT, loads=loads,
        )  # fmt: skip

    def _load(self, number: int, leases: int) -> LeaseLoad:
        group = self._groups[number]
        return LeaseLoad("q", group.priority, group.fairness_key, leases)


def groups_of(policy: QueuePolicy, needs: int) -> Iterator[TaskGroup]:
    """A group for each set of needs; with lanes and fairness for each lane and key, too."""
    priorities = (0, URGENT_PRIORITY) if policy.lanes else (0,)
    keys = FAIRNESS_KEYS if policy.fairness is not None else ("",)
    kinds = product(range(needs), priorities, keys)
    for number, (need, priority, key) in enumerate(kinds):
        yield TaskGroup(number, "default", "q", priority, "k", needs_of(need), f"needs-{need}", fairness_key=key)


def endless(groups: tuple[TaskGroup, ...]) -> Iterator[ReadyTask]:
    """Tasks of all groups in turn."""
    for number, group in enumerate(cycle(groups)):
        yield ReadyTask(group.id, f"01900000-0000-7000-8000-{number:012d}", number)


def plan_micros(fleet: Fleet, policy: QueuePolicy, *, pending: int, turn: int) -> float:
    """Microseconds a placement if `turn` leases end a round; the middle one of ROUNDS rounds."""
    play = Play(fleet, policy)
    play.fill(pending)
    gc.collect()
    gc.freeze()
    micros = []
    for _ in range(ROUNDS):
        play.end(turn)
        placements, seconds = timed(partial(plan, play.view, 0))
        micros.append(1e6 * seconds / len(placements))
        play.grant(placements)
        play.arrive(len(placements))
    gc.unfreeze()
    return median(micros)


def measure(name: str, console: Console) -> Speed:
    """Everything of one policy."""
    console.print(f"decision: {name} …")
    policy = POLICIES[name]
    rates = {fleet: 1e6 / plan_micros(fleet, policy, pending=10_000, turn=PLACEMENTS_MAX) for fleet in FLEETS}
    # As many a round as the smallest backlog has, so that the backlog is all that differs.
    costs = {pending: plan_micros(FLEETS[0], policy, pending=pending, turn=PENDING[0]) for pending in PENDING}
    return Speed(rates, costs)


def table(speeds: dict[str, Speed]) -> Table:
    """The figures for people."""
    fleets = [f"{fleet.agents:,} agents, {fleet.needs} sets" for fleet in FLEETS]
    rows = Table(
        "", *fleets, *(f"{pending:,} pending" for pending in PENDING), title="plan, on one core", title_justify="left"
    )
    for name, speed in speeds.items():
        rates = (f"{rate:,.0f} tasks/s" for rate in speed.tasks_per_second.values())
        rows.add_row(name, *rates, *(f"{micros:.2f} µs" for micros in speed.micros_by_pending.values()))
    return rows


def main() -> int:
    """Print the table; 1 if a target was missed."""
    console = Console(highlight=False, soft_wrap=True)
    speeds = {name: measure(name, console) for name in POLICIES}
    console.print(table(speeds))
    missed = [f"{name}: {line}" for name, speed in speeds.items() for line in speed.missed()]
    for line in missed:
        console.print(f"missed: {line}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
