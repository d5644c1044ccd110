"""A coordinator without a server and an agent's end of a stream, both in the test's own hands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from missioncontrol.v1 import agent_service_pb2 as wire
from missioncontrol.v1 import task_pb2
from prometheus_client import CollectorRegistry

from services.config import CoordinatorSettings
from services.coordinator.parts import Parts, connect_parts, open_storage
from services.domain.agent import Agent, AgentState
from services.domain.commands import Command, CreateTasks, GrantLeases, Placement, PlacementOutcome
from services.domain.task import Task
from services.store.database import open_database
from services.store.flush import Committed
from services.store.schema_check import prepare_schema
from tests.store.queries.store import Store

PATIENCE_SECONDS = 60.0
INCARNATION = str(UUID(int=1))
KEY = ("default", "a")


class AgentStream:
    """What the agent says is what the coordinator reads; what the coordinator writes waits until it is heard."""

    def __init__(self) -> None:
        self._said: asyncio.Queue[wire.AgentMessage | None] = asyncio.Queue()
        self._heard: asyncio.Queue[wire.CoordinatorMessage] = asyncio.Queue()
        self._reading = asyncio.Event()
        self._reading.set()
        self.blocked = asyncio.Event()

    # The agent's side.

    def say(self, **content: Any) -> None:
        self._said.put_nowait(wire.AgentMessage(**content))

    def hang_up(self) -> None:
        self._said.put_nowait(None)

    def stop_reading(self) -> None:
        self._reading.clear()

    def read_again(self) -> None:
        self._reading.set()

    async def hear(self) -> wire.CoordinatorMessage:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._heard.get()

    async def hear_of(self, *kinds: str) -> list[wire.CoordinatorMessage]:
        """The next messages, which have to be of these kinds."""
        messages = [await self.hear() for _ in kinds]
        assert [message.WhichOneof("content") for message in messages] == list(kinds)
        return messages

    # The coordinator's side, as `Connections.converse` takes it.

    async def messages(self) -> AsyncIterator[wire.AgentMessage]:
        while (message := await self._said.get()) is not None:
            yield message

    async def write(self, message: wire.CoordinatorMessage) -> None:
        if not self._reading.is_set():
            self.blocked.set()
            await self._reading.wait()
        self._heard.put_nowait(message)


@dataclass(frozen=True)
class Foretold:
    """Does something at the very moment at which a command of this type is queued, and only once."""

    type: type[Command]
    act: Callable[[], object]
    done: asyncio.Event

    def foretell(self, command: Command) -> None:
        if isinstance(command, self.type) and not self.done.is_set():
            self.done.set()
            self.act()

    def settle(self, command: Command, answer: Any) -> None:
        pass


@dataclass(frozen=True)
class Answered:
    """Keeps the answers to commands of this type."""

    type: type[Command]
    answers: asyncio.Queue[Any]

    def foretell(self, command: Command) -> None:
        pass

    def settle(self, command: Command, answer: Any) -> None:
        if isinstance(command, self.type):
            self.answers.put_nowait(answer)

    async def next(self) -> Any:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.answers.get()


class Coordinator:
    """The parts of a coordinator on a SQLite file, and short words for what happens to them."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.journal = parts.storage.journal
        self.connections = parts.connections
        self.store = Store(self.journal, parts.storage.readers)
        self.agents: dict[str, Agent] = {}
        self.tasks: dict[str, Task] = {}
        self._numbers = iter(range(1, 1_000_000))
        self._conversations: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()
        self.journal.subscribe(self._on_committed)

    @classmethod
    async def start(cls, folder: Path) -> Coordinator:
        settings = CoordinatorSettings(database_url=f"sqlite:///{folder / 'test.db'}")
        engine = open_database(settings.database_url)
        prepare_schema(engine)
        storage = open_storage(engine, settings)
        await storage.journal.start()
        return cls(await connect_parts(storage, settings, CollectorRegistry()))

    async def stop(self) -> None:
        for conversation in self._conversations:
            conversation.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)
        await self.connections.close()
        self.parts.feed.close()
        self.parts.watchers.close()
        await self.journal.stop()
        self.parts.storage.readers.close()
        self.parts.storage.engine.dispose()

    def call(self, stream: AgentStream, *held: tuple[str, int]) -> asyncio.Task[None]:
        """The agent opens a stream and says Hello; the task is the coordinator's side of it."""
        hello = wire.Hello(
            protocol_version_min=1,
            protocol_version_max=1,
            agent_id=KEY[1],
            incarnation=INCARNATION,
            kinds=["noop"],
            slots=4,
            held=[wire.LeaseReference(task_id=task_id, token=token) for task_id, token in held],
        )
        stream.say(hello=hello)
        conversation = asyncio.create_task(self.connections.converse(stream.messages(), stream))
        self._conversations.append(conversation)
        return conversation

    async def connect(self, *held: tuple[str, int]) -> tuple[AgentStream, wire.Welcome]:
        """A stream that was welcomed."""
        stream = AgentStream()
        self.call(stream, *held)
        [message] = await stream.hear_of("welcome")
        return stream, message.welcome

    async def submit(self) -> Task:
        document = task_pb2.TaskSpec(namespace="default", queue="default", kind="noop").SerializeToString()
        new = self.store.new_task(document=document)
        [created] = await self.journal.submit(CreateTasks([new]))
        task: Task = created.task
        return task

    def grant(self, task: Task, session: int) -> asyncio.Future[list[PlacementOutcome]]:
        """Proposes the task for the agent's session; answered after the commit."""
        return self.journal.submit(GrantLeases([Placement(next(self._numbers), task.id, KEY[1], session)], [KEY]))

    async def until(self, state: AgentState) -> None:
        """Waits until a commit brought the agent into this state."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while KEY[1] not in self.agents or self.agents[KEY[1]].state is not state:
                self._changed.clear()
                await self._changed.wait()

    async def settled(self) -> None:
        """Waits until all that was queued so far is committed and told."""
        await self.journal.read(lambda _: None)

    def _on_committed(self, committed: Committed) -> None:
        self.agents.update((agent.id, agent) for agent in committed.agents)
        self.tasks.update(committed.tasks)
        self._changed.set()
