"""The database of a fleet: its check, and what a storm does to a PostgreSQL server."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from contextlib import suppress

import psycopg

from services.fleet.audit import Finding
from services.fleet.launcher import COORDINATOR, Fleet
from services.fleet.postgres import PostgresServer
from services.store.check import check
from services.store.database import open_database
from services.store.transactions import begin_checking
from tests.faults.weather import Strike

# Names of kills beside those of processes.
SERVER, SESSIONS, BACKEND = "postgresql", "sessions of postgresql", "one backend of postgresql"
RECOVERY_SECONDS = 30.0
POLL_SECONDS = 0.02
OTHERS = "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"


async def database_findings(fleet: Fleet) -> list[Finding]:
    """What `missionctl db check` finds in the fleet's database."""
    url = fleet.services[COORDINATOR].spec.environment["MISSIONCONTROL_DATABASE_URL"]
    return await asyncio.to_thread(_check, url)


def _check(url: str) -> list[Finding]:
    engine = open_database(url)
    try:
        with engine.connect() as connection:
            begin_checking(connection)
            found = check(connection)
            connection.exec_driver_sql("ROLLBACK")
    finally:
        engine.dispose()
    return [Finding("database", finding.check, finding.message) for finding in found]


def postgres_strikes(server: PostgresServer, seed: int) -> dict[str, Strike]:
    """By name: kill -9 of the server, the end of every session, and kill -9 of the process behind one session."""
    chance = random.Random(seed)

    async def kill_server(down_seconds: float) -> None:
        server.kill()
        await asyncio.sleep(down_seconds)
        await asyncio.to_thread(server.start)

    async def end_sessions(_: float) -> None:
        await asyncio.to_thread(_end_sessions, server)

    async def kill_backend(_: float) -> None:
        await asyncio.to_thread(_kill_backend, server, chance)

    return {SERVER: kill_server, SESSIONS: end_sessions, BACKEND: kill_backend}


def _connected(server: PostgresServer) -> psycopg.Connection[tuple[object, ...]]:
    """A connection, once the server answers: after the kill before this one it may be recovering still."""
    deadline = time.monotonic() + RECOVERY_SECONDS
    while True:
        try:
            return server.connect()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS)


def _end_sessions(server: PostgresServer) -> None:
    with _connected(server) as connection:
        connection.execute(f"SELECT pg_terminate_backend(pid) FROM ({OTHERS}) AS others")


def _kill_backend(server: PostgresServer, chance: random.Random) -> None:
    """The server ends all other sessions then and recovers, as after its own crash."""
    with _connected(server) as connection:
        pids = [int(str(pid)) for (pid,) in connection.execute(OTHERS)]
    if pids:
        with suppress(ProcessLookupError):  # it has ended by itself
            os.kill(chance.choice(pids), signal.SIGKILL)
