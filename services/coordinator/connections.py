"""The registry of agents' streams: admits them, delivers what commits bring, and revokes what is not renewed.

A session whose stream broke stays here until its leases have run out or the agent is back: its time goes on by this
coordinator's own monotonic clock. It listens to the journal, so a lease is offered only after it is committed, and an
ended one is forgotten only then.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial

import structlog
from missioncontrol.v1 import agent_service_pb2 as wire

from services.coordinator.connection import Connection, MessageWriter, forget, read_hello
from services.coordinator.documents import Documents
from services.coordinator.limits import SESSION_TICK_SECONDS
from services.coordinator.outbox import Offer
from services.coordinator.output_relay import OutputRelay
from services.coordinator.tail import Foreign
from services.domain.agent import Agent, AgentKey, DrainMode
from services.domain.commands import Admission, AdmitAgent, EndSession, LeaseKey, NewTask, RevokeLeases, RevokeReason
from services.domain.errors import MissionControlError, Unavailable
from services.domain.event import EventType
from services.domain.ledger import Granted
from services.domain.session import Intervals, Session, negotiate, revoking, superseded
from services.domain.task import HELD, Task
from services.store.documents import StoredDocument, read_documents
from services.store.flush import Committed
from services.store.journal import Journal
from services.store.readers import Readers
from services.transport import convert_agent, convert_session

log = structlog.get_logger(__name__)

STOPPING = "this coordinator is stopping; connect again"
TtlOf = Callable[[Task], int]


class Connections:
    """See the module. `converse` is AgentService.Connect; `run` is the loop that looks at the sessions."""

    def __init__(
        self,
        journal: Journal,
        readers: Readers,
        documents: Documents,
        relay: OutputRelay,
        *,
        intervals: Intervals,
        coordinator_id: str,
        ttl_of: TtlOf,
        addresses: Callable[[], list[str]],
    ) -> None:
        self._journal = journal
        self._readers = readers
        self._documents = documents
        self._relay = relay
        self._intervals = intervals
        self._coordinator_id = coordinator_id
        self._ttl_of = ttl_of
        self._addresses = addresses
        self._live: dict[AgentKey, Connection] = {}
        self._absent: dict[AgentKey, Session] = {}
        self._closing = False
        self._deliveries: set[asyncio.Task[None]] = set()
        relay.on_first_follower = self._follow_output
        relay.on_last_gone = self._unfollow_output
        self._followed: set[tuple[str, str]] = set()  # tasks, by namespace and id
        self._partings: dict[AgentKey, EndSession] = {}  # ends of sessions that could not be written yet
        self._drains: dict[AgentKey, tuple[DrainMode, int]] = {}

    # What others ask.

    def last_heartbeat(self, key: AgentKey) -> int | None:
        """When the agent was last heard here, microseconds since 1970 UTC; None if it is not connected here."""
        connection = self._live.get(key)
        if connection is None:
            return None
        ago = time.monotonic() - connection.session.last_heartbeat
        return time.time_ns() // 1000 - int(ago * 1e6)

    @property
    def connected(self) -> int:
        """How many agents hold a stream."""
        return len(self._live)

    def recall(self, key: AgentKey, session: int, leases: list[LeaseKey]) -> None:
        """Asks an agent to give these back, as far as they have not started, if it is on that session still."""
        connection = self._live.get(key)
        if connection is not None and connection.session.number == session:
            connection.recall(leases)

    # The stream.

    async def converse(self, messages: AsyncIterator[wire.AgentMessage], writer: MessageWriter) -> None:
        """AgentService.Connect: admits the agent, runs its conversation, and records how it ended."""
        if self._closing:
            raise Unavailable(STOPPING)
        hello = await read_hello(messages)
        version = negotiate(hello.protocol_version_min, hello.protocol_version_max)
        command = convert_agent.hello(hello, coordinator_id=self._coordinator_id)
        admission = await self._admit(command)
        connection = self._enter(command, admission)
        connection.outbox.say(self._welcome(admission, version))
        self._after_delivery(command.agent, list(connection.session.leases))
        self._order_drain(command.agent)
        try:
            await connection.converse(messages, writer)
        finally:
            self._leave(connection)

    async def _admit(self, command: AdmitAgent) -> Admission:
        """Binds the agent to a session; one whose agent goes away meanwhile is ended as soon as it exists."""
        answer = self._journal.submit(command)
        try:
            admission: Admission = await asyncio.shield(answer)
        except asyncio.CancelledError:
            answer.add_done_callback(partial(self._part_unmet, command.agent))
            raise
        return admission

    def _part_unmet(self, key: AgentKey, answer: asyncio.Future[Admission]) -> None:
        if not answer.cancelled() and answer.exception() is None:
            self._part(EndSession(key, answer.result().session, goodbye=False, message="the agent did not wait"))

    def _enter(self, command: AdmitAgent, admission: Admission) -> Connection:
        """Makes the stream the current one of its agent, and ends the one before."""
        now = time.monotonic()
        session = Session(command.agent, admission.session, self._intervals, now=now)
        session.keep((((t.id, t.token), self._ttl_of(t) / 1e6) for t in admission.kept), now=now)
        vouch_seconds = self._intervals.lease_ttl * 2 / 3
        connection = Connection(session, command.incarnation, self._journal, self._relay, vouch_seconds=vouch_seconds)
        connection.drain = (admission.drain_mode, admission.drain_time)
        connection.leaves = command.draining
        connection.on_delivered = self._after_delivery
        for task in admission.kept:
            if task.cancel_request_time:
                session.cancel((task.id, task.token))
        earlier = self._live.get(command.agent)
        self._live[command.agent] = connection
        self._absent.pop(command.agent, None)
        if earlier is not None:
            earlier.end(superseded(command.agent[1], earlier.incarnation, by=command.incarnation))
        if self._closing:  # since its Hello came
            connection.end(Unavailable(STOPPING))
        return connection

    def _welcome(self, admission: Admission, version: int) -> wire.CoordinatorMessage:
        return convert_session.welcome(
            admission,
            version=version,
            intervals=self._intervals,
            coordinator_id=self._coordinator_id,
            coordinators=self._addresses(),
            now=time.time_ns() // 1000,
        )

    def _leave(self, connection: Connection) -> None:
        """The stream is over: a goodbye returns everything, anything else leaves the leases their time."""
        key = connection.session.key
        if self._live.get(key) is not connection:
            return  # a newer stream has taken over
        del self._live[key]
        session = connection.session
        goodbye = connection.goodbye is not None
        if not goodbye and session.leases:
            self._absent[key] = session
        expire_time = time.time_ns() // 1000 + int(session.expires_in(time.monotonic()) * 1e6)
        command = EndSession(
            key, session.number, goodbye, expire_time=expire_time, message=connection.goodbye or "the stream broke"
        )
        self._part(command)

    def _part(self, command: EndSession) -> None:
        """Records the end of a session; if it cannot be written, each step tries again until it is."""

        def settle(answer: asyncio.Future[None]) -> None:
            if answer.cancelled() or answer.exception() is not None:
                self._partings[command.agent] = command

        self._partings.pop(command.agent, None)
        self._journal.submit(command).add_done_callback(settle)

    # What commits bring.

    def on_committed(self, committed: Committed) -> None:
        """Delivers leases and orders; forgets what has ended."""
        for attempt in committed.ended:
            key = (committed.tasks[attempt.task_id].namespace, attempt.agent_id)
            session = self._session(key)
            if session is not None:
                session.end((attempt.task_id, attempt.token))
        if committed.granted:
            tasks = committed.tasks
            # One that was granted and taken back in the same flush is not delivered.
            kept = [
                granted
                for granted in committed.granted
                if tasks[granted.task.id].token == granted.task.token and tasks[granted.task.id].held
            ]
            self._grant(kept, committed.created)
        for order in committed.cancels:
            session = self._session(order.agent)
            if session is not None:
                session.cancel((order.task_id, order.token))
            self._order(order.agent, "cancel", (order.task_id, order.token))
        for revoked in committed.revoked:
            self._order(revoked.agent, "drop", (revoked.task_id, revoked.token))
        for agent in committed.agents:
            self._note_drain(agent)

    def on_foreign(self, foreign: Foreign) -> None:
        """What other coordinators did to the leases and the agents that are here."""
        for event in foreign.events:
            session = self._session((event.namespace, event.agent_id)) if event.task_id and event.agent_id else None
            lease = (event.task_id, event.data.token)
            if session is None or lease not in session.leases:
                continue
            if event.type is EventType.TASK_CANCEL_REQUESTED:
                session.cancel(lease)
                self._order(session.key, "cancel", lease)
            elif event.data.to_state not in HELD:
                session.end(lease)
                self._order(session.key, "drop", lease)
        for agent in foreign.agents:
            self._note_drain(agent)
            self._note_move(agent)

    def knows(self, key: AgentKey) -> bool:
        """Whether the agent has, or had lately, a stream here."""
        return key in self._live or key in self._absent or key in self._drains

    def _note_drain(self, agent: Agent) -> None:
        self._drains[agent.key] = (agent.drain_mode, agent.drain_time)
        if agent.drain_mode is DrainMode.NONE:
            del self._drains[agent.key]
        self._order_drain(agent.key)

    def _note_move(self, agent: Agent) -> None:
        """An agent that has a newer session on another coordinator is not ours any more."""
        session = self._session(agent.key)
        if session is None or session.number >= agent.session:
            return
        self._absent.pop(agent.key, None)
        connection = self._live.get(agent.key)
        if connection is not None:
            connection.end(superseded(agent.id, connection.incarnation, by=agent.incarnation))

    def _session(self, key: AgentKey) -> Session | None:
        connection = self._live.get(key)
        return connection.session if connection is not None else self._absent.get(key)

    def _grant(self, granted: list[Granted], created: Mapping[str, NewTask]) -> None:
        """Offers leases whose documents are in memory at once; the others as soon as they are read."""
        now = time.monotonic()
        ready: defaultdict[AgentKey, list[Offer]] = defaultdict(list)
        unread: list[Granted] = []
        for grant in granted:
            task = grant.task
            connection = self._live.get((task.namespace, task.agent_id))
            if connection is None or connection.session.number != grant.session:
                continue  # it moved on in between; its Hello has settled the lease, or its time will
            connection.session.grant((task.id, task.token), grant.ttl_micros / 1e6, now=now)
            document = self._document(task, created)
            if document is None:
                unread.append(grant)
            else:
                ready[connection.session.key].append(Offer(grant, document))
        for key, offers in ready.items():
            self._live[key].outbox.offer(offers)
        if unread:
            delivery = asyncio.ensure_future(self._deliver(unread))
            self._deliveries.add(delivery)
            delivery.add_done_callback(self._deliveries.discard)

    def _document(self, task: Task, created: Mapping[str, NewTask]) -> bytes | None:
        """What goes with the task's first lease, if it is in memory and as it was submitted.

        A later lease may have a checkpoint, and the spec may have been changed, perhaps by another coordinator: then
        more has happened than that the task became ready and was leased.
        """
        new = created.get(task.id)
        document = new.document if new is not None else self._documents.take(task.id)
        version = 2 if task.queued_time == task.create_time else 3
        return document if task.token == 1 and task.version == version else None

    async def _deliver(self, granted: list[Granted]) -> None:
        """Reads documents and checkpoints, then offers. If it cannot, the leases go back as never delivered."""
        ids = [grant.task.id for grant in granted]
        try:
            stored = await self._readers.run(lambda connection: read_documents(connection, ids))
        except Exception as error:
            log.warning("documents could not be read for delivery", error=str(error), leases=len(granted))
            stored = {}
        for grant in granted:
            task = grant.task
            connection = self._live.get((task.namespace, task.agent_id))
            if connection is None or connection.session.number != grant.session:
                continue
            found: StoredDocument | None = stored.get(task.id)
            if found is None:
                revoke = RevokeLeases(
                    connection.session.key, grant.session, [(task.id, task.token)], RevokeReason.UNDELIVERED
                )
                self._journal.submit(revoke).add_done_callback(forget)
            elif (task.id, task.token) in connection.session.leases:
                connection.outbox.offer([Offer(grant, found.document, found.checkpoint)])

    def _after_delivery(self, key: AgentKey, leases: list[LeaseKey]) -> None:
        """Orders what was wanted of these leases before the agent knew them: a cancel, a recall, their output."""
        session = self._session(key)
        for lease in leases:
            for kind in session.wanted(lease) if session is not None else ():
                self._order(key, kind, lease)
            if (key[0], lease[0]) in self._followed:
                self._order(key, "follow_output", lease)

    def _order(self, key: AgentKey, kind: str, lease: LeaseKey) -> None:
        """Adds one lease to the orders of an agent that is here."""
        connection = self._live.get(key)
        if connection is not None:
            connection.outbox.order(kind, lease)

    def _order_drain(self, key: AgentKey) -> None:
        """Tells an agent of a drain that was ordered, changed or called off."""
        connection = self._live.get(key)
        drain = self._drains.get(key, (DrainMode.NONE, 0))
        if connection is not None and drain != connection.drain:
            connection.drain = drain
            connection.outbox.order_drain(drain[0], drain_time=drain[1], now=time.time_ns() // 1000)
            if drain[0] is DrainMode.NONE and connection.leaves:
                connection.note_leaving().add_done_callback(forget)

    def _follow_output(self, namespace: str, task_id: str) -> None:
        """Somebody wants to see a task's output live."""
        self._followed.add((namespace, task_id))
        self._order_of_task(namespace, task_id, "follow_output")

    def _unfollow_output(self, namespace: str, task_id: str) -> None:
        """Nobody wants to any more."""
        self._followed.discard((namespace, task_id))
        self._order_of_task(namespace, task_id, "unfollow_output")

    def _order_of_task(self, namespace: str, task_id: str, kind: str) -> None:
        """Orders something of the leases of a task that are here."""
        for connection in [each for key, each in self._live.items() if key[0] == namespace]:
            for lease in connection.session.leases:
                if lease[0] == task_id:
                    connection.outbox.order(kind, lease)

    # The loop.

    async def run(self) -> None:
        """Looks at the sessions until cancelled."""
        while True:
            await asyncio.sleep(SESSION_TICK_SECONDS)
            await self.step(time.monotonic())

    async def step(self, now: float) -> None:
        """One pass over all sessions: revokes what ran out, ends streams that went silent, records late progress."""
        for command in list(self._partings.values()):
            self._part(command)
        revocations: list[RevokeLeases] = []
        for connection in list(self._live.values()):
            connection.flush_progress(now)
            due = connection.session.tick(now)
            revocations += revoking(connection.session, due)
            if due.silent:
                connection.end(Unavailable("no heartbeat came for too long; connect again"))
        for key, session in list(self._absent.items()):
            revocations += revoking(session, session.tick(now))
            if not session.leases:
                self._absent.pop(key, None)
        await asyncio.gather(*map(self._revoke, revocations))

    async def _revoke(self, command: RevokeLeases) -> None:
        """Revokes leases of one session; if that cannot be written, the next tick names them again."""
        try:
            await self._journal.submit(command)
        except MissionControlError as error:
            log.warning("leases could not be revoked; the next tick tries again", error=error.message)
            return
        session = self._session(command.agent)
        if session is not None and session.number == command.session:
            for lease in command.leases:
                session.end(lease)

    async def close(self) -> None:
        """Tells every agent to connect again, and ends the streams. Their leases live on."""
        self._closing = True
        for connection in list(self._live.values()):
            connection.end(Unavailable(STOPPING))
        for delivery in list(self._deliveries):
            delivery.cancel()
