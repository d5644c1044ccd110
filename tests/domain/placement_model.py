"""A small coordinator for tests of placement: it holds the truth, sends changes, and answers placements as it is told.

It keeps everything in plain dictionaries, and checks each placement with loops over all agents: slow and obvious, where
the view is fast.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from services.domain.commands import Placement, PlacementOutcome
from services.domain.placement import plan
from services.domain.requirements import AgentProfile, LabelSelector, Requirements, SelectorOperator, fits, mismatch
from services.domain.schedule import (
    PlacementResult,
    QueueRule,
    ReadyTask,
    SchedulableAgent,
    ScheduleChanges,
    TaskGroup,
)
from services.domain.schedule_view import ScheduleView
from services.domain.task import Avoided

QUEUES = ("q0", "q1")
NEEDS = (
    ("build", Requirements()),
    ("build", Requirements(capabilities=("gpu",))),
    ("build", Requirements(selectors=(LabelSelector("zone", SelectorOperator.IN, ("a",)),))),
    ("build", Requirements(resources={"cpus": 2.0})),
    ("test", Requirements(resources={"cpus": 0.1, "disk": 1.0})),
    ("test", Requirements(selectors=(LabelSelector("size", SelectorOperator.GREATER, ("3",)),))),
)
PROFILES = (
    AgentProfile(
        kinds=frozenset({"build", "test"}), labels={"zone": "a", "size": "4"}, resources={"cpus": 4.0, "disk": 2.0}
    ),
    AgentProfile(kinds=frozenset({"build"}), capabilities=frozenset({"gpu"}), resources={"cpus": 2.0}),
    AgentProfile(kinds=frozenset({"test"}), labels={"size": "big"}, resources={"cpus": 0.3, "disk": 9.0}),
    AgentProfile(kinds=frozenset({"build", "test"}), queues=frozenset({"q1"}), labels={"zone": "b"}),
)
Operation = tuple[int, int, int, int]


class Lease(msgspec.Struct):
    key: str
    resources: dict[str, float]


class Model:
    """The truth, the view that is told of it, and what was placed. `run` takes numbered operations."""

    def __init__(self) -> None:
        self.view = ScheduleView()
        self.now = 1_000_000
        self.agents: dict[str, SchedulableAgent] = {}
        self.groups: dict[int, TaskGroup] = {}
        self.waiting: dict[str, ReadyTask] = {}
        self.outstanding: dict[int, tuple[Placement, ReadyTask, str]] = {}
        self.leases: list[Lease] = []
        self.paused: set[str] = set()
        self.placements: list[Placement] = []
        self._made = 0
        self.on_placements: Callable[[list[Placement]], None] = lambda _placements: None

    def run(self, operations: list[Operation]) -> None:
        table = (
            self.join, self.change, self.leave, self.reconnect, self.submit, self.submit, self.submit, self.cancel,
            self.grant, self.grant, self.refuse, self.finish, self.finish, self.pause, self.wait,
            self.forget_group, self.repeat,
        )  # fmt: skip
        for number, a, b, c in operations:
            table[number % len(table)](a, b, c)
            self.plan()

    def plan(self) -> None:
        placements = plan(self.view, self.now)
        for placement in placements:
            task = self.waiting[placement.task_id]
            key = f"default/{placement.agent_id}"
            self.outstanding[placement.number] = (placement, task, key)
        self.on_placements(placements)
        for placement in placements:
            del self.waiting[placement.task_id]
        self.placements.extend(placements)

    def tell(self, **changes: Any) -> None:
        self.view.apply(ScheduleChanges(**changes), self.now)

    # Operations.

    def join(self, a: int, b: int, c: int) -> None:
        agent_id = f"a{a % 6}"
        if f"default/{agent_id}" in self.agents:
            return
        agent = SchedulableAgent(
            f"default/{agent_id}", "default", agent_id, 100 + len(self.placements) + a, True,
            PROFILES[b % len(PROFILES)], 1 + c % 3,
        )  # fmt: skip
        self.put_agent(agent)

    def change(self, a: int, b: int, c: int) -> None:
        agent = self._agent(a)
        if agent is None:
            return
        if b % 3 == 0:
            self.put_agent(msgspec.structs.replace(agent, accepting=not agent.accepting))
        elif b % 3 == 1:
            self.put_agent(msgspec.structs.replace(agent, slots=1 + c % 3))
        else:
            self.put_agent(msgspec.structs.replace(agent, profile=PROFILES[c % len(PROFILES)]))

    def leave(self, a: int, b: int, c: int) -> None:
        agent = self._agent(a)
        if agent is not None and b % 2:
            del self.agents[agent.key]
            self.leases = [lease for lease in self.leases if lease.key != agent.key]
            self.tell(removed_agents=(agent.key,))

    def reconnect(self, a: int, b: int, c: int) -> None:
        agent = self._agent(a)
        if agent is not None:
            self.put_agent(msgspec.structs.replace(agent, session=agent.session + 1))

    def submit(self, a: int, b: int, c: int) -> None:
        group_id = a % 24
        if group_id not in self.groups:
            kind, requirements = NEEDS[group_id % len(NEEDS)]
            queue, priority = QUEUES[group_id // 6 % 2], group_id // 12
            needs_id = f"n{group_id % len(NEEDS)}"
            group = TaskGroup(group_id, "default", queue, priority, kind, requirements, needs_id)
            self.groups[group_id] = group
            self.tell(groups=(group,))
        tasks = []
        for _ in range(1 + b % 4):
            self._made += 1
            avoid = (Avoided(f"a{c % 6}", self.now + 50_000 * (c % 5)),) if c % 3 == 0 else ()
            tasks.append(ReadyTask(group_id, f"t{self._made}", self._made - c % 7, avoid))
        self.waiting.update((task.task_id, task) for task in tasks)
        self.tell(ready=tuple(tasks))

    def cancel(self, a: int, b: int, c: int) -> None:
        ids = [*self.waiting, *(placement.task_id for placement, _, _ in self.outstanding.values())]
        if ids:
            task_id = ids[(a * 256 + b) % len(ids)]
            self.waiting.pop(task_id, None)
            self.tell(removed_task_ids=(task_id,))

    def grant(self, a: int, b: int, c: int) -> None:
        for number in list(self.outstanding)[: 1 + a % 8]:
            self.answer(number, PlacementOutcome.GRANTED)

    def refuse(self, a: int, b: int, c: int) -> None:
        if self.outstanding:
            number = list(self.outstanding)[a % len(self.outstanding)]
            self.answer(number, PlacementOutcome(2 + b % 7))

    def finish(self, a: int, b: int, c: int) -> None:
        for _ in range(1 + b % 4):
            if self.leases:
                lease = self.leases.pop(a % len(self.leases))
                self.put_agent(self.loaded(self.agents[lease.key]))

    def pause(self, a: int, b: int, c: int) -> None:
        queue = QUEUES[a % 2]
        self.paused ^= {queue}
        self.tell(queues=(QueueRule("default", queue, queue in self.paused),))

    def wait(self, a: int, b: int, c: int) -> None:
        self.now += a * 2_000

    def forget_group(self, a: int, b: int, c: int) -> None:
        busy = {task.group_id for task in self.waiting.values()}
        busy |= {task.group_id for _, task, _ in self.outstanding.values()}
        group_id = a % 24
        if group_id in self.groups and group_id not in busy:
            del self.groups[group_id]
            self.tell(removed_groups=(group_id,))

    def repeat(self, a: int, b: int, c: int) -> None:
        """Send a task again that waits in the view, as a refill of a window may. What is placed is never repeated."""
        known = [task for task in self.waiting.values() if task.task_id in self.view.tasks]  # cancelled ones are not
        if known:
            self.tell(ready=(known[a % len(known)],))

    # What operations are made of.

    def answer(self, number: int, outcome: PlacementOutcome) -> None:
        """Send the result of a placement, as a coordinator that tells no lies about GRANTED."""
        placement, task, key = self.outstanding.pop(number)
        agent = self.agents.get(key)
        cancelled = placement.task_id not in self.view.tasks
        if outcome is PlacementOutcome.GRANTED and (agent is None or agent.session != placement.session):
            outcome = PlacementOutcome.AGENT_GONE
        if outcome is PlacementOutcome.GRANTED and cancelled:
            outcome = PlacementOutcome.TASK_GONE
        agents: tuple[SchedulableAgent, ...] = ()
        if outcome is PlacementOutcome.GRANTED and agent is not None:
            self.leases.append(Lease(key, dict(self.groups_of(task).requirements.resources)))
            self.agents[key] = self.loaded(agent)
            agents = (self.agents[key],)
        elif outcome is not PlacementOutcome.TASK_GONE and not cancelled:
            self.waiting[task.task_id] = task
        self.tell(results=(PlacementResult(number, outcome),), agents=agents)

    def groups_of(self, task: ReadyTask) -> TaskGroup:
        return self.groups[task.group_id]

    def put_agent(self, agent: SchedulableAgent) -> None:
        self.agents[agent.key] = agent
        self.tell(agents=(agent,))

    def loaded(self, agent: SchedulableAgent) -> SchedulableAgent:
        held = [lease.resources for lease in self.leases if lease.key == agent.key]
        used: dict[str, float] = {}
        for resources in held:
            for name, amount in resources.items():
                used[name] = used.get(name, 0.0) + amount
        return msgspec.structs.replace(agent, leases=len(held), resources_used=used)

    def _agent(self, a: int) -> SchedulableAgent | None:
        agents = list(self.agents.values())
        return agents[a % len(agents)] if agents else None

    # What the rules ask, by looking at everything.

    def reserved(self, agent: SchedulableAgent) -> list[ReadyTask]:
        return [
            task
            for placement, task, key in self.outstanding.values()
            if key == agent.key and placement.session == agent.session
        ]

    def is_eligible(self, agent: SchedulableAgent, task: ReadyTask) -> bool:
        group = self.groups_of(task)
        found = mismatch(agent.profile, group.kind, queue=group.queue, requirements=group.requirements)
        return found is None and not any(
            avoided.agent_id == agent.agent_id and avoided.until_time > self.now for avoided in self.avoided_by(task)
        )

    def avoided_by(self, task: ReadyTask) -> tuple[Avoided, ...]:
        """What the task avoids: also agents that were refused as ineligible, which only the view remembers."""
        known = self.view.tasks.get(task.task_id)
        return known.task.avoid if known is not None else task.avoid

    def oversubscribed(self, agent: SchedulableAgent, by: list[Placement]) -> bool:
        """Whether leases and reservations exceed what the agent has, in slots or in a resource that those took of it.

        An agent that declares less than it did may hold more of something than it has; that is no placement's fault,
        and tasks that ask for nothing of it still fit.
        """
        reserved = self.reserved(agent)
        if agent.leases + len(reserved) > agent.slots:
            return True
        used = dict(agent.resources_used)
        for task in reserved:
            for name, amount in self.groups_of(task).requirements.resources.items():
                used[name] = used.get(name, 0.0) + amount
        tasks = [self.outstanding[placement.number][1] for placement in by]
        taken = {name for task in tasks for name in self.groups_of(task).requirements.resources}
        return any(not fits(0.0, declared=agent.profile.resources.get(name, 0.0), used=used[name]) for name in taken)

    def has_room(self, agent: SchedulableAgent, task: ReadyTask) -> bool:
        needed = self.groups_of(task).requirements.resources
        reserved = self.reserved(agent)
        if agent.leases + len(reserved) >= agent.slots:
            return False
        used = dict(agent.resources_used)
        for other in reserved:
            for name, amount in self.groups_of(other).requirements.resources.items():
                used[name] = used.get(name, 0.0) + amount
        declared = agent.profile.resources
        return all(
            fits(amount, declared=declared.get(name, 0.0), used=used.get(name, 0.0)) for name, amount in needed.items()
        )
