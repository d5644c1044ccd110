"""What waits to be said to an agent that reads late: each order once, in messages of the contract's size."""

from __future__ import annotations

import pytest

from services.coordinator.limits import MESSAGE_ITEMS_MAX
from services.coordinator.outbox import Outbox
from services.domain.agent import DrainMode

LEASE = ("task", 1)


async def test_orders_that_are_repeated_meanwhile_are_said_once_and_in_bounded_messages() -> None:
    outbox = Outbox()
    leases = [(f"task-{number}", 1) for number in range(MESSAGE_ITEMS_MAX + 1)]

    for lease in leases * 3:
        outbox.order("cancel", lease)

    messages = [(await outbox.next()).orders for _ in range(2)]
    assert [len(orders.cancel) for orders in messages] == [MESSAGE_ITEMS_MAX, 1]
    assert [(each.task_id, each.token) for orders in messages for each in orders.cancel] == leases


@pytest.mark.parametrize("last", ["follow_output", "unfollow_output"])
async def test_of_orders_to_follow_and_not_to_follow_the_last_counts(last: str) -> None:
    outbox = Outbox()
    for kind in ("unfollow_output", "follow_output", "unfollow_output", last):
        outbox.order(kind, LEASE)

    orders = (await outbox.next()).orders

    said = [kind for kind in ("follow_output", "unfollow_output") if getattr(orders, kind)]
    assert said == [last]


async def test_a_drain_goes_with_the_first_of_the_orders_and_only_there() -> None:
    outbox = Outbox()
    for number in range(MESSAGE_ITEMS_MAX + 1):
        outbox.order("drop", (f"task-{number}", 1))
    outbox.order_drain(DrainMode.FINISH, drain_time=0, now=0)

    first, second = [(await outbox.next()).orders for _ in range(2)]

    assert (first.HasField("drain"), second.HasField("drain")) == (True, False)
    assert not first.resume and not second.resume
