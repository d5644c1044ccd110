"""S3, S5, S10, S11: a standby that lacks the last commits is promoted. They are gone, and that is all.

Nobody waited for the standby: what was acknowledged after it had fallen behind is lost by the operator's choice. What
holds all the same: followers are told, no number of theirs is given away again, leases that the new primary never heard
of are given up, nothing is accepted twice, and what was lost can be submitted again under the same request ids.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from missioncontrol.v1 import task_pb2, task_service_pb2

from services.fleet.audit import LOST, Finding
from services.fleet.feed import FeedFollower, FeedResetError
from services.fleet.launcher import COORDINATOR, AgentPlan, Fleet, names_of
from services.fleet.postgres import PostgresServer
from tests.conftest import StartFleet, work_agent
from tests.e2e.waiting import eventually, until
from tests.faults.figures import record
from tests.faults.leases import Leases
from tests.faults.proxy import Proxy
from tests.faults.storm import Aftermath, Ledger, make_requests, rest, submit

pytestmark = pytest.mark.figures("promotion_findings")
STUBBORN = Path(__file__).parent / "stubborn_agent.py"
SDK_AGENT, STUBBORN_AGENT = work_agent("agent-1"), AgentPlan("stubborn", slots=4, arguments=(str(STUBBORN),))
STANDBY = "standby"
TASKS, LONG_TASKS = 30, 6
# Longer than a promotion and the restart of the coordinators take: agents come back with these in their hands.
LONG_SECONDS = 12.0
LEASE_SECONDS = 15.0
COORDINATORS = 2
EXIT_SECONDS = 60.0


class Standby:
    """A server that follows another one through a proxy, until `cut`; nobody waits for it."""

    def __init__(self, server: PostgresServer, primary: PostgresServer, link: AsyncExitStack) -> None:
        self.server = server
        self._primary = primary
        self._link = link

    async def caught_up(self) -> None:
        """Returns once it has all that the primary has now."""
        with self._primary.connect() as connection, self.server.connect() as own:
            [sent] = connection.execute("SELECT pg_current_wal_flush_lsn()").fetchone() or ("",)

            async def replayed() -> bool:
                row = own.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (sent,)).fetchone()
                return bool(row and row[0])

            await eventually(replayed)

    async def cut(self) -> None:
        """From now on it hears nothing any more."""
        await self._link.aclose()

    async def promote(self) -> None:
        """Kills the primary; the standby is one on return."""
        self._primary.kill()

        def promote() -> None:
            with self.server.connect() as connection:
                connection.execute("SELECT pg_promote()")

        await asyncio.to_thread(promote)


@pytest.fixture
async def standby(private_postgres: PostgresServer) -> AsyncIterator[Standby]:
    folder = Path(tempfile.mkdtemp(prefix="mc-standby-"))
    async with AsyncExitStack() as link:
        socket = next(private_postgres.sockets.glob(".s.PGSQL.*[0-9]"))
        proxy = await link.enter_async_context(Proxy(str(socket)))
        host, _, port = proxy.address.rpartition(":")
        follows = f"host={host} port={port} user=postgres application_name={STANDBY} sslmode=disable gssencmode=disable"
        server = PostgresServer(folder, settings={"hot_standby": "on", "primary_conninfo": follows})
        server.copy_from(private_postgres, name=STANDBY)
        await asyncio.to_thread(server.start)
        yield Standby(server, private_postgres, link)
    server.remove()
    shutil.rmtree(folder)


def url_of(primary: PostgresServer, standby: Standby) -> str:
    hosts = f"{primary.sockets},{standby.server.sockets}"
    return f"postgresql+psycopg://postgres@/postgres?host={hosts}&target_session_attrs=read-write"


@pytest.mark.timeout(300)
async def test_a_standby_that_lacks_the_last_commits_tells_everybody_so(
    private_postgres: PostgresServer, standby: Standby, start_fleet: StartFleet
) -> None:
    fleet = await start_fleet(
        agents=(SDK_AGENT,),
        database_url=url_of(private_postgres, standby),
        coordinators=COORDINATORS,
        lease_ttl_seconds=LEASE_SECONDS,
    )
    fleet.start_agent(STUBBORN_AGENT, address=fleet.address)  # it knows of one coordinator only
    await fleet.wait_agents_ready([STUBBORN_AGENT.id])
    leases, before = Leases(), Ledger()
    follower = FeedFollower(fleet.gateway_url, on_event=leases.on_event)
    following = asyncio.create_task(follower.run())
    kept, lost, long = batches()
    await submit(fleet.addresses, before, kept, over_seconds=1)
    await standby.caught_up()
    known = follower.sequence
    await standby.cut()
    gone = Ledger()
    await submit(fleet.addresses, gone, [*lost, *long], over_seconds=1)
    await eventually(lambda: running(leases, gone, LONG_TASKS))

    await standby.promote()
    await fleet.services[COORDINATOR].wait_exit(EXIT_SECONDS)
    said_before = len(fleet.agents[STUBBORN_AGENT.id].log_file.read_text().splitlines())
    for name in names_of(COORDINATOR, COORDINATORS):
        # What it remembers is not of this database: it ends, and its supervisor starts it again.
        await fleet.services[name].wait_exit(EXIT_SECONDS)
        await fleet.restart(name)
    with pytest.raises(FeedResetError):
        async with asyncio.timeout(EXIT_SECONDS):
            await following

    old_epoch = follower.last_id.partition(":")[0]
    assert follower.sequence > known, "nothing was lost, so this tests nothing"
    await judge(fleet, before, gone, [*kept, *lost, *long], old_epoch=old_epoch, said_before=said_before)
    await fleet.stop()
    private_postgres.start()


def batches() -> tuple[list[task_service_pb2.CreateTaskRequest], ...]:
    """What the standby has, what it lacks, and of the latter what is at work when it is promoted."""
    kept = make_requests(TASKS, seed=1)
    lost = make_requests(TASKS, seed=2, first=TASKS)
    return kept, lost, make_requests(LONG_TASKS, seed=3, first=2 * TASKS, seconds=(LONG_SECONDS, LONG_SECONDS))


async def running(leases: Leases, gone: Ledger, count: int) -> bool:
    """Whether so many of these tasks are at work, with agents of both kinds."""
    tasks = {entry.task_id for entry in gone.acknowledged}
    held = [leases.running(agent.id) for agent in (SDK_AGENT, STUBBORN_AGENT)]
    return all(held) and len({task_id for each in held for task_id, _ in each} & tasks) >= count


async def judge(
    fleet: Fleet,
    before: Ledger,
    gone: Ledger,
    requests: Sequence[task_service_pb2.CreateTaskRequest],
    *,
    old_epoch: str,
    said_before: int,
) -> None:
    """Everything is submitted once more, and everything that the new primary says is right."""
    again, follower = Ledger(), FeedFollower(fleet.gateway_url)
    following = asyncio.create_task(follower.run())
    await submit(fleet.addresses, again, requests, over_seconds=1)
    aftermath = await rest(fleet, follower, again)
    following.cancel()
    # Its channel may wait for long before it connects again, and what it has to say is what this is about.
    await until(lambda: "refused" in {verdict for verdict, _ in told_of_unknown(fleet, aftermath, said_before)})
    kept = {entry.task_id for entry in before.acknowledged}
    answered = {entry.request_id: entry.task_id for entry in again.acknowledged}

    assert follower.last_id.partition(":")[0] != old_epoch
    assert {answered[entry.request_id] for entry in before.acknowledged} == kept, "S2: these are the same tasks"
    lost = [entry for entry in gone.acknowledged if answered[entry.request_id] != entry.task_id]
    print(f"{len(lost)} acknowledged tasks were lost, as they may be, and submitted again")
    assert len(lost) == len(gone.acknowledged)
    findings = [*aftermath.findings(), *ghosts(fleet, aftermath, said_before)]
    record("promotion_findings", len(findings), runs=1, seed=1)
    assert findings == []
    assert all(task.state == task_pb2.TASK_STATE_SUCCEEDED for task in aftermath.tasks)
    assert not [finding for finding in aftermath.findings() if finding.kind == LOST]


def told_of_unknown(fleet: Fleet, aftermath: Aftermath, said_before: int) -> list[tuple[str, str]]:
    """The verdicts about tasks that the new primary does not know.

    The stubborn agent says the outcome of whatever it was once given, and prints what it was told.
    """
    lines = fleet.agents[STUBBORN_AGENT.id].log_file.read_text().splitlines()[said_before:]
    known = {task.id for task in aftermath.tasks}
    whole = [parts for line in lines if len(parts := line.split()) == 3]
    return [(verdict, task_id) for verdict, task_id, _ in whole if task_id not in known]


def ghosts(fleet: Fleet, aftermath: Aftermath, said_before: int) -> list[Finding]:
    """S4, S5: outcomes of leases that the new primary never granted, and accepted all the same."""
    told = told_of_unknown(fleet, aftermath, said_before)
    return [Finding("ghost", task_id, "its outcome was accepted") for verdict, task_id in told if verdict == "accepted"]
