"""Shards are always somebody's who lives, or nobody's, whatever comes at the same time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from services.domain.membership import SHARDS, Coordinator
from services.store.coordinators import (
    claim_term,
    read_coordinators,
    read_unowned_shards,
    retire,
    take_over,
    take_shards,
)
from services.store.database import open_database
from services.store.schema_check import prepare_schema

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    engine = open_database(database_url)
    prepare_schema(engine)
    with engine.connect() as made:
        yield made
    engine.dispose()


def seen(connection: Connection, coordinator_id: str) -> Coordinator:
    return next(each for each in read_coordinators(connection) if each.id == coordinator_id)


def test_what_a_dead_coordinator_took_after_it_was_looked_at_is_taken_over_too(connection: Connection) -> None:
    """Its writer did not move, but the rest of it did."""
    heir, dying = claim_term(connection, "heir"), claim_term(connection, "dying")
    take_shards(connection, dying, [(0, "")])
    dead = seen(connection, "dying")
    take_shards(connection, dying, [(1, "")])
    assert take_over(connection, heir, dead)
    assert (seen(connection, "heir").shards, seen(connection, "dying").shards) == ((0, 1), ())


def test_one_that_has_stopped_takes_no_shards_any_more(connection: Connection) -> None:
    """A take that was under way ends after its loop."""
    leaving = claim_term(connection, "leaving")
    take_shards(connection, leaving, [(0, "")])
    retire(connection, leaving)
    take_shards(connection, leaving, [(1, "")])
    assert read_unowned_shards(connection) == list(range(SHARDS))
