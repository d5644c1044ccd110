"""S11: the database is another one by now, and nobody told this coordinator: a number given again is not passed on."""

from __future__ import annotations

import grpc
import pytest
from missioncontrol.v1 import event_service_pb2 as wire

from services.domain.commands import CreateTasks
from services.domain.ledger import Rules
from services.store.journal import Journal
from services.store.origin import begin_epoch
from tests.coordinator.rpc.harness import Coordinator, refusal
from tests.store.world import new_task


@pytest.fixture
async def old_position(coordinator: Coordinator) -> str:
    """Where a follower of this coordinator is. Behind its back, another one has told of as many events since."""
    for _ in range(3):
        await coordinator.create()
    feed, engine = coordinator.parts.feed, coordinator.parts.storage.engine
    with engine.connect() as connection:
        begin_epoch(connection)
    other = Journal(engine, "coordinator-2", Rules())
    await other.start()
    await other.submit(CreateTasks([new_task(f"other{number}") for number in range(3)]))
    await other.stop()
    return f"{feed.epoch}:{feed.head}"


async def test_the_tail_ends_the_coordinator_and_tells_nobody(coordinator: Coordinator, old_position: str) -> None:
    more = await coordinator.parts.tail.step()

    assert not more
    assert str(coordinator.parts.feed.position) == old_position
    assert coordinator.parts.storage.journal.lost.is_set()


@pytest.mark.parametrize("follow", [True, False])
async def test_a_follower_is_sent_elsewhere(coordinator: Coordinator, old_position: str, follow: bool) -> None:
    call = coordinator.events.WatchEvents(wire.WatchEventsRequest(after=old_position, follow=follow))

    refused = await refusal(call.read())

    assert refused.code is grpc.StatusCode.UNAVAILABLE
    assert "another epoch" in refused.message


async def test_a_list_after_the_old_position_says_reset(coordinator: Coordinator, old_position: str) -> None:
    answer = await coordinator.events.ListEvents(wire.ListEventsRequest(after=old_position))

    assert answer.reset.reason == wire.RESET_REASON_EPOCH
    assert answer.position.partition(":")[0] != old_position.partition(":")[0]
