"""The coordinator's end of the Schedule stream: tells the scheduler what is ready and who has room, and grants what
it proposes.

After any break: a fresh snapshot, the same code path as the start. The scheduler may be gone at any time; tasks then
wait, and nothing else happens. The journal judges every placement, so a late or doubled one is harmless.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import grpc
import structlog
from missioncontrol.v1 import scheduler_service_pb2 as wire
from missioncontrol.v1.scheduler_service_pb2_grpc import SchedulerServiceStub

from services import failpoints
from services.coordinator.agent_news import AgentNews
from services.coordinator.backlog_reads import BacklogReads
from services.coordinator.limits import (
    LOAD_PAUSE_SECONDS,
    PLACEMENT_BATCHES_MAX,
    PLACEMENTS_MAX,
    SCHEDULE_PAUSE_SECONDS,
    SCHEDULER_CHANNEL_OPTIONS,
    SCHEDULER_RECONNECT_SECONDS_MAX,
    SCHEDULER_RECONNECT_SECONDS_MIN,
)
from services.coordinator.queue_book import QueueBook
from services.coordinator.routing_talk import RoutingTalk
from services.coordinator.schedule_messages import Messages, ready_messages
from services.coordinator.scheduler_choice import SchedulerChoice
from services.coordinator.standing import StandingPlacements
from services.coordinator.tail import Foreign
from services.domain.agent import AgentKey
from services.domain.commands import (
    Command,
    CreateAnswer,
    Created,
    CreateTasks,
    GrantLeases,
    Placement,
    PlacementOutcome,
)
from services.domain.queue import Queue, QueueKey
from services.domain.task import TaskState
from services.store.flush import Committed
from services.store.journal import Journal
from services.transport import convert_schedule
from services.transport.tls import Dialling

log = structlog.get_logger(__name__)


class SchedulerLink:
    """See the module. Listens to the journal; `run` keeps the stream."""

    def __init__(
        self,
        journal: Journal,
        queues: QueueBook,
        choice: SchedulerChoice,
        *,
        coordinator_id: str,
        dial: Dialling = Dialling(),  # noqa: B008 -- frozen
    ) -> None:
        self._journal = journal
        self._dial = dial
        self._choice = choice
        self._address = ""
        self._coordinator_id = coordinator_id
        self._wake = asyncio.Event()
        self._backlog = BacklogReads(journal, changed=self._wake.set)
        self.window = self._backlog.window
        self.agents = AgentNews(coordinator_id, queues)
        self.standing = StandingPlacements(self.agents.known, self.window.group_at_home)
        self._queues = queues
        self._changed_queues: dict[QueueKey, Queue] = {}
        self._results: list[tuple[int, PlacementOutcome]] = []
        # Tasks with a placement of this stream that waits for its result, and whether they are in our window.
        self._placed: dict[str, bool] = {}
        self.talk = RoutingTalk(wake=self._wake.set)
        self._later: asyncio.TimerHandle | None = None
        self._alone = False
        self._streaming = False
        self.connected = asyncio.Event()

    # What the start finds, and what commits bring.

    async def start(self, shards: frozenset[int]) -> None:
        """Takes in what waits in these shards."""
        await self._backlog.start(shards)
        self._journal.use_shard(self.window.home)

    def on_committed(self, committed: Committed) -> None:
        """Notes what the scheduler has to be told."""
        for granted in committed.granted:
            if granted.task.id not in self._placed:
                self.window.retract(granted.task.id)  # if it was told: granted on the word of an earlier stream
        self.window.on_committed(committed)
        self.agents.on_committed(committed)
        for queue in committed.queues:
            self._changed_queues[queue.key] = queue
        self._wake_for_news()

    def on_foreign(self, foreign: Foreign) -> None:
        """Notes what other coordinators did to the tasks and agents that this one tells of."""
        for event in foreign.events:
            if event.changes_task and event.data.to_state != TaskState.PENDING:
                self.window.left_elsewhere(event.task_id, event.data.version)
        for task in foreign.ready:
            self.window.became_ready(task, foreign.requirements[task.needs_id])
        self.agents.on_foreign(foreign)
        for queue in foreign.queues:
            self._changed_queues[queue.key] = queue
        self._wake_for_news()

    def look_after(self, shards: frozenset[int]) -> None:
        """Tells of the tasks in these shards from now on. What waits in those that are new is read."""
        self._backlog.look_after(shards)
        self._journal.use_shard(self.window.home)
        self._wake_for_news()

    def knows(self, key: AgentKey) -> bool:
        """Whether the scheduler was told of this agent from here."""
        return key in self.agents.known

    def _wake_for_news(self) -> None:
        if not self._streaming:
            self.window.discard_changes()
        if self.window.holds_any or self._is_urgent():
            # After the answers of this commit: so results and the load that they led to go into one message.
            asyncio.get_running_loop().call_soon(self._wake.set)
        else:
            self._wake_later()

    def _is_urgent(self) -> bool:
        """Whether there is more to tell than how loaded the agents are."""
        return bool(self.agents.urgent or self._changed_queues or self._results or self.window.changes.any)

    def _wake_later(self) -> None:
        """Nothing waits that the loads could matter to: they are told together with those of the next moments."""
        if self._later is None:
            self._later = asyncio.get_running_loop().call_later(LOAD_PAUSE_SECONDS, self._wake_now)

    def _wake_now(self) -> None:
        self._later = None
        self._wake.set()

    def foretell(self, command: Command) -> None:
        """Announces tasks that are about to be committed and have no standing placement."""
        if not isinstance(command, CreateTasks):
            return
        if command.placements:
            self.standing.hold(command.placements, command.tasks)
        if not self.connected.is_set():
            return
        now = time.time_ns() // 1000
        placements = command.placements or [None] * len(command.tasks)
        for new, placement in zip(command.tasks, placements, strict=True):
            if placement is None and new.not_before_time <= now and not new.depends_on:
                self.window.announce(new, now=now)
                self._wake.set()

    def settle(self, command: Command, answer: list[CreateAnswer] | Exception) -> None:
        """Takes those back that were not accepted."""
        if not isinstance(command, CreateTasks):
            return
        if command.placements:
            self.standing.settle(command.placements, command.tasks)
        results = [None] * len(command.tasks) if isinstance(answer, Exception) else answer
        for new, result in zip(command.tasks, results, strict=True):
            if not isinstance(result, Created) or result.deduplicated:
                self.window.retract(new.id)
                self._wake.set()

    # The stream.

    async def run(self) -> None:
        """Keeps a stream to the scheduler until cancelled."""
        wait = SCHEDULER_RECONNECT_SECONDS_MIN
        while True:
            self._address = self._choice.target.address
            try:
                await self._stream()
            except (grpc.RpcError, asyncio.InvalidStateError, OSError) as error:
                # A write after the stream's end; a file of TLS that is being replaced.
                self._note_absence(error)
            if self.connected.is_set():
                wait = SCHEDULER_RECONNECT_SECONDS_MIN
            self.connected.clear()
            self._choice.lost()
            pause = wait * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
            moved = await self._choice.wait(pause, after=self._address)
            wait = SCHEDULER_RECONNECT_SECONDS_MIN if moved else min(wait * 2, SCHEDULER_RECONNECT_SECONDS_MAX)

    def _note_presence(self) -> None:
        self._choice.heard()
        if not self.connected.is_set():
            log.info("the scheduler is there", address=self._address)
            self.connected.set()
            self._alone = False

    def _note_absence(self, error: Exception) -> None:
        """Says once that there is no scheduler, not with every attempt to reach it."""
        say = log.debug if self._alone else log.warning
        self._alone = True
        said = error.details() if isinstance(error, grpc.aio.AioRpcError) else error
        say("no scheduler; tasks wait", address=self._address, error=str(said))

    async def _stream(self) -> None:
        """One stream, from its snapshot to its end."""
        async with self._dial.open(self._address, SCHEDULER_CHANNEL_OPTIONS) as channel:
            call = SchedulerServiceStub(channel).Schedule()
            answers: asyncio.Queue[tuple[list[Placement], asyncio.Future[Any]]] = asyncio.Queue(PLACEMENT_BATCHES_MAX)
            self._placed.clear()
            self._results.clear()
            self.standing.withdraw_all()
            self.talk.begin()
            parts = [
                asyncio.ensure_future(self._tell(call)),
                asyncio.ensure_future(self._hear(call, answers)),
                asyncio.ensure_future(self._settle(answers)),
                asyncio.ensure_future(self._choice.watch(self._address, partial(self._ask, answers))),
            ]
            try:
                done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
                for part in done:
                    part.result()
            finally:
                self._streaming = False
                self.standing.withdraw_all()
                self.talk.end()
                for part in parts:
                    part.cancel()
                await asyncio.gather(*parts, return_exceptions=True)
                call.cancel()

    def _ask(self, answers: asyncio.Queue[Any]) -> None:
        """Has a ping sent. A scheduler that is not listened to since our own journal is slow is not a silent one."""
        if answers.full():
            self._choice.heard()
        self._wake.set()

    async def _tell(self, call: Any) -> None:
        """Sends the snapshot, then changes as they come."""
        for request in self._snapshot():
            request.ping = self._choice.take_ping()
            await call.write(request)
        while True:
            await self._wake.wait()
            self._wake.clear()
            for request in self._take_changes():
                failpoints.reach("changes.before_send")
                await call.write(request)
                failpoints.reach("changes.after_send")
            await asyncio.sleep(SCHEDULE_PAUSE_SECONDS)

    async def _hear(self, call: Any, answers: asyncio.Queue[tuple[list[Placement], asyncio.Future[Any]]]) -> None:
        """Receives placements and asks the journal to grant them."""
        while True:
            response = await call.read()
            if response is grpc.aio.EOF:
                return
            self._note_presence()
            self.talk.hear(response)
            for standing in response.standing:
                self._take_offer(standing)
            for recall in response.recalls:
                agent = (recall.namespace, recall.agent_id)
                self.agents.recall(agent, recall.session, queue=recall.queue, count=recall.count)
            placements = [
                Placement(p.number, p.task_id, p.agent_id, p.session, p.namespace) for p in response.placements
            ]
            for start in range(0, len(placements), PLACEMENTS_MAX):
                part = placements[start : start + PLACEMENTS_MAX]
                for placement in part:
                    self._placed[placement.task_id] = self.window.group_of(placement.task_id) is not None
                    self.window.placed(placement.task_id)
                agents = set(self._named(part))
                failpoints.reach("placements.before_submit")
                await answers.put((part, self._journal.submit(GrantLeases(part, sorted(agents)))))
                failpoints.reach("placements.after_submit")

    def _take_offer(self, standing: wire.StandingPlacement) -> None:
        group = self.window.group_numbered(standing.group_id)
        offered = standing.agents if group is not None else ()  # a group that was forgotten is offered nothing
        namespace = group.key[0] if group is not None else ""
        self.standing.offer(standing.group_id, [((namespace, agent.agent_id), agent.session) for agent in offered])

    def _named(self, placements: list[Placement]) -> Iterator[AgentKey]:
        """The agents of placements, each in the namespace that the placement says, or else the task's in the window."""
        for placement in placements:
            group = None if placement.namespace else self.window.group_of(placement.task_id)
            namespace = placement.namespace or (group.key[0] if group is not None else "")
            if namespace:
                yield (namespace, placement.agent_id)

    async def _settle(self, answers: asyncio.Queue[tuple[list[Placement], asyncio.Future[Any]]]) -> None:
        """Notes what became of placements."""
        while True:
            placements, answer = await answers.get()
            try:
                outcomes: list[PlacementOutcome] = await answer
            except Exception as error:
                log.warning("placements could not be written", error=str(error), placements=len(placements))
                outcomes = [PlacementOutcome.NOT_VISIBLE] * len(placements)
            for placement, outcome in zip(placements, outcomes, strict=True):
                ours = self._placed.pop(placement.task_id, False)
                self.window.refused(placement.task_id)
                self._results.append((placement.number, self._final(placement, outcome, ours=ours)))
            self._wake.set()

    def _final(self, placement: Placement, outcome: PlacementOutcome, *, ours: bool) -> PlacementOutcome:
        """The outcome as the scheduler is told it: a task that was announced and then not accepted will never come.

        One that another coordinator has announced may come still: that one takes it back if not.
        """
        gone = ours and self.window.group_of(placement.task_id) is None
        return PlacementOutcome.TASK_GONE if outcome is PlacementOutcome.NOT_VISIBLE and gone else outcome

    # Messages.

    def _snapshot(self) -> list[wire.ScheduleRequest]:
        """Everything, in messages of bounded size. What was noted until now is part of it."""
        changes = self.window.snapshot()
        self._changed_queues.clear()
        self._wake.clear()
        self._streaming = True
        messages = Messages()
        messages.requests[0].coordinator_id = self._coordinator_id
        messages.requests[0].term = self._choice.target.term
        messages.put_queues(self._queues.all())
        messages.put_groups(changes.groups.values())
        for agent in self.agents.snapshot():
            messages.put_agent(agent)
        requests = [*messages.requests, *ready_messages(changes)]
        for request in requests:
            request.snapshot = True
        requests[-1].snapshot_complete = True
        return requests

    def _take_changes(self) -> list[wire.ScheduleRequest]:
        """What has changed since the last message, in messages of bounded size."""
        changes = self.window.take_changes()
        messages = Messages()
        first = messages.requests[0]
        first.ping = self._choice.take_ping()
        first.questions.extend(self.talk.take_questions())
        for number, outcome in self._results:
            first.results.add(number=number, outcome=convert_schedule.outcome(outcome))
        first.removed_task_ids.extend(changes.removed)
        first.removed_groups.extend(changes.removed_groups)
        messages.put_queues(self._changed_queues.values())
        messages.put_groups(changes.groups.values())
        for key, agent in self.agents.take():
            if agent is None:
                first.removed_agents.append(f"{key[0]}/{key[1]}")
            else:
                messages.put_agent(agent)
        self._changed_queues.clear()
        self._results.clear()
        rest = list(ready_messages(changes))
        if len(rest) == 1 and len(messages.requests) == 1:
            first.ready.extend(rest.pop().ready)
        return [*messages.requests, *rest]
