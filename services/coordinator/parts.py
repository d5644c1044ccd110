"""The parts of a coordinator, and how they are connected.

The order of the listeners is the order in which a commit is told.
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry
from sqlalchemy import Engine

from services.config import CoordinatorSettings
from services.coordinator.backpressure import Backpressure
from services.coordinator.connections import Connections
from services.coordinator.dependents import Dependents
from services.coordinator.documents import Documents
from services.coordinator.drains import Drains
from services.coordinator.exchanges import Exchanges
from services.coordinator.feed import Feed
from services.coordinator.membership import Membership
from services.coordinator.metrics import CoordinatorMetrics
from services.coordinator.output_relay import OutputRelay
from services.coordinator.queue_book import QueueBook
from services.coordinator.retention import Keep, Retention
from services.coordinator.scheduler_choice import SchedulerChoice
from services.coordinator.scheduler_link import SchedulerLink
from services.coordinator.schedules import Schedules
from services.coordinator.stuck_groups import StuckGroups
from services.coordinator.tail import Tail
from services.coordinator.timers import Timers
from services.coordinator.waits import Waits
from services.coordinator.watchers import TaskWatchers
from services.domain.commands import AdoptAgents
from services.domain.ledger import Rules
from services.domain.session import intervals_for
from services.store.feed import read_position
from services.store.journal import Journal
from services.store.queues import read_configured
from services.store.readers import Readers
from services.store.timers import read_present_agents
from services.store.waits import read_stuck
from services.transport.tls import dialling


@dataclass(frozen=True)
class Storage:
    """The database, the two ways to it, and this coordinator's place among those that share it."""

    engine: Engine
    journal: Journal
    readers: Readers
    membership: Membership


@dataclass(frozen=True)
class Parts:
    """What a running coordinator consists of."""

    storage: Storage
    feed: Feed
    tail: Tail
    watchers: TaskWatchers
    connections: Connections
    exchanges: Exchanges
    link: SchedulerLink
    choice: SchedulerChoice
    timers: Timers
    dependents: Dependents
    schedules: Schedules
    retention: Retention
    drains: Drains
    backpressure: Backpressure
    stuck: StuckGroups
    documents: Documents
    relay: OutputRelay
    queues: QueueBook
    waits: Waits
    metrics: CoordinatorMetrics

    def loops(self) -> list[Coroutine[Any, Any, None]]:
        """The loops that run as long as the coordinator does."""
        watching = (self.tail, self.storage.membership, self.choice)
        working = (self.timers, self.dependents, self.schedules, self.retention, self.drains, self.backpressure)
        parts = (self.connections, self.link, *working, self.stuck, *watching)
        return [part.run() for part in parts]


def open_storage(engine: Engine, settings: CoordinatorSettings, *, address: str = "") -> Storage:
    """The journal and the readers of a database; nothing is started. `address` is where others reach this one."""
    rules = Rules(lease_ttl_micros=int(settings.lease_ttl_seconds * 1e6))
    journal = Journal(engine, settings.coordinator_id, rules, address=settings.coordinator_advertise or address)
    readers = Readers(engine)
    return Storage(engine, journal, readers, Membership(engine, journal, readers))


async def connect_parts(storage: Storage, settings: CoordinatorSettings, registry: CollectorRegistry) -> Parts:
    """Makes the parts, over a journal that was started, and takes in what is in the database."""
    await storage.membership.join()
    parts = make_parts(storage, settings, registry, Feed(await storage.readers.run(read_position)))
    await parts.choice.start()
    subscribe(parts)
    await take_in(parts, settings.coordinator_id)
    return parts


