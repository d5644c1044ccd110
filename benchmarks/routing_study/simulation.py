"""A fleet in virtual time under the real scheduler: `ScheduleView`, told of every change, and `plan`.

Each event (a task arrives, a task ends, an instant comes for which the view asked) is one message of a coordinator and
one round of planning, and what is placed is granted at once. The results and the new loads of what was granted go with
the next message; until then the view holds its reservation, as it does while a real grant is being committed.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

from benchmarks.routing_study.fleet import KIND, NAMESPACE, QUEUE, FleetPlan, Job, StudyAgent
from benchmarks.routing_study.measure import NOT_MEASURED, Measure
from benchmarks.routing_study.workload import Arrival, Draw
from services.domain.commands import PlacementOutcome
from services.domain.placement import plan
from services.domain.policy import QueuePolicy
from services.domain.requirements import Requirements
from services.domain.schedule import PlacementResult, QueueRule, ReadyTask, ScheduleChanges, TaskGroup
from services.domain.schedule_view import ScheduleView

# The clock of the view has whole microseconds: this many are one unit of time, the mean service time.
UNIT_MICROS = 1_000_000
_NEVER = float("inf")


class TaskClass(NamedTuple):
    """Tasks that the scheduler sees as one group."""

    priority: int = 0
    run_limit_millis: int = 0


class Flood(NamedTuple):
    """Tasks of which so many always wait. They keep the agents busy, and are not measured themselves."""

    group: int
    service: Draw
    seed: int
    waiting: int = 100


class Workload(NamedTuple):
    """What arrives, in the order of time, what waits anyway, and what a cold start adds to a task's service.

    `keys_told`: whether the scheduler hears what an agent may be warm for.
    """

    arrivals: Iterator[Arrival]
    classes: tuple[TaskClass, ...] = (TaskClass(),)
    floods: tuple[Flood, ...] = ()
    cold_cost: float = 0.0
    keys_told: bool = True


def simulate(fleet: FleetPlan, policy: QueuePolicy, workload: Workload, *, skip: int, tasks: int) -> Measure:
    """Measure `tasks` arrivals after the first `skip`. The same arguments give the same, bit by bit."""
    measure = Measure(skip=skip, tasks=tasks)
    play = _Play(fleet, policy, workload, measure)
    while not measure.complete:
        play.step()
    return measure


class _Play:
    """The fleet, its scheduler, and the next events."""

    def __init__(self, fleet: FleetPlan, policy: QueuePolicy, workload: Workload, measure: Measure) -> None:
        self._measure = measure
        self._arrivals = workload.arrivals
        self._classes = workload.classes
        self._cold_cost = workload.cold_cost
        self._keys_told = workload.keys_told
        self._now = 0.0
        self._now_micros = 0
        self._agents = {agent.agent_id: agent for agent in (StudyAgent(n, fleet, policy) for n in range(fleet.agents))}
        self._waiting: dict[str, Job] = {}
        self._task_numbers = count()
        # Tasks in slots, by when they end; among equal times by a number.
        self._running: list[tuple[float, int, StudyAgent, Job]] = []
        self._starts = count()
        # What the next message says.
        self._ready: list[ReadyTask] = []
        self._results: list[PlacementResult] = []
        self._changed: dict[StudyAgent, None] = {}
        self._view = ScheduleView()
        self._view.apply(self._snapshot(policy), 0)
        self._floods = {flood.group: (flood.service, random.Random(flood.seed)) for flood in workload.floods}
        for flood in workload.floods:
            for _ in range(flood.waiting):
                self._send_flood(flood.group)
        self._arrival = next(self._arrivals)

    def step(self) -> None:
        """Go to the next event, and to what follows from it."""
        due = self._view.next_time()
        end_time = self._running[0][0] if self._running else _NEVER
        event_time = min(self._arrival.time, end_time)
        if due is not None and due < event_time * UNIT_MICROS:
            self._now, self._now_micros = due / UNIT_MICROS, due
        else:
            self._now, self._now_micros = event_time, int(event_time * UNIT_MICROS)
            if end_time <= self._arrival.time:
                self._end()
            else:
                self._arrive()
        self._schedule()

    def _snapshot(self, policy: QueuePolicy) -> ScheduleChanges:
        return ScheduleChanges(
            queues=(QueueRule(NAMESPACE, QUEUE, version=1, policy=policy),),
            groups=tuple(
                TaskGroup(
                    number, NAMESPACE, QUEUE, task_class.priority, KIND,
                    Requirements(run_limit_millis=task_class.run_limit_millis), f"needs-{task_class.run_limit_millis}",
                )
                for number, task_class in enumerate(self._classes)
            ),
            agents=tuple(agent.told() for agent in self._agents.values()),
        )  # fmt: skip

    # Events.

    def _arrive(self) -> None:
        arrival = self._arrival
        self._arrival = next(self._arrivals)
        self._send(arrival, self._measure.arrived(arrival.group, self._now))

    def _end(self) -> None:
        _, _, agent, job = heapq.heappop(self._running)
        agent.end(job, self._now_micros)
        self._measure.slots(-1, self._now)
        self._changed[agent] = None
        self._start_on(agent)
        if job.number != NOT_MEASURED:
            self._measure.ended(job.number, time=self._now - job.arrival.time)

    # What follows from them.

    def _schedule(self) -> None:
        """Tell the view what changed and grant what it places, until it has nothing to place."""
        while True:
            self._tell()
            placements = plan(self._view, self._now_micros)
            for placement in placements:
                self._results.append(PlacementResult(placement.number, PlacementOutcome.GRANTED))
                self._grant(self._agents[placement.agent_id], self._waiting.pop(placement.task_id))
            # A flood, which sends a task for each that is granted, or more than fits into one round.
            if not placements or not (self._ready or len(self._view.backlog.line)):
                return

    def _tell(self) -> None:
        changes = ScheduleChanges(
            ready=tuple(self._ready),
            results=tuple(self._results),
            agents=tuple([agent.told() for agent in self._changed]),
        )
        self._ready.clear()
        self._results.clear()
        self._changed.clear()
        self._view.apply(changes, self._now_micros)

    def _grant(self, agent: StudyAgent, job: Job) -> None:
        agent.grant(job, self._now_micros)
        self._changed[agent] = None
        self._measure.leases_max = max(self._measure.leases_max, agent.leases)
        self._start_on(agent)
        if job.arrival.group in self._floods:
            self._send_flood(job.arrival.group)

    def _start_on(self, agent: StudyAgent) -> None:
        job = agent.start(self._now_micros)
        if job is None:
            return
        self._measure.slots(1, self._now)
        service = job.arrival.service + (self._cold_cost if job.cold else 0.0)
        heapq.heappush(self._running, (self._now + service, next(self._starts), agent, job))
        if job.number != NOT_MEASURED:
            self._measure.started(job.number, wait=self._now - job.arrival.time, cold=job.cold)

    def _send(self, arrival: Arrival, number: int) -> None:
        task_id = str(next(self._task_numbers))
        self._waiting[task_id] = Job(arrival, number, self._classes[arrival.group].priority)
        key = arrival.key if self._keys_told else ""
        self._ready.append(ReadyTask(arrival.group, task_id, self._now_micros, affinity_key=key))

    def _send_flood(self, group: int) -> None:
        service, chance = self._floods[group]
        self._send(Arrival(self._now, service(chance), group), NOT_MEASURED)
