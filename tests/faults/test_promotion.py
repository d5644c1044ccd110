"""S1, S11: the primary dies and a standby takes its place. Followers are told, and nobody goes on with old memories."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from missioncontrol.v1 import task_pb2

from services.fleet.feed import FeedFollower, FeedResetError
from services.fleet.launcher import COORDINATOR
from services.fleet.observe import Observer
from services.fleet.postgres import PostgresServer
from tests.conftest import StartFleet, work_agent
from tests.e2e.waiting import eventually
from tests.faults.databases import database_findings
from tests.faults.figures import record
from tests.faults.storm import Ledger, make_requests, submit

pytestmark = pytest.mark.figures("promotion_lost")
AGENTS = (work_agent("agent-1"), work_agent("agent-2"))
STANDBY = "standby"
TASKS = 60


@pytest.fixture
def standby(private_postgres: PostgresServer) -> Iterator[PostgresServer]:
    """A second server that follows the first, whose commits wait for it."""
    folder = Path(tempfile.mkdtemp(prefix="mc-standby-"))
    server = PostgresServer(folder, settings={"hot_standby": "on"})
    server.copy_from(private_postgres, name=STANDBY)
    server.start()
    with private_postgres.connect() as connection:
        connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'")
        connection.execute("SELECT pg_reload_conf()")
    yield server
    server.remove()
    shutil.rmtree(folder)


async def test_a_promoted_standby_has_every_task_and_a_new_epoch(
    private_postgres: PostgresServer, standby: PostgresServer, start_fleet: StartFleet
) -> None:
    url = (
        f"postgresql+psycopg://postgres@/postgres?host={private_postgres.sockets},{standby.sockets}"
        "&target_session_attrs=read-write"
    )
    fleet = await start_fleet(agents=AGENTS, database_url=url)
    ledger, follower = Ledger(), FeedFollower(fleet.gateway_url)
    following = asyncio.create_task(follower.run())
    await submit(fleet.address, ledger, make_requests(TASKS, seed=1), over_seconds=1)

    private_postgres.kill()
    with standby.connect() as connection:
        connection.execute("SELECT pg_promote()")
    # What it remembers is not of this database: it ends, and its supervisor starts it again.
    more = asyncio.create_task(submit(fleet.address, ledger, make_requests(TASKS, seed=2, first=TASKS), over_seconds=1))
    await fleet.services[COORDINATOR].wait_exit(60)
    await fleet.restart(COORDINATOR)

    async with asyncio.timeout(60):
        await more
        with pytest.raises(FeedResetError):
            await following
    observer = Observer(fleet.address)

    async def all_succeeded() -> bool:
        try:
            tasks, _ = await observer.tasks()
        except grpc.aio.AioRpcError:
            return False
        return len(tasks) >= 2 * TASKS and all(task.state == task_pb2.TASK_STATE_SUCCEEDED for task in tasks)

    found = {task.id for task in (await observer.tasks())[0]}
    lost = [entry for entry in ledger.acknowledged if entry.task_id not in found]
    await eventually(all_succeeded, within=60)
    await observer.close()
    record("promotion_lost", len(lost), runs=1, seed=1)
    assert lost == []
    assert await database_findings(fleet) == []
    await fleet.stop()
    private_postgres.start()
