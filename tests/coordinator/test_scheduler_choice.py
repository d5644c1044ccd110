"""Two schedulers: the link goes where the row says, and the row says who serves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest
from missioncontrol.v1 import scheduler_service_pb2 as pb
from sqlalchemy import Engine, event

from services.coordinator import scheduler_choice
from services.coordinator.queue_book import QueueBook
from services.coordinator.scheduler_choice import SchedulerChoice
from services.coordinator.scheduler_link import SchedulerLink
from services.domain import scheduler_choice as domain_scheduler_choice
from services.domain.agent import Declaration
from services.domain.commands import AdmitAgent, CreateTasks
from services.domain.ledger import Rules
from services.domain.scheduler_choice import Active
from services.domain.task import TaskState
from services.store.check import check
from services.store.database import open_database
from services.store.journal import Journal
from services.store.readers import Readers
from services.store.schedulers import choose, read_active
from services.store.schema_check import prepare_schema
from tests.coordinator.scripted_scheduler import ScriptedScheduler
from tests.store.world import KIND, key, new_task

PATIENCE_SECONDS = 60.0
NOBODY = "127.0.0.1:1"  # where nothing listens


class Schedulers:
    """Two schedulers on real servers, and where they listen."""

    def __init__(self) -> None:
        self.both = (ScriptedScheduler(), ScriptedScheduler())
        self.addresses: tuple[str, ...] = ()

    async def start(self) -> None:
        self.addresses = tuple([await each.start() for each in self.both])


class Site:
    """A database with a coordinator's journal, and its links to schedulers."""

    def __init__(self, url: str) -> None:
        self.engine = open_database(url)
        prepare_schema(self.engine)
        self.readers = Readers(self.engine)
        self.journal = Journal(self.engine, "coordinator-1", Rules())
        self._loops: list[asyncio.Future[None]] = []

    async def stop(self) -> None:
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await self.journal.stop()
        self.readers.close()
        with self.engine.connect() as connection:
            assert check(connection) == []
        self.engine.dispose()

    def choice(self, *addresses: str) -> SchedulerChoice:
        return SchedulerChoice(self.engine, self.readers, addresses)

    async def link(self, choice: SchedulerChoice) -> SchedulerLink:
        """A link that runs with its choice."""
        queues = QueueBook(lease_ttl_micros=30_000_000)
        link = SchedulerLink(self.journal, queues, choice, coordinator_id="coordinator-1")
        self.journal.subscribe(queues.on_committed)
        self.journal.subscribe(link.on_committed)
        await choice.start()
        self._loops += [asyncio.ensure_future(choice.run()), asyncio.ensure_future(link.run())]
        return link

    async def follow(self, scheduler: ScriptedScheduler, *addresses: str) -> None:
        """A link whose stream stands: what that takes on a busy machine is no absence."""
        with pytest.MonkeyPatch.context() as patient:
            patient.setattr(domain_scheduler_choice, "ABSENCE_SECONDS", PATIENCE_SECONDS)
            await self.link(self.choice(*addresses))
            async with asyncio.timeout(PATIENCE_SECONDS):
                await scheduler.say()

    def active(self) -> Active:
        with self.engine.connect() as connection:
            return read_active(connection)

    def name(self, address: str) -> None:
        """What another coordinator does."""
        with self.engine.connect() as connection:
            assert choose(connection, address, seen=read_active(connection).term)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that would serve may take long to say so: this is a process that does everything at once."""
    monkeypatch.setattr(scheduler_choice, "SCHEDULER_PROBE_SECONDS", PATIENCE_SECONDS)


@pytest.fixture
async def schedulers() -> AsyncIterator[Schedulers]:
    made = Schedulers()
    await made.start()
    yield made
    for scheduler in made.both:
        await scheduler.stop()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    made = Site(f"sqlite:///{tmp_path / 'missioncontrol.db'}")
    await made.journal.start()
    yield made
    await made.stop()


@contextlib.contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """What is said to the database from now on."""
    said: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        said.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield said
    event.remove(engine, "before_cursor_execute", note)


async def streams(scheduler: ScriptedScheduler) -> pb.ScheduleRequest:
    """The first thing that this scheduler is told."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        await scheduler.until(lambda: scheduler.requests)
    return scheduler.requests[0]


async def test_the_first_that_serves_is_named_in_an_empty_row(site: Site, schedulers: Schedulers) -> None:
    choice = site.choice(NOBODY, *schedulers.addresses)
    await choice.step()
    assert site.active() == Active(1, schedulers.addresses[0]) == choice.target


async def test_the_row_stays_as_it_is_while_nobody_serves(site: Site) -> None:
    choice = site.choice(NOBODY, "127.0.0.1:2")
    await choice.step()
    assert site.active() == Active(0, "")


