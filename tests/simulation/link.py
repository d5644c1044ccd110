"""The coordinator's end of the Schedule stream: the glue of `coordinator/scheduler_link.py` without its event loop.

The window, the standing placements and the messages are the real ones.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from missioncontrol.v1 import scheduler_service_pb2 as wire

from services.coordinator.agent_news import ToldAgent
from services.coordinator.limits import LOAD_PAUSE_SECONDS, SCHEDULE_PAUSE_SECONDS
from services.coordinator.schedule_messages import Messages, ready_messages
from services.coordinator.standing import StandingPlacements
from services.coordinator.window import Changes, Group, Window
from services.domain.agent import Agent, AgentKey
from services.domain.commands import Command, Created, CreateTasks, GrantLeases, Placement, PlacementOutcome
from services.domain.queue import Queue, QueueKey
from services.store.flush import Committed
from services.transport import convert_schedule
from tests.simulation.clock import Clock
from tests.simulation.journal import Journal, failed
from tests.simulation.network import Stream
from tests.simulation.scheduler import Scheduler
from tests.simulation.tables import Tables


class Link:
    """One coordinator's tie to one scheduler; dials again whenever its stream is gone."""

    def __init__(self, clock: Clock, tables: Tables, journal: Journal, scheduler: Scheduler) -> None:
        self.window = Window(self._refill)
        self._agents: dict[AgentKey, Agent] = {}
        self.standing = StandingPlacements(self._agents, self.window.group_at_home)
        self.connected = False
        self.dead = False
        self._clock = clock
        self._tables = tables
        self._journal = journal
        self._scheduler = scheduler
        self._queues: dict[QueueKey, Queue] = dict(tables.queues)
        self._changed_agents: dict[AgentKey, None] = {}
        self._changed_queues: dict[QueueKey, Queue] = {}
        self._results: list[tuple[int, PlacementOutcome]] = []
        self._placed: dict[str, int] = {}
        self._stream: Stream | None = None
        self._told = 0.0
        self._planned = False
        for agent in tables.agents.values():
            self._note_agent(agent)
        for group in tables.groups():
            key = (group.namespace, group.queue, group.priority, group.needs_id, group.shard, group.fairness_key)
            self.window.found(key, group.kind, requirements=group.requirements, count=group.count)
        journal.listeners.append(self.on_committed)
        journal.heralds.append(self)
        clock.later(0.01, self._dial)

    def close(self) -> None:
        """It is not needed any more, or its process is gone."""
        self.dead = True
        if self._stream is not None:
            self._stream.cut()

    def _dial(self) -> None:
        if self.dead:
            return
        if not self._scheduler.up:
            self._clock.later(self._clock.random.uniform(0.2, 1.0), self._dial)
            return
        self._placed.clear()
        self._results.clear()
        self.standing.withdraw_all()
        stream = self._stream = Stream(self._clock, lambda: self._clock.random.uniform(0.0002, 0.004))
        stream.down.receive = partial(self._hear, stream)
        stream.down.ended = partial(self._on_end, stream)
        self._scheduler.accept(stream)
        for request in self._snapshot():
            stream.up.send(request)

    def _on_end(self, stream: Stream, _error: Any) -> None:
        if stream is self._stream:
            stream.leave()
            self._stream = None
            self.connected = False
            self.standing.withdraw_all()
            self._clock.later(self._clock.random.uniform(0.02, 0.5), self._dial)

    def cut(self) -> None:
        """The network breaks the stream."""
        if self._stream is not None:
            self._stream.cut()

    # What commits bring.

    def on_committed(self, committed: Committed) -> None:
        """Notes what the scheduler has to be told."""
        if self.dead:
            return
        for granted in committed.granted:
            if granted.task.id not in self._placed and granted.task.id not in committed.created:
                self.window.changes.removed.append(granted.task.id)
        self.window.on_committed(committed)
        for agent in committed.agents:
            self._note_agent(agent)
        for queue in committed.queues:
            self._changed_queues[queue.key] = self._queues[queue.key] = queue
        if self._stream is None:
            self.window.discard_changes()
        self._plan(0.0 if self.window.holds_any or self.window.changes.any else LOAD_PAUSE_SECONDS)

    def _note_agent(self, agent: Agent) -> None:
        if agent.connected:
            self._agents[agent.key] = agent
        else:
            self._agents.pop(agent.key, None)
        self._changed_agents[agent.key] = None

    def foretell(self, command: Command) -> None:
        """Announces tasks that are about to be committed."""
        if self.dead or not isinstance(command, CreateTasks):
            return
        if command.placements:
            self.standing.hold(command.placements, command.tasks)
        if not self.connected:
            return
        now = self._clock.micros
        placements = command.placements or [None] * len(command.tasks)
        for new, placement in zip(command.tasks, placements, strict=True):
            if placement is None and new.not_before_time <= now:
                self.window.announce(new, now=now)
        self._plan(0.0)

    def settle(self, command: Command, answer: Any) -> None:
        """Takes those back that were not accepted."""
        if self.dead or not isinstance(command, CreateTasks):
            return
        if command.placements:
            self.standing.settle(command.placements, command.tasks)
        results = [None] * len(command.tasks) if failed(answer) else answer
        for new, result in zip(command.tasks, results, strict=True):
            if not isinstance(result, Created) or result.deduplicated:
                self.window.retract(new.id)
        self._plan(0.0)

    # The stream.

    def _plan(self, seconds: float) -> None:
        if not self._planned and self._stream is not None:
            self._planned = True
            self._clock.at(max(self._clock.now + seconds, self._told + SCHEDULE_PAUSE_SECONDS), self._tell)

    def _tell(self) -> None:
        self._planned = False
        if self._stream is not None and not self.dead:
            self._told = self._clock.now
            for request in self._take_changes():
                self._stream.up.send(request)

    def _hear(self, stream: Stream, response: wire.ScheduleResponse) -> None:
        if stream is not self._stream or self.dead:
            return
        self.connected = True
        for standing in response.standing:
            group = self.window.group_numbered(standing.group_id)
            offered = standing.agents if group is not None else ()
            namespace = group.key[0] if group is not None else ""
            self.standing.offer(standing.group_id, [((namespace, agent.agent_id), agent.session) for agent in offered])
        placements = [Placement(p.number, p.task_id, p.agent_id, p.session) for p in response.placements]
        if not placements:
            return
        agents: dict[AgentKey, None] = {}
        for placement in placements:
            self._placed[placement.task_id] = placement.number
            self.window.placed(placement.task_id)
            group = self.window.group_of(placement.task_id)
            if group is not None:
                agents[(group.key[0], placement.agent_id)] = None
        self._journal.submit(GrantLeases(placements, sorted(agents)), partial(self._settle, stream, placements))

    def _settle(self, stream: Stream, placements: list[Placement], answer: Any) -> None:
        if stream is not self._stream or self.dead:
            return
        outcomes = [PlacementOutcome.NOT_VISIBLE] * len(placements) if failed(answer) else answer
        for placement, outcome in zip(placements, outcomes, strict=True):
            self._placed.pop(placement.task_id, None)
            self.window.refused(placement.task_id)
            gone = self.window.group_of(placement.task_id) is None
            final = PlacementOutcome.TASK_GONE if outcome is PlacementOutcome.NOT_VISIBLE and gone else outcome
            self._results.append((placement.number, final))
        self._plan(0.0)

    def _snapshot(self) -> list[wire.ScheduleRequest]:
        changes = self.window.snapshot()
        self._changed_agents.clear()
        self._changed_queues.clear()
        messages = Messages()
        messages.requests[0].coordinator_id = "c"
        requests = self._filled(messages, changes, list(self._queues.values()), list(self._agents))
        for request in requests:
            request.snapshot = True
        requests[-1].snapshot_complete = True
        return requests

    def _take_changes(self) -> list[wire.ScheduleRequest]:
        changes, messages = self.window.take_changes(), Messages()
        first = messages.requests[0]
        for number, outcome in self._results:
            first.results.add(number=number, outcome=convert_schedule.outcome(outcome))
        first.removed_task_ids.extend(changes.removed)
        first.removed_groups.extend(changes.removed_groups)
        requests = self._filled(messages, changes, list(self._changed_queues.values()), list(self._changed_agents))
        self._changed_agents.clear()
        self._changed_queues.clear()
        self._results.clear()
        return requests

    def _filled(
        self, messages: Messages, changes: Changes, queues: list[Queue], agents: list[AgentKey]
    ) -> list[wire.ScheduleRequest]:
        messages.put_queues(queues)
        messages.put_groups(changes.groups.values())
        for key in agents:
            agent = self._agents.get(key)
            if agent is None:
                messages.requests[0].removed_agents.append(f"{key[0]}/{key[1]}")
            else:
                messages.put_agent(ToldAgent(agent))
        rest = list(ready_messages(changes))
        if len(rest) == 1 and len(messages.requests) == 1:
            messages.requests[0].ready.extend(rest.pop().ready)
        return [*messages.requests, *rest]

    def _refill(self, group: Group, limit: int) -> None:
        def take() -> None:
            if not self.dead:
                self.window.refilled(group, self._tables.ready(group.key, after=group.end, limit=limit), asked=limit)
                self._plan(0.0)

        self._journal.read(take)