def make_parts(storage: Storage, settings: CoordinatorSettings, registry: CollectorRegistry, feed: Feed) -> Parts:
    """The parts, each with those that it asks. None of them hears of anything yet."""
    journal, readers, membership = storage.journal, storage.readers, storage.membership
    documents, relay = Documents(), OutputRelay()
    queues = QueueBook(lease_ttl_micros=int(settings.lease_ttl_seconds * 1e6))
    connections = Connections(
        journal,
        readers,
        documents,
        relay,
        intervals=intervals_for(settings.lease_ttl_seconds),
        coordinator_id=settings.coordinator_id,
        ttl_of=queues.lease_ttl_micros,
        addresses=lambda: membership.addresses,
    )
    dial = dialling(settings)
    choice = SchedulerChoice(storage.engine, readers, settings.scheduler, dial=dial)
    link = SchedulerLink(journal, queues, choice, coordinator_id=settings.coordinator_id, dial=dial)
    tail = Tail(
        journal,
        readers,
        feed,
        knows=lambda key: connections.knows(key) or link.knows(key),
        others=lambda: membership.others,
    )
    return Parts(
        storage=storage,
        feed=feed,
        tail=tail,
        watchers=TaskWatchers(),
        connections=connections,
        exchanges=Exchanges(connections.converse),
        link=link,
        choice=choice,
        timers=Timers(journal, readers, membership, lease_ttl_seconds=settings.lease_ttl_seconds),
        dependents=Dependents(journal, readers, membership),
        schedules=Schedules(journal, readers, membership),
        retention=Retention(journal, readers, membership, keep_of(settings)),
        drains=Drains(journal, readers, membership),
        backpressure=Backpressure(journal, readers, membership),
        stuck=StuckGroups(journal, readers, link.window, program=lambda: membership.program),
        documents=documents,
        relay=relay,
        queues=queues,
        waits=Waits(link.talk, lambda: link.window.shards),
        metrics=CoordinatorMetrics(registry),
    )


def subscribe(parts: Parts) -> None:
    """Has the parts told of commits, their own and those of other coordinators, and of each other's news."""
    journal, membership = parts.storage.journal, parts.storage.membership
    link, tail, schedules = parts.link, parts.tail, parts.schedules
    first = (tail, parts.queues, parts.documents, parts.connections, link, parts.stuck)
    following = (parts.timers, parts.dependents, schedules, parts.watchers, parts.metrics, parts.backpressure)
    for listener in (*first, *following):
        journal.subscribe(listener.on_committed)
    followers = (parts.queues, parts.connections, link, parts.stuck, schedules, parts.watchers, parts.backpressure)
    for follower in followers:
        tail.subscribe(follower.on_foreign)
    tail.subscribe_events(parts.backpressure.on_foreign_events)
    journal.foretell(link)
    link.talk.subscribe(parts.stuck)
    link.agents.on_recall = parts.connections.recall
    membership.subscribe(link.look_after)
    membership.subscribe(schedules.look_after)
    add_gauges(parts.metrics, parts.connections, link, parts.feed)


async def take_in(parts: Parts, coordinator_id: str) -> None:
    """Has the parts know what is in the database, and this coordinator's agents wait here for their next Hello."""
    storage = parts.storage
    parts.queues.found(await storage.journal.read(read_configured))
    parts.stuck.found(await storage.journal.read(read_stuck))
    parts.backpressure.found(parts.queues.all())
    await parts.backpressure.start()
    await parts.link.start(storage.membership.shards)
    alone = storage.engine.dialect.name == "sqlite"
    present = partial(read_present_agents, coordinator_id="" if alone else coordinator_id)
    await storage.journal.submit(AdoptAgents(await storage.journal.read(present)))


def keep_of(settings: CoordinatorSettings) -> Keep:
    """What the settings say of retention."""
    return Keep(
        task_days=settings.task_keep_days,
        event_days=settings.event_keep_days,
        events_max=settings.events_keep_max,
    )


def add_gauges(metrics: CoordinatorMetrics, connections: Connections, link: SchedulerLink, feed: Feed) -> None:
    """Figures that are asked for when they are scraped."""
    metrics.gauge("missioncontrol_agents_connected", "Agents with a stream.", lambda: connections.connected)
    metrics.gauge("missioncontrol_tasks_pending", "Tasks that are ready and not leased.", link.window.pending)
    metrics.gauge("missioncontrol_feed_head", "Sequence of the newest event.", lambda: feed.position.sequence)
    metrics.gauge("missioncontrol_scheduler_connected", "1 with a scheduler, 0 without.", link.connected.is_set)