async def test_a_choice_that_another_coordinator_made_first_counts(site: Site, schedulers: Schedulers) -> None:
    first, second = schedulers.addresses
    one, other = site.choice(first, second), site.choice(second, first)
    await asyncio.gather(one.step(), other.step())
    assert site.active().term == 1
    assert one.target == other.target == site.active()


async def test_a_stream_moves_to_the_one_that_another_coordinator_names(site: Site, schedulers: Schedulers) -> None:
    first, second = schedulers.both
    site.name(schedulers.addresses[0])
    await site.follow(first, *schedulers.addresses)
    assert (await streams(first)).term == 1
    site.name(schedulers.addresses[1])
    assert (await streams(second)).term == 2
    assert site.active() == Active(2, schedulers.addresses[1])


async def test_one_that_answers_no_ping_is_replaced(site: Site, schedulers: Schedulers) -> None:
    first, second = schedulers.both
    await site.follow(first, *schedulers.addresses)
    first.silent = True
    assert (await streams(first)).term == 1
    assert (await streams(second)).term == 2


async def test_one_that_is_gone_is_replaced(site: Site, schedulers: Schedulers) -> None:
    first, second = schedulers.both
    await site.follow(first, *schedulers.addresses)
    await streams(first)
    await first.stop()
    assert (await streams(second)).term == 2


async def test_an_idle_stream_to_one_that_answers_stays(
    site: Site, schedulers: Schedulers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than one that is silent would: seven pings take 3.5 s."""
    for module in (scheduler_choice, domain_scheduler_choice):
        monkeypatch.setattr(module, "SILENCE_SECONDS", 3.0)
    first, second = schedulers.both
    await site.follow(first, *schedulers.addresses)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await first.until(lambda: any(request.ping == 8 for request in first.requests))
    assert sum(bool(request.coordinator_id) for request in first.requests) == 1
    assert second.requests == []
    assert site.active().term == 1


async def test_a_coordinator_that_was_stopped_itself_takes_no_scheduler_for_silent(site: Site) -> None:
    now = 0.0
    choice = SchedulerChoice(site.engine, site.readers, (NOBODY, "127.0.0.1:2"), clock=lambda: now)
    asked = asyncio.Semaphore(0)
    watching = asyncio.ensure_future(choice.watch(NOBODY, asked.release))
    await asked.acquire()
    now = 60.0
    await asked.acquire()
    assert not watching.done()
    watching.cancel()


async def test_with_one_address_no_row_is_looked_at_and_nobody_is_asked(site: Site, schedulers: Schedulers) -> None:
    first, _ = schedulers.both
    with statements(site.engine) as said:
        choice = site.choice(schedulers.addresses[0])
        link = await site.link(choice)
        await first.say()
        link.connected.clear()
        await first.end_stream()  # the choice hears of it
        await first.say()
    assert not any("FROM scheduler" in statement or "UPDATE scheduler" in statement for statement in said)
    assert all(request.ping == request.term == 0 for request in first.requests)
    assert site.active() == Active(0, "")


async def test_two_schedulers_that_both_place_do_no_harm(site: Site, schedulers: Schedulers) -> None:
    """A split brain: one coordinator each follows another scheduler. The transactions judge all placements."""
    first, second = schedulers.both
    for address in schedulers.addresses:
        await site.link(site.choice(address))
    sessions = {agent_id: await admit(site, agent_id) for agent_id in ("a", "b")}
    tasks = [new_task(f"t{number}") for number in range(10)]
    created = await site.journal.submit(CreateTasks(tasks, []))
    assert all(answer.task.state is TaskState.PENDING for answer in created)

    ids = [task.id for task in tasks]
    await asyncio.gather(
        first.say(placements=placements(ids, "a", sessions["a"])),
        second.say(placements=placements(ids, "b", sessions["b"])),
    )

    for number in range(len(tasks)):
        outcomes = {first.results[number], second.results[number]}
        assert outcomes == {pb.PLACEMENT_OUTCOME_GRANTED, pb.PLACEMENT_OUTCOME_TASK_GONE}
    await second.say(placements=placements(ids[:1], "b", sessions["b"], first=100))
    assert second.results[100] == pb.PLACEMENT_OUTCOME_TASK_GONE, "and long after that, too"


async def admit(site: Site, agent_id: str) -> int:
    declared = Declaration(kinds=(KIND,), slots=20)
    admission = await site.journal.submit(AdmitAgent(key(agent_id), "one", declared, [], False, "coordinator-1"))
    return int(admission.session)


def placements(ids: Sequence[str], agent_id: str, session: int, *, first: int = 0) -> list[pb.Placement]:
    return [
        pb.Placement(number=number, task_id=task_id, agent_id=agent_id, session=session, namespace="default")
        for number, task_id in enumerate(ids, first)
    ]
