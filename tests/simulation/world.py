"""One run's world: the database, the processes around it, those who submit and operate, and how it is looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from missioncontrol import agent_limits as limits
from missioncontrol.session_effects import LeaseKey
from missioncontrol.v1 import agent_service_pb2 as pb
from missioncontrol.v1 import task_pb2

from services.domain.agent import AgentKey, DrainMode
from services.domain.commands import AgentAction, CancelTask, ChangeAgent, ChangeQueue, CreateTasks, NewTask
from services.domain.failure import AttemptOutcome
from services.domain.ledger import Ledger, Rules
from services.domain.requirements import Requirements, needs_id
from services.domain.retry import RetryPolicy
from services.domain.session import intervals_for
from tests.simulation.agent import Process
from tests.simulation.books import Books, promise
from tests.simulation.calls import Calls
from tests.simulation.clock import Clock
from tests.simulation.coordinator import Coordinator
from tests.simulation.journal import Disk, Journal, failed
from tests.simulation.link import Link
from tests.simulation.network import Stream
from tests.simulation.scheduler import Scheduler
from tests.simulation.tables import Tables

TTL_SECONDS = 6.0
SLOW_SECONDS = 1.0  # a message over a bad link, at most
SWEEP_SECONDS = 0.5
NAMESPACE = "default"
QUEUES = ("q1", "q2")
GPU, CAPABLE = Requirements(resources={"gpu": 1.0}), Requirements(capabilities=("x",))
NEEDS = {needs_id("k", needs): needs for needs in (Requirements(), GPU, CAPABLE)}
DOCUMENT = task_pb2.TaskSpec(kind="k").SerializeToString()


class Work(NamedTuple):
    """What one attempt does."""

    seconds: float
    outcome: str
    kills: bool


class World:
    """See the module. Faults are in `faults.py`."""

    def __init__(self, clock: Clock) -> None:
        choose = clock.random
        self.clock = clock
        self.tables = Tables(Rules(lease_ttl_micros=int(TTL_SECONDS * 1e6), run_limit_grace_micros=2_000_000))
        self.books = Books(self.tables)
        self.disk = Disk()
        self.schedulers = [Scheduler(clock, "scheduler-1"), Scheduler(clock, "scheduler-2")]
        self.hellos = [self._hello(number) for number in range(choose.randint(2, 4))]
        self.processes: dict[str, list[Process]] = {hello.agent_id: [] for hello in self.hellos}
        self.finished: set[tuple[str, LeaseKey]] = set()
        self.bad_link_until = 0.0
        self.healed = False
        self._incarnations = 0
        self._ended_at: dict[LeaseKey, float] = {}
        self._cancelled_at: dict[LeaseKey, float] = {}
        self._poison: set[str] = set()
        self.coordinator: Coordinator
        self.links: list[Link]
        self.start_coordinator()
        for hello in self.hellos:
            clock.later(choose.uniform(0.0, 0.5), self.start_agent, hello.agent_id)
        self.client = Client(self, choose.randint(5, 20))
        clock.later(SWEEP_SECONDS, self._sweep)

    def _hello(self, number: int) -> pb.Hello:
        choose = self.clock.random
        hello = pb.Hello(protocol_version_min=1, protocol_version_max=1, agent_id=f"agent-{number}", kinds=["k"])
        hello.slots, hello.queue_limit = choose.randint(1, 3), choose.randint(0, 2)
        if number == 0 or self.clock.chance(0.4):
            hello.capabilities.append("x")
        if number == 0 or self.clock.chance(0.4):
            hello.resources["gpu"] = choose.randint(1, 2)
        return hello

    # Processes.

    def start_coordinator(self) -> None:
        """A coordinator, from nothing but the tables."""
        journal = Journal(self.clock, self.tables, self.disk, self._on_commit)
        journal.lost = lambda: self.restart_coordinator(0.2)
        self.coordinator = Coordinator(self.clock, self.tables, journal, intervals_for(TTL_SECONDS))
        self.links = [Link(self.clock, self.tables, journal, self.schedulers[0])]
        self.coordinator.start()

    def restart_coordinator(self, seconds: float) -> None:
        """It dies, and is back after a while."""
        if self.coordinator.dead:
            return
        self.clock.note("coordinator", "dies for", seconds)
        self.coordinator.kill()
        for link in self.links:
            link.close()
        self.clock.later(seconds, self.start_coordinator)

    def split_brain(self, seconds: float) -> None:
        """For a while a second scheduler is told everything, too, and what it says counts as much."""
        if self.coordinator.dead or len(self.links) > 1:
            return
        second = Link(self.clock, self.tables, self.coordinator.journal, self.schedulers[1])
        self.links.append(second)
        self.clock.later(seconds, self._unite, second)

    def _unite(self, second: Link) -> None:
        second.close()
        if second in self.links:
            self.links.remove(second)

    def start_agent(self, agent_id: str) -> None:
        """A new process of an agent."""
        self._incarnations += 1
        hello = pb.Hello(incarnation=f"incarnation-{self._incarnations}")
        hello.MergeFrom(next(hello for hello in self.hellos if hello.agent_id == agent_id))
        self.clock.note(agent_id, "starts as", hello.incarnation)
        self.processes[agent_id].append(Process(self.clock, self, hello))

    @property
    def alive(self) -> list[Process]:
        """Every agent's process."""
        return [process for processes in self.processes.values() for process in processes]

    # What agents need.

    def dial(self, stream: Stream | Calls) -> bool:
        """A stream to the coordinator."""
        if self.coordinator.dead:
            return False
        self.coordinator.accept(stream)
        return True

    def link_seconds(self) -> float:
        """How long a message takes now."""
        if self.clock.now < self.bad_link_until and self.clock.chance(0.3):
            return self.clock.random.uniform(0.0, SLOW_SECONDS)
        return self.clock.random.uniform(0.0005, 0.01)

    def job(self, lease: pb.Lease) -> Work:
        """What happens when this lease runs."""
        outcome = "failed" if self.clock.chance(0.15) else "succeeded"
        seconds = self.clock.random.choice((0.0, 0.01, 0.1, 0.5, 2.0, 5.0, 9.0))
        return Work(seconds, outcome, lease.task_id in self._poison)

    def ended(self, process: Process) -> None:
        """A process is gone; something starts it again."""
        self.clock.note(process.agent_id, "is gone:", process.incarnation)
        self.finished |= {(process.incarnation, key) for key in process.succeeded}
        self.clock.later(self.clock.random.uniform(0.1, 3.0), self._again, process)

    def _again(self, process: Process) -> None:
        self.processes[process.agent_id].remove(process)
        if not self.processes[process.agent_id]:
            self.start_agent(process.agent_id)

    def poison(self, task_id: str) -> None:
        """This task kills its agents."""
        self._poison.add(task_id)

    # How it is looked at.

    def _holder(self, agent_id: str, incarnation: str) -> Process | None:
        for process in self.processes[agent_id]:
            if process.incarnation == incarnation and process.alive and not process.frozen:
                return process
        return None

    def _on_commit(self, ledger: Ledger) -> None:
        self.books.on_commit(ledger)
        now = self.clock.now
        for order in ledger.cancels:
            self._cancelled_at[(order.task_id, order.token)] = now
        for attempt in ledger.ended:
            key = (attempt.task_id, attempt.token)
            self._ended_at[key] = now
            process = self._holder(attempt.agent_id, attempt.incarnation)
            lost = attempt.outcome in (AttemptOutcome.LOST, AttemptOutcome.UNDELIVERED)
            current = self.tables.agents[self.key(attempt.agent_id)].incarnation == attempt.incarnation
            if process is not None and lost and current:
                # One whose Hello nobody answers looks elsewhere after so long: longer than leases live here.
                patience = TTL_SECONDS if process.session.connected else limits.WELCOME_SECONDS
                at_rest = now - process.disturbed_at
                promise(at_rest <= patience + SLOW_SECONDS, "L2", key, "was taken from an agent that was there")
        for revoked in ledger.revoked:
            key = (revoked.task_id, revoked.token)
            outcome = ledger.attempts[key].outcome
            process = self._holder(revoked.agent[1], ledger.attempts[key].incarnation)
            if process is not None and outcome is AttemptOutcome.LOST:
                promise(key not in process.at_work, "L3", key, "ran out while its agent works on it")

    def ran(self, process: Process, key: LeaseKey) -> None:
        """A handler has started."""
        if process.disturbed_at < self.clock.now:
            self._look_at(process, key)

    def _sweep(self) -> None:
        for process in self.alive:
            if process.alive and not process.frozen:
                for key in process.at_work:
                    self._look_at(process, key)
                    self._look_for_cancel(process, key)
        self.clock.later(SWEEP_SECONDS, self._sweep)

    def _look_at(self, process: Process, key: LeaseKey) -> None:
        """Work whose lease is over stops within two thirds of a time to live, and the time of a message."""
        over_for = self.clock.now - self._ended_at.get(key, self.clock.now)
        bound = TTL_SECONDS * 2 / 3 + 2 * SLOW_SECONDS
        promise(over_for <= bound, "S3", process.agent_id, "works on", key, over_for, "s after the lease's end")

    def _look_for_cancel(self, process: Process, key: LeaseKey) -> None:
        ordered = self._cancelled_at.get(key)
        if ordered is not None:
            waited = self.clock.now - max(ordered, process.disturbed_at)
            promise(waited <= TTL_SECONDS / 6 + 3 * SLOW_SECONDS, "S16", key, "was cancelled, and the agent works on")

    # Whether it has come to rest.

    def at_rest(self) -> bool:
        """Whether everything is done, and nobody holds anything any more."""
        return self.healed and not self.unrest()

    def unrest(self) -> list[str]:
        """What is still going on."""
        tables = self.tables
        found = [f"{t.id} is {t.state.name} at {t.agent_id}" for t in tables.tasks.values() if not t.terminal]
        found += [f"{p.agent_id} has something to do or to say" for p in self.alive if p.alive and not p.quiet]
        found += [f"{key} counts {agent.leases} leases" for key, agent in tables.agents.items() if agent.leases]
        for key, conversation in self.coordinator.live.items():
            found += [f"the session of {key} holds {lease}" for lease in conversation.session.leases]
        found += ["a task is left in the window" for link in self.links if link.window.holds_any]
        found += [f"{number} submits are not answered" for number in [len(self.client.open)] if number]
        return found

    def on_end(self) -> None:
        """The last look."""
        promise(not self.unrest(), "L1, L4", "; ".join(self.unrest()))
        self.finished |= {(process.incarnation, key) for process in self.alive for key in process.succeeded}
        self.books.on_end(self.finished)
        self.client.on_end()

    # People.

    def key(self, agent_id: str) -> AgentKey:
        """An agent's key."""
        return (NAMESPACE, agent_id)

    def submit(self, command: Any, then: Callable[[Any], None] = lambda _answer: None) -> None:
        """Asks the coordinator, if there is one; who gets no answer has to ask again."""
        if not self.coordinator.dead:
            self.coordinator.journal.submit(command, then)

    def change_agent(self, agent_id: str, action: AgentAction, mode: DrainMode = DrainMode.NONE) -> None:
        """Cordon, drain and the like."""
        if self.key(agent_id) in self.tables.agents:
            limit = self.clock.random.choice((0, 2_000_000))
            change = ChangeAgent(self.key(agent_id), action, drain_mode=mode, drain_limit_micros=limit)
            self.submit(change)

    def heal(self) -> None:
        """Faults stop; an operator undoes, again and again, what keeps work away."""
        if not self.healed:
            self.clock.note("world", "faults stop")
            self.healed = True
            self.disk.failing, self.disk.silent, self.disk.seconds = False, False, 0.001
            for scheduler in self.schedulers:
                scheduler.start()
            for process in self.alive:
                process.thaw()
        for key, agent in self.tables.agents.items():
            if agent.cordoned or agent.drain_mode is not DrainMode.NONE:
                self.submit(ChangeAgent(key, AgentAction.REOPEN))
        for queue in self.tables.queues.values():
            if queue.paused:
                self.submit(ChangeQueue(queue.key, paused=False))
        self.clock.later(1.0, self.heal)

    def cancel_one(self) -> None:
        """Cancels some task."""
        open_ones = [task.id for task in self.tables.tasks.values() if not task.terminal]
        if open_ones:
            self.submit(CancelTask(NAMESPACE, self.clock.random.choice(open_ones)))


