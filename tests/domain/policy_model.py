"""A small coordinator for tests of routing policies, and an oracle for each decision.

The model knows what is leased, and by plain loops over agents and tasks what each policy allows; the view is fast. One
placement is decided at a time, so that every one is judged by what was so at that moment.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from services.domain.commands import Placement, PlacementOutcome
from services.domain.placement import plan
from services.domain.policy import Affinity, AffinityWait, Lane, Limits, QueuePolicy, ReservedPool, Strategy
from services.domain.requirements import (
    AgentProfile,
    LabelSelector,
    Preference,
    Requirements,
    SelectorOperator,
    fits,
    mismatch,
    selects,
)
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
from services.domain.task_order import Place

NAMESPACE = "default"
SECOND = 1_000_000
QUEUES = ("q0", "q1")
PRIORITIES = (0, 5, 9)
KEYS = ("", "x", "y")
REPOSITORIES = ("", "r1", "r2")
IN_A = LabelSelector("zone", SelectorOperator.IN, ("a",))
NEEDS = (
    Requirements(),
    Requirements(resources={"cpus": 2.0}),
    Requirements(selectors=(IN_A,), run_limit_millis=10_000),
    Requirements(preferences=(Preference(IN_A, 5),), run_limit_millis=60_000),
)
PROFILES = (
    AgentProfile(kinds=frozenset({"k"}), labels={"zone": "a", "weight": "3"}, resources={"cpus": 4.0}),
    AgentProfile(kinds=frozenset({"k"}), labels={"zone": "b"}, resources={"cpus": 2.0}),
    AgentProfile(kinds=frozenset({"k", "l"}), queues=frozenset({"q1"}), labels={"zone": "a", "weight": "x"}),
)
HALF = ReservedPool(slots_per_agent=1, give_back_micros=20 * SECOND)
WHOLE_A = ReservedPool(selectors=(IN_A,), agents_max=1)
POLICIES = (
    QueuePolicy(),
    QueuePolicy(strategy=Strategy.ROUND_ROBIN, weight_label="weight"),
    QueuePolicy(strategy=Strategy.SHORTEST_QUEUE, limits=Limits(leases_max=3)),
    QueuePolicy(strategy=Strategy.TWO_CHOICES, fairness={"x": 3}),
    QueuePolicy(lanes=(Lane("high", 5), Lane("low", -100, max_wait_micros=5 * SECOND))),
    QueuePolicy(lanes=(Lane("high", 9, reserved=HALF), Lane("middle", 5, reserved=WHOLE_A), Lane("low", -100))),
    QueuePolicy(lanes=(Lane("high", 5, weight=3), Lane("low", -100, weight=1, max_wait_micros=SECOND)), fairness={}),
    QueuePolicy(fairness={"y": 2}, limits=Limits(leases_per_key_max=2)),
    QueuePolicy(affinity=Affinity(AffinityWait.BOUNDED, 3 * SECOND)),
    QueuePolicy(affinity=Affinity(AffinityWait.ALWAYS, selectors=(IN_A,))),
    QueuePolicy(
        lanes=(Lane("high", 5, reserved=HALF, max_wait_micros=4 * SECOND), Lane("low", -100, max_wait_micros=SECOND)),
        fairness={},
        limits=Limits(leases_max=6, leases_per_key_max=4),
        affinity=Affinity(AffinityWait.BOUNDED, SECOND, selectors=(IN_A,)),
    ),
)
Operation = tuple[int, int, int, int]


class Lease(msgspec.Struct):
    agent: str
    task: ReadyTask


class PolicyModel:
    """The truth, the view that is told of it, and the decisions. `run` takes numbered operations."""

    def __init__(self) -> None:
        self.view = ScheduleView()
        self.now = 1_000 * SECOND
        self.policies = dict.fromkeys(QUEUES, QueuePolicy())
        self.version = 0
        self.agents: dict[str, SchedulableAgent] = {}
        self.groups: dict[int, TaskGroup] = {}
        self.waiting: dict[str, ReadyTask] = {}
        self.outstanding: dict[int, tuple[Placement, ReadyTask, str]] = {}
        self.leases: list[Lease] = []
        self.warm: dict[str, dict[str, int]] = {}
        self.placements: list[Placement] = []
        self._made = 0

    def run(self, operations: list[Operation]) -> None:
        table = (
            self.join, self.leave, self.reconnect, self.submit, self.submit, self.submit, self.cancel,
            self.grant, self.grant, self.refuse, self.finish, self.finish, self.configure, self.wait, self.cordon,
        )  # fmt: skip
        for number, a, b, c in operations:
            table[number % len(table)](a, b, c)
            self.plan()

    def plan(self) -> None:
        """Decides until nothing is left, one placement at a time, and judges each."""
        while placements := plan(self.view, self.now, placements_max=1):
            (placement,) = placements
            self.judge(placement)
            task = self.waiting.pop(placement.task_id)
            self.outstanding[placement.number] = (placement, task, f"{NAMESPACE}/{placement.agent_id}")
            self.placements.append(placement)
        self.judge_rest()

    def judge(self, placement: Placement) -> None:
        """For the tests to fill in."""

    def judge_rest(self) -> None:
        """For the tests to fill in."""

    def tell(self, **changes: Any) -> None:
        self.view.apply(ScheduleChanges(**changes), self.now)

    # Operations.

    def join(self, a: int, b: int, c: int) -> None:
        agent_id = f"a{a % 5}"
        key = f"{NAMESPACE}/{agent_id}"
        if key not in self.agents:
            profile = PROFILES[b % len(PROFILES)]
            agent = SchedulableAgent(
                key, NAMESPACE, agent_id, 1 + self._made, True, profile, 1 + c % 3, queue_limit=c // 3 % 3
            )
            self.put_agent(agent)

    def leave(self, a: int, b: int, c: int) -> None:
        agent = self._agent(a)
        if agent is not None and b % 2:
            del self.agents[agent.key]
            self.warm.pop(agent.key, None)
            self.leases = [lease for lease in self.leases if lease.agent != agent.key]
            self.tell(removed_agents=(agent.key,))

    def reconnect(self, a: int, b: int, c: int) -> None:
        agent = self._agent(a)
        if agent is not None:
            self.put_agent(msgspec.structs.replace(agent, session=agent.session + 1))

    def cordon(self, a: int, b: int, c: int) -> None:
        agent = self._agent(a)
        if agent is not None:
            self.put_agent(msgspec.structs.replace(agent, accepting=not agent.accepting))

    def submit(self, a: int, b: int, c: int) -> None:
        number = a % (len(QUEUES) * len(PRIORITIES) * len(KEYS) * len(NEEDS))
        if number not in self.groups:
            rest, needs = divmod(number, len(NEEDS))
            rest, key = divmod(rest, len(KEYS))
            queue, priority = divmod(rest, len(PRIORITIES))
            group = TaskGroup(
                number, NAMESPACE, QUEUES[queue], PRIORITIES[priority], "k", NEEDS[needs], f"n{needs}",
                fairness_key=KEYS[key],
            )  # fmt: skip
            self.groups[number] = group
            self.tell(groups=(group,))
        for _ in range(1 + b % 3):
            self._made += 1
            task = ReadyTask(
                number,
                f"t{self._made}",
                self.now - c % 4 * SECOND,
                affinity_key=REPOSITORIES[c // 4 % len(REPOSITORIES)],
            )
            self.waiting[task.task_id] = task
            self.tell(ready=(task,))

    def cancel(self, a: int, b: int, c: int) -> None:
        if self.waiting:
            task_id = list(self.waiting)[a % len(self.waiting)]
            del self.waiting[task_id]
            self.tell(removed_task_ids=(task_id,))

    def grant(self, a: int, b: int, c: int) -> None:
        for number in list(self.outstanding)[: 1 + a % 8]:
            self.answer(number, PlacementOutcome.GRANTED)

    def refuse(self, a: int, b: int, c: int) -> None:
        if self.outstanding:
            self.answer(list(self.outstanding)[a % len(self.outstanding)], PlacementOutcome(2 + b % 3))

    def finish(self, a: int, b: int, c: int) -> None:
        for _ in range(1 + b % 4):
            if self.leases:
                lease = self.leases.pop(a % len(self.leases))
                self.put_agent(self.loaded(self.agents[lease.agent]))

    def configure(self, a: int, b: int, c: int) -> None:
        queue = QUEUES[a % len(QUEUES)]
        self.version += 1
        self.policies[queue] = POLICIES[b % len(POLICIES)]
        self.tell(queues=(QueueRule(NAMESPACE, queue, False, self.version, self.policies[queue]),))

    def wait(self, a: int, b: int, c: int) -> None:
        self.now += a * 20_000

    # What operations are made of.

    def answer(self, number: int, outcome: PlacementOutcome) -> None:
        """Sends the result of a placement, as a coordinator that tells no lies about GRANTED."""
        placement, task, key = self.outstanding.pop(number)
        agent = self.agents.get(key)
        if outcome is PlacementOutcome.GRANTED and (agent is None or agent.session != placement.session):
            outcome = PlacementOutcome.AGENT_GONE
        agents: tuple[SchedulableAgent, ...] = ()
        if outcome is PlacementOutcome.GRANTED and agent is not None:
            self.leases.append(Lease(key, task))
            if task.affinity_key:
                self.warm.setdefault(key, {})[task.affinity_key] = self.now
            self.agents[key] = self.loaded(agent)
            agents = (self.agents[key],)
        elif outcome is not PlacementOutcome.TASK_GONE:
            self.waiting[task.task_id] = task
        self.tell(results=(PlacementResult(number, outcome),), agents=agents)

    def put_agent(self, agent: SchedulableAgent) -> None:
        self.agents[agent.key] = agent
        self.tell(agents=(agent,))

    def loaded(self, agent: SchedulableAgent) -> SchedulableAgent:
        held = [self.groups[lease.task.group_id] for lease in self.leases if lease.agent == agent.key]
        used: dict[str, float] = {}
        for group in held:
            for name, amount in group.requirements.resources.items():
                used[name] = used.get(name, 0.0) + amount
        loads = Counter((group.queue, group.priority, group.fairness_key) for group in held)
        return msgspec.structs.replace(
            agent,
            leases=len(held),
            resources_used=used,
            loads=tuple(LeaseLoad(*name, count) for name, count in sorted(loads.items())),
            warm_keys=dict(self.warm.get(agent.key, {})),
        )

    def _agent(self, a: int) -> SchedulableAgent | None:
        agents = list(self.agents.values())
        return agents[a % len(agents)] if agents else None

    # What is so, by looking at everything.

    def group(self, task: ReadyTask) -> TaskGroup:
        return self.groups[task.group_id]

    def policy(self, task: ReadyTask) -> QueuePolicy:
        return self.policies[self.group(task).queue]

    def held_by(self, agent: SchedulableAgent) -> list[ReadyTask]:
        """The tasks that it has leases of, or placements on its session."""
        leased = [lease.task for lease in self.leases if lease.agent == agent.key]
        placed = [
            task
            for placement, task, key in self.outstanding.values()
            if key == agent.key and placement.session == agent.session
        ]
        return leased + placed

    def leased_of(self, queue: str) -> list[TaskGroup]:
        """Everything of a queue that is leased or placed, on whatever session."""
        tasks = [lease.task for lease in self.leases] + [task for _, task, _ in self.outstanding.values()]
        return [group for task in tasks if (group := self.group(task)).queue == queue]

    def is_eligible(self, agent: SchedulableAgent, task: ReadyTask) -> bool:
        group = self.group(task)
        return mismatch(agent.profile, group.kind, queue=group.queue, requirements=group.requirements) is None

    def is_reachable(self, agent: SchedulableAgent) -> bool:
        record = self.view.capacity.by_key[agent.key]
        return agent.accepting and not record.refused

    def has_room(self, agent: SchedulableAgent, task: ReadyTask) -> bool:
        held = self.held_by(agent)
        early = self.policy(task).strategy.binds_early
        if len(held) >= agent.slots + (agent.queue_limit if early else 0):
            return False
        used: dict[str, float] = {}
        for other in held:
            for name, amount in self.group(other).requirements.resources.items():
                used[name] = used.get(name, 0.0) + amount
        declared = agent.profile.resources
        needed = self.group(task).requirements.resources
        return all(fits(needed[name], declared=declared.get(name, 0.0), used=used.get(name, 0.0)) for name in needed)

    # Pools.

    def pool_of(self, agent: SchedulableAgent) -> tuple[str, int, ReservedPool] | None:
        """The pool that an agent is kept for: queue, the place of its lane, and what is reserved."""
        taken: set[str] = set()
        for queue in sorted(self.policies):
            for place, lane in enumerate(self.policies[queue].lanes):
                if lane.reserved is None:
                    continue
                fitting = sorted(
                    key
                    for key, each in self.agents.items()
                    if key not in taken and all(selects(s, each.profile.labels) for s in lane.reserved.selectors)
                )
                members = fitting[: lane.reserved.agents_max or None]
                taken.update(members)
                if agent.key in members:
                    return queue, place, lane.reserved
        return None

    def owns(self, pool: tuple[str, int, ReservedPool], task: ReadyTask) -> bool:
        group = self.group(task)
        return group.queue == pool[0] and self.policy(task).lane_of(group.priority) <= pool[1]

    def is_kept_from(self, agent: SchedulableAgent, task: ReadyTask) -> bool:
        """Whether another lane has reserved what the agent has left, lending apart."""
        pool = self.pool_of(agent)
        if pool is None or self.owns(pool, task):
            return False
        kept = min(pool[2].slots_per_agent or agent.slots, agent.slots)
        others = sum(not self.owns(pool, held) for held in self.held_by(agent))
        return others >= agent.slots - kept

    def could_take(self, agent: SchedulableAgent, task: ReadyTask) -> bool:
        """Whether the agent could take the task now, without borrowing."""
        return (
            self.is_reachable(agent)
            and self.is_eligible(agent, task)
            and self.has_room(agent, task)
            and not self.is_kept_from(agent, task)
        )

    # Queues.

    def is_limited(self, task: ReadyTask) -> bool:
        group, limits = self.group(task), self.policy(task).limits
        leased = self.leased_of(group.queue)
        of_key = sum(each.fairness_key == group.fairness_key for each in leased)
        return (0 < limits.leases_max <= len(leased)) or (0 < limits.leases_per_key_max <= of_key)

    def lane_place(self, task: ReadyTask) -> int:
        return self.policy(task).lane_of(self.group(task).priority)

    def due_time(self, task: ReadyTask) -> int | None:
        lanes = self.policy(task).lanes
        wait = lanes[self.lane_place(task)].max_wait_micros if lanes else 0
        return task.queued_time + wait if wait else None

    def is_overdue(self, task: ReadyTask) -> bool:
        due = self.due_time(task)
        return due is not None and due <= self.now

    def is_queued(self, task: ReadyTask) -> bool:
        return self.view.tasks[task.task_id].place is Place.QUEUED

    def rank(self, task: ReadyTask) -> float:
        group, policy = self.group(task), self.policy(task)
        assert policy.fairness is not None
        mine = [
            each
            for each in self.leased_of(group.queue)
            if each.fairness_key == group.fairness_key
            and policy.lane_of(each.priority) == policy.lane_of(group.priority)
        ]
        return len(mine) * 1_000_000 // policy.fairness.get(group.fairness_key, 1)

    def warm_agents(self, task: ReadyTask) -> set[str]:
        """Agents that are warm for the task's key, by a lease or a placement, or else those that suit."""
        affinity = self.policy(task).affinity
        warm = {
            key
            for key, agent in self.agents.items()
            if task.affinity_key
            and self.is_eligible(agent, task)
            and agent.warm_keys.get(task.affinity_key, -1) >= self.now - affinity.warm_micros
        }
        warm |= {
            key
            for placement, other, key in self.outstanding.values()
            if task.affinity_key
            and other.affinity_key == task.affinity_key
            and key in self.agents
            and self.is_eligible(self.agents[key], task)
        }
        if warm or not affinity.selectors:
            return warm
        return {
            key
            for key, agent in self.agents.items()
            if self.is_eligible(agent, task) and all(selects(s, agent.profile.labels) for s in affinity.selectors)
        }
