"""How many tasks a second the scheduler places on one core, and what each costs it from proto in to proto out.

    python benchmarks/plan.py        prints two tables, under 30 s; exits 1 if a target is missed

The fleet is kept saturated: each round, what was placed is granted, half of the leases end, and as many tasks arrive as
were placed. Only the CPU time of the scheduler's own work counts; the coordinator's side of the play does not.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeVar

import msgspec
from missioncontrol.v1 import scheduler_service_pb2 as pb
from missioncontrol.v1 import task_pb2
from prometheus_client import CollectorRegistry

from services.domain.commands import PlacementOutcome
from services.domain.placement import plan
from services.domain.requirements import AgentProfile, LabelSelector, Requirements, SelectorOperator
from services.domain.schedule import PlacementResult, ReadyTask, SchedulableAgent, ScheduleChanges, TaskGroup
from services.domain.schedule_view import ScheduleView
from services.scheduler.metrics import SchedulerMetrics
from services.scheduler.planner import Planner
from services.scheduler.session import ScheduleSession

T = TypeVar("T")
SLOTS = 4


class Case(NamedTuple):
    """One fleet and backlog, and how many tasks a second must be placed in it (None: only shown)."""

    agents: int
    needs: int
    pending: int
    target: int | None


PLAN_CASES = (
    Case(1_000, 1, 100, 50_000),
    Case(1_000, 1, 10_000, 50_000),
    Case(1_000, 1, 1_000_000, 50_000),
    Case(1_000, 20, 10_000, 50_000),
    Case(10_000, 200, 10_000, 20_000),
)
PATH_CASES = (
    (Case(3, 1, 10_000, None), 64),
    (Case(1_000, 1, 10_000, None), 4),
    (Case(10_000, 200, 10_000, None), 4),
)
# A flat cost per placement means: with a million tasks pending it is at most this many times that with a hundred.
FLAT_FACTOR_MAX = 2.0


class Play:
    """The coordinator's side, in values: agents and their leases."""

    def __init__(self, case: Case, *, slots: int = SLOTS) -> None:
        self.case = case
        self.sent = 0
        self.leases: list[str] = []
        self.agents = {
            f"default/a{number}": SchedulableAgent(
                f"default/a{number}", "default", f"a{number}", 1, True,
                AgentProfile(frozenset({"k"}), labels={"host": f"h{number}"}), slots,
            )
            for number in range(case.agents)
        }  # fmt: skip

    def groups(self) -> tuple[TaskGroup, ...]:
        """A group for each set of needs; every agent meets them all, which is the worst case for the indexes."""
        return tuple(
            TaskGroup(number, "default", "q", 0, "k", needs_of(number), f"n{number}")
            for number in range(self.case.needs)
        )

    def tasks(self, count: int) -> tuple[ReadyTask, ...]:
        """The next tasks, over all groups in turn."""
        first, self.sent = self.sent, self.sent + count
        return tuple(
            ReadyTask(number % self.case.needs, f"01900000-0000-7000-8000-{number:012d}", number)
            for number in range(first, first + count)
        )

    def grant(self, agent_ids: list[str]) -> tuple[SchedulableAgent, ...]:
        """Grant a lease to each, end half of all leases; the agents that changed."""
        granted = [f"default/{agent_id}" for agent_id in agent_ids]
        self.leases += granted
        half = len(self.leases) // 2
        ended, self.leases = self.leases[:half], self.leases[half:]
        for keys, change in ((granted, 1), (ended, -1)):
            for key in keys:
                agent = self.agents[key]
                self.agents[key] = msgspec.structs.replace(agent, leases=agent.leases + change)
        return tuple(self.agents[key] for key in dict.fromkeys([*granted, *ended]))


def plan_rate(case: Case, *, rounds: int) -> tuple[float, float]:
    """Microseconds a placement for `plan`, and for the view to take the changes in; the best round of several."""
    play, view = Play(case), ScheduleView()
    view.apply(ScheduleChanges(groups=play.groups(), agents=tuple(play.agents.values())), 0)
    view.apply(ScheduleChanges(ready=play.tasks(case.pending)), 0)
    plan_micros, apply_micros = [], []
    for _ in range(rounds):
        placements, seconds = timed(partial(plan, view, 0))
        plan_micros.append(1e6 * seconds / len(placements))
        changes = ScheduleChanges(
            results=tuple(PlacementResult(placement.number, PlacementOutcome.GRANTED) for placement in placements),
            agents=play.grant([placement.agent_id for placement in placements]),
            ready=play.tasks(len(placements)),
        )
        _, seconds = timed(partial(view.apply, changes, 0))
        apply_micros.append(1e6 * seconds / len(placements))
    return median(plan_micros), median(apply_micros)


