"""A program that starts waits for a PostgreSQL that is not there yet, and for nothing else."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, suppress

import psycopg
import pytest
from sqlalchemy import QueuePool, create_engine, make_url

from services.domain.errors import Unavailable
from services.store.away import wait_for_database
from services.store.readers import Readers
from tests.conftest import running_postgres_process
from tests.e2e.waiting import until

FOREVER = 3_600.0


async def test_a_server_that_comes_later_is_waited_for() -> None:
    with running_postgres_process() as server:
        server.kill()
        engine = create_engine(server.url())
        waiting = asyncio.create_task(wait_for_database(engine, seconds_max=FOREVER))
        await asyncio.wait({waiting}, timeout=0.5)
        assert not waiting.done()

        await asyncio.to_thread(server.start)

        await waiting
        engine.dispose()


async def test_one_whose_connections_others_have_is_waited_for() -> None:
    few = {"max_connections": "6", "superuser_reserved_connections": "1"}
    others = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    with running_postgres_process(**few) as server, ExitStack() as taken:
        first = taken.enter_context(server.connect())
        await until(lambda: first.execute(others).fetchone() == (0,))  # those of its start may be on their way out
        with suppress(psycopg.OperationalError):
            while True:
                taken.enter_context(server.connect())
        engine = create_engine(server.url())
        waiting = asyncio.create_task(wait_for_database(engine, seconds_max=FOREVER))
        await asyncio.wait({waiting}, timeout=0.5)
        assert not waiting.done()

        taken.close()

        await waiting
        engine.dispose()


async def test_a_pool_without_a_free_connection_is_no_mistake_of_ours(database_url: str) -> None:
    engine = create_engine(database_url, poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.01)
    readers = Readers(engine)
    with engine.connect(), pytest.raises(Unavailable, match="all connections"):
        await readers.run(lambda _: None)
    await readers.run(lambda _: None)
    readers.close()
    engine.dispose()


async def test_one_that_refuses_for_good_is_not_waited_for() -> None:
    with running_postgres_process() as server:
        url = make_url(server.url()).set(database="nowhere")
        engine = create_engine(url)
        await wait_for_database(engine, seconds_max=FOREVER)
        engine.dispose()


@pytest.mark.parametrize("url", ["sqlite:////nowhere/at/all", "sqlite://"])
async def test_a_file_is_not_waited_for(url: str) -> None:
    await wait_for_database(create_engine(url), seconds_max=FOREVER)