class Client:
    """Submits tasks, and submits them again, under the same request ids, until it hears that they are accepted."""

    def __init__(self, world: World, count: int) -> None:
        self.open: dict[str, NewTask] = {}
        self._world = world
        self._count = count
        self._accepted: dict[str, str] = {}
        clock, left = world.clock, count
        while left:
            several = min(left, clock.random.choice((1, 1, 2, 5)))
            names = [f"t{left - number}" for number in range(several)]
            left -= several
            tasks = [self._task(name) for name in names]
            self.open.update((task.request_id, task) for task in tasks)
            clock.later(clock.random.uniform(0.2, 8.0), self._submit, tasks, 0)

    def _task(self, name: str) -> NewTask:
        choose = self._world.clock.random
        needs = choose.choice((*NEEDS, *list(NEEDS)[:1] * 3))
        if choose.random() < 0.04:
            self._world.poison(name)
        return NewTask(
            id=name,
            namespace=NAMESPACE,
            queue=choose.choice(QUEUES),
            kind="k",
            priority=choose.choice((0, 0, 5)),
            needs_id=needs,
            requirements=NEEDS[needs],
            run_limit_micros=choose.choice((0, 0, 3_000_000)),
            queue_limit_micros=choose.choice((0, 0, 0, 8_000_000)),
            retry=RetryPolicy(attempts_max=choose.randint(1, 3), initial_backoff_seconds=0.5, backoff_seconds_max=2.0),
            request_id=f"request-{name}",
            digest=name,
            document=DOCUMENT,
        )

    def _submit(self, tasks: list[NewTask], attempt: int) -> None:
        world = self._world
        tasks = [task for task in tasks if task.request_id in self.open]
        if not tasks:
            return
        if world.coordinator.dead:
            world.clock.later(0.5, self._submit, tasks, attempt)
            return
        late = world.clock.chance(0.1)
        not_before = world.clock.micros + 1_500_000 if late else 0
        sent = [with_id(task, f"{task.id}.{attempt}" if attempt else task.id, not_before) for task in tasks]
        placements = world.links[0].standing.choose(sent, world.clock.micros)

        def answered(answer: Any) -> None:
            if not failed(answer):
                for task, result in zip(sent, answer, strict=True):
                    promise(not failed(result), "S2", task.request_id, result)
                    known = self._accepted.setdefault(task.request_id, result.task_id)
                    promise(known == result.task_id, "S2", task.request_id, "is", known, "and", result.task_id)
                    self.open.pop(task.request_id, None)

        world.submit(CreateTasks(sent, placements), answered)
        world.clock.later(1.5, self._submit, tasks, attempt + 1)

    def on_end(self) -> None:
        """Every request has one task."""
        tasks = self._world.tables.tasks
        for request, task_id in self._accepted.items():
            promise(task_id in tasks, "S1", request, "was accepted as", task_id, "which is not there")
        promise(len(tasks) == self._count == len(self._accepted), "S2", len(tasks), "tasks of", self._count, "requests")


def with_id(task: NewTask, task_id: str, not_before_time: int) -> NewTask:
    """The task as this attempt submits it."""
    return msgspec.structs.replace(task, id=task_id, not_before_time=not_before_time)