def path_cost(case: Case, slots: int, *, rounds: int) -> float:
    """Microseconds a task from the bytes of requests to the bytes of responses, in the session that the server runs."""
    play = Play(case, slots=slots)
    planner = Planner(SchedulerMetrics(CollectorRegistry()))
    session = planner.join()
    snapshot = pb.ScheduleRequest(coordinator_id="c", snapshot=True, snapshot_complete=True)
    write_changes(snapshot, play.groups(), tuple(play.agents.values()), play.tasks(case.pending))
    planner.receive(session, snapshot, 0)
    encoded, micros = b"", []
    for number in range(rounds):
        placements, seconds = timed(partial(turn, planner, session, encoded=encoded, now=number))
        if encoded:
            micros.append(1e6 * seconds / max(1, len(placements)))
        request = pb.ScheduleRequest()
        for placement in placements:
            request.results.add(number=placement.number, outcome=pb.PLACEMENT_OUTCOME_GRANTED)
        agents = play.grant([placement.agent_id for placement in placements])
        write_changes(request, (), agents, play.tasks(len(placements)))
        encoded = request.SerializeToString()
    return median(micros)


def turn(planner: Planner, session: ScheduleSession, *, encoded: bytes, now: int) -> list[pb.Placement]:
    """What the server does with one message: decode, apply, plan, encode."""
    if encoded:
        planner.receive(session, pb.ScheduleRequest.FromString(encoded), now)
    placements: list[pb.Placement] = []
    while planner.more:
        for _, response in planner.decide(now):
            response.SerializeToString()
            placements += response.placements
    return placements


def write_changes(
    request: pb.ScheduleRequest,
    groups: tuple[TaskGroup, ...],
    agents: tuple[SchedulableAgent, ...],
    tasks: tuple[ReadyTask, ...],
) -> None:
    """Write values into a request, as a coordinator does."""
    for group in groups:
        (selector,) = group.requirements.selectors
        needs = task_pb2.Requirements(
            selectors=[task_pb2.LabelSelector(key=selector.key, operator=task_pb2.SELECTOR_OPERATOR_NOT_EXISTS)]
        )
        request.groups.add(
            id=group.id, namespace="default", queue="q", kind="k", requirements=needs, needs_id=group.needs_id
        )
    for agent in agents:
        request.agents.add(
            namespace="default", agent_id=agent.agent_id, session=1, accepting=True, slots=agent.slots,
            labels=agent.profile.labels, kinds=["k"], leases=agent.leases,
        )  # fmt: skip
    by_group: dict[int, pb.ReadyTasks] = {}
    for task in tasks:
        if task.group_id not in by_group:
            by_group[task.group_id] = request.ready.add(group_id=task.group_id)
        by_group[task.group_id].tasks.add(task_id=task.task_id, queued_time_micros=task.queued_time)


def needs_of(number: int) -> Requirements:
    """Different needs that every agent meets."""
    return Requirements(selectors=(LabelSelector(f"not-{number}", SelectorOperator.NOT_EXISTS),))


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """What the work gave, and the seconds of CPU it took."""
    started = time.thread_time()
    result = work()
    return result, time.thread_time() - started


def median(values: list[float]) -> float:
    """The middle one: a machine that does something else in between does not count."""
    return sorted(values)[len(values) // 2]


def main() -> int:
    """Print the tables; 1 if a target was missed."""
    gc.freeze()
    missed = []
    print(f"{'agents':>8}{'needs':>7}{'pending':>10}{'plan µs':>10}{'tasks/s':>10}{'target':>9}{'view µs':>10}")
    costs = {}
    for case in PLAN_CASES:
        gc.collect()
        plan_micros, apply_micros = plan_rate(case, rounds=30)
        costs[case] = plan_micros
        rate = 1e6 / plan_micros
        shown = f"{case.agents:>8}{case.needs:>7}{case.pending:>10}{plan_micros:>10.2f}{rate:>10.0f}"
        print(f"{shown}{case.target or '':>9}{apply_micros:>10.2f}")
        if case.target and rate < case.target:
            missed.append(f"{rate:.0f} tasks/s with {case.agents} agents, {case.needs} needs")
    flat = costs[PLAN_CASES[2]] / costs[PLAN_CASES[0]]
    print(f"\na million pending costs {flat:.2f} times what a hundred costs")
    if flat > FLAT_FACTOR_MAX:
        missed.append(f"the cost of a placement grows with the backlog: {flat:.2f} times")
    print(f"\n{'agents':>8}{'needs':>7}{'slots':>7}   whole path, µs a task (proto in → proto out)")
    for case, slots in PATH_CASES:
        print(f"{case.agents:>8}{case.needs:>7}{slots:>7}{path_cost(case, slots, rounds=30):>10.2f}")
    for line in missed:
        print(f"missed: {line}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
