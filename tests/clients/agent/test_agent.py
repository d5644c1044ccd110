"""The whole agent against a real server: handlers, stops, reconnects, leaving."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import pytest
from missioncontrol import agent_limits as limits
from missioncontrol.agent import Agent
from missioncontrol.agent_errors import AgentRefused, AgentSuperseded, HandlerError, PermanentError
from missioncontrol.command import CommandInput, CommandOutput
from missioncontrol.context import TaskContext
from missioncontrol.handlers import RunsIn
from missioncontrol.payload import decode_payload
from missioncontrol.session_effects import StopReason
from missioncontrol.tls import CA_FILE
from missioncontrol.v1 import agent_service_pb2 as pb
from missioncontrol.v1 import task_pb2
from pydantic import BaseModel

from tests.clients.agent.peer import WAIT_SECONDS, Peer, lease

Start = Callable[[], Any]


@dataclass
class Point:
    x: int
    y: int = 0


class Job(BaseModel):
    name: str


async def stolen(until: asyncio.Event) -> float:
    """The seconds that the machine gave to others: by how much short naps took too long."""
    lost = 0.0
    while not until.is_set():
        began = time.monotonic()
        await asyncio.sleep(0.01)
        lost += max(0.0, time.monotonic() - began - 0.05)
    return lost


def references(*task_ids: str) -> list[pb.LeaseReference]:
    return [pb.LeaseReference(task_id=task_id, token=1) for task_id in task_ids]


async def test_typed_handlers_of_every_sort_run_and_answer(agent: Agent, peer: Peer, start: Start) -> None:
    @agent.handler("async")
    async def add(point: Point, ctx: TaskContext) -> Point:
        await asyncio.sleep(0)
        return Point(point.x + point.y, ctx.attempt)

    @agent.handler("sync")
    def shout(ctx: TaskContext, text: str) -> str:
        ctx.usage(input_tokens=3, cost_usd=0.5)
        return text.upper()

    @agent.handler("inline", runs_in="loop")
    def name(job: Job) -> Job:
        return Job(name=job.name * 2)

    @agent.handler("nothing")
    async def nothing() -> None: ...

    await start()
    peer.lease(
        lease("async", {"x": 1, "y": 2}, task_id="1"),
        lease("sync", "abc", task_id="2"),
        lease("inline", {"name": "n"}, task_id="3"),
        lease("nothing", task_id="4"),
    )

    assert decode_payload((await peer.ended("1")).succeeded.output, Point) == Point(3, 1)
    second = (await peer.ended("2")).succeeded
    assert (second.output.data, second.usage.input_tokens, second.usage.cost_micro_usd) == (b"ABC", 3, 500_000)
    assert decode_payload((await peer.ended("3")).succeeded.output) == {"name": "nn"}
    assert (await peer.ended("4")).succeeded.output.data == b""
    assert peer.events("4")[-1] == "succeeded", "the start may be told by it"
    assert shout(TaskContext.detached(), "plain") == "PLAIN"


async def test_failures_say_what_and_where(agent: Agent, peer: Peer, start: Start) -> None:
    @agent.handler("typed")
    async def typed(point: Point) -> None: ...

    @agent.handler("raises")
    def raises() -> None:
        raise KeyError("who")

    @agent.handler("permanent")
    async def permanent() -> None:
        raise PermanentError("never", code="GONE")

    @agent.handler("coded")
    async def coded() -> None:
        raise HandlerError("later", code="RATE_LIMITED", output={"seen": 3})

    @agent.handler("large")
    async def large() -> str:
        return "x" * 300_000

    await start()
    for kind in ("typed", "raises", "permanent", "coded", "large"):
        peer.lease(lease(kind, "no point", task_id=kind))

    assert (await peer.ended("typed")).failed.failure.reason == task_pb2.FAILURE_REASON_INVALID_INPUT
    raised = (await peer.ended("raises")).failed.failure
    assert (raised.code, raised.message.splitlines()[0]) == ("KeyError", "KeyError: 'who'")
    assert "test_agent.py" in raised.message
    assert "dispatch.py" not in raised.message
    never = (await peer.ended("permanent")).failed.failure
    assert (never.permanent, never.code) == (True, "GONE")
    later = (await peer.ended("coded")).failed
    assert (later.failure.code, later.failure.permanent, later.output.data) == ("RATE_LIMITED", False, b'{"seen":3}')
    assert (await peer.ended("large")).failed.failure.reason == task_pb2.FAILURE_REASON_RESOURCE_EXHAUSTED


@dataclass
class Picky:
    path: str

    def __post_init__(self) -> None:
        raise KeyError(self.path)


class Undescribed:
    def __init__(self, path: str) -> None: ...


class HalfMade(HandlerError):
    def __init__(self, path: str) -> None:
        self.path = path


def picky(job: Picky) -> None: ...


async def picky_async(job: Picky) -> None: ...


def undescribed(job: Undescribed) -> None: ...


def numeric_code() -> None:
    raise HandlerError("bad", code=3)  # type: ignore[arg-type]  # such as a program that is not checked gives


async def half_made() -> None:
    raise HalfMade("p")


@pytest.mark.parametrize(
    ("function", "runs_in"),
    [
        (picky, None),
        (picky, "loop"),
        (picky_async, None),
        (undescribed, None),
        (numeric_code, None),
        (numeric_code, "loop"),
        (half_made, None),
    ],
)
async def test_whatever_is_raised_around_a_handler_ends_its_attempt(
    agent: Agent, peer: Peer, start: Start, function: Callable[..., Any], runs_in: RunsIn | None
) -> None:
    agent.handler("k", runs_in=runs_in)(function)
    await start()

    peer.lease(*[lease("k", {"path": "p"}, task_id=str(number)) for number in range(agent.slots)])
    for number in range(agent.slots):
        assert (await peer.ended(str(number))).HasField("failed")

    peer.lease(lease("k", {"path": "p"}, task_id="next"))
    assert (await peer.ended("next")).HasField("failed"), "there is still a thread, and a loop that takes"


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_heartbeats_flow_while_a_handler_blocks_in_pure_python(
    agent: Agent, peer: Peer, start: Start, kind: str
) -> None:
    def spin() -> bool:
        """Blocks until more heartbeats have come: that is meanwhile, or never."""
        before, end = len(peer.times("heartbeat")), time.monotonic() + WAIT_SECONDS / 2
        while len(peer.times("heartbeat")) < before + 10 and time.monotonic() < end:
            pass
        return len(peer.times("heartbeat")) >= before + 10

    @agent.handler("async")
    async def badly_written() -> bool:
        return spin()

    agent.handler("sync")(spin)
    await start()
    peer.lease(lease(kind))

    assert (await peer.ended()).succeeded.output.data == b"true"
    assert peer.events() == ["started", "succeeded"]
    assert len(peer.streams) == 1


async def test_sync_handlers_and_commands_run_while_an_async_one_blocks_the_loop(
    agent: Agent, peer: Peer, start: Start
) -> None:
    free = threading.Event()

    @agent.handler("block")
    async def block() -> bool:
        return free.wait(WAIT_SECONDS)

    @agent.handler("free")
    def let_go() -> None:
        free.set()

    await start()
    peer.lease(lease("block", task_id="1"), lease("free", task_id="2"))
    report = await peer.ended("1")

    assert report.succeeded.output.data == b"true"


async def test_a_lease_that_a_blocked_loop_does_not_take_is_given_back(
    agent: Agent, peer: Peer, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HANDOVER_SECONDS", 0.3)
    given_back = threading.Event()

    @agent.handler("block")
    async def block() -> bool:
        return given_back.wait(WAIT_SECONDS)

    @agent.handler("quick")
    async def quick() -> None: ...

    async def from_outside() -> None:
        # On a loop of its own: that of this test is the one that is blocked. If that was slow, it comes again.
        for token in count(1):
            peer.lease(lease("block", task_id="1", token=token))
            await peer.until(lambda token=token: len(peer.events("1")) == token)
            if peer.events("1")[-1] == "started":
                break
        peer.lease(lease("quick", task_id="2"))
        await peer.until(lambda: peer.events("2"))
        given_back.set()

    await start()
    outside = threading.Thread(target=lambda: asyncio.run(from_outside()))
    outside.start()
    await peer.until(lambda: "succeeded" in peer.events("1"))
    outside.join()

    assert peer.events("2") == ["rejected"]


async def test_a_cancel_reaches_async_sync_and_command(agent: Agent, peer: Peer, start: Start, tmp_path: Path) -> None:
    reasons: list[StopReason | None] = []

    @agent.handler("async")
    async def sleep(ctx: TaskContext) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            reasons.append(ctx.stop_reason)

    @agent.handler("sync")
    def wait(ctx: TaskContext) -> None:
        ctx.wait_cancelled(60)
        ctx.raise_if_cancelled()

    await start()
    command = CommandInput(argv=[f"echo begun; touch {tmp_path}/begun; sleep 600"], shell=True)
    peer.lease(lease("async", task_id="1"), lease("sync", task_id="2"), lease("command", command, task_id="3"))
    await peer.until(lambda: sum(map(len, map(peer.events, "123"))) == 3 and (tmp_path / "begun").exists())
    peer.order(cancel=references("1", "2", "3"))

    for task_id in "123":
        assert (await peer.ended(task_id)).HasField("cancelled")
    output = decode_payload((await peer.ended("3")).cancelled.output, CommandOutput)
    assert (output.stdout, output.signal) == ("begun\n", 15)
    assert reasons == [StopReason.CANCEL]


async def test_the_time_limit_for_running_ends_the_work(agent: Agent, peer: Peer, start: Start) -> None:
    @agent.handler("async")
    async def sleep(ctx: TaskContext) -> None:
        assert ctx.remaining_seconds is not None
        await asyncio.sleep(60)

    await start()
    limited = lease("async")
    limited.run_time_limit.FromMilliseconds(100)
    peer.lease(limited)

    assert (await peer.ended()).failed.failure.reason == task_pb2.FAILURE_REASON_TIMEOUT


async def test_progress_checkpoint_and_the_last_checkpoint(agent: Agent, peer: Peer, start: Start) -> None:
    @agent.handler("steps")
    async def steps(ctx: TaskContext) -> int:
        done = ctx.last_checkpoint or 0
        ctx.progress(2.0, "half\x00way")
        ctx.checkpoint(done + 1)
        await peer.until(lambda: "checkpoint" in peer.events(ctx.task_id))
        return int(done)

    await start()
    again = lease("steps", task_id="2")
    again.checkpoint.CopyFrom(task_pb2.Payload(data=b"41", content_type="application/json"))
    peer.lease(lease("steps", task_id="1"), again)
    await peer.ended("1")
    await peer.ended("2")

    assert set(peer.events("1")) == {"started", "progress", "checkpoint", "succeeded"}
    sent = {report.WhichOneof("event"): report for report in peer.reports if report.task_id == "2"}
    assert (sent["progress"].progress.fraction, sent["progress"].progress.message) == (1.0, "half\ufffdway")
    assert sent["checkpoint"].checkpoint.data == b"42"
    assert sent["succeeded"].succeeded.output.data == b"41"


async def test_live_output_is_sent_while_it_is_followed(agent: Agent, peer: Peer, start: Start) -> None:
    go = asyncio.Event()

    @agent.handler("talks")
    async def talks(ctx: TaskContext) -> None:
        ctx.log("before", 1)
        await go.wait()
        ctx.log("last")

    await start()
    peer.lease(lease("talks"))
    await peer.until(peer.events)
    peer.order(follow_output=references("t"))
    await peer.until(lambda: peer.messages("output"))
    go.set()
    await peer.ended()

    chunks = [each.chunk for message in peer.messages("output") for each in message.output.chunks]
    assert b"".join(each.data for each in chunks) == b"before 1\nlast\n"
    assert [each.offset for each in chunks] == [0, 9]
    assert peer.messages("output")[-1] in [each for _, each in peer.streams[0].received[:-1]]


async def test_output_of_what_has_ended_is_not_waited_for(agent: Agent, peer: Peer, start: Start) -> None:
    @agent.handler("quick")
    async def quick() -> None: ...

    await start()
    peer.lease(lease("quick", task_id="1"))
    await peer.ended("1")
    peer.order(follow_output=references("1"))
    peer.lease(lease("quick", task_id="2"))
    await peer.ended("2")

    assert agent._connection is not None
    assert agent._connection._followed._wanted == set()


async def test_output_of_what_never_begins_is_not_waited_for(peer: Peer) -> None:
    small, go = Agent("small", address=peer.address, slots=1, queue_limit=1, commands=None), asyncio.Event()

    @small.handler("waits")
    async def waits() -> None:
        await go.wait()

    running = asyncio.create_task(small.run())
    await peer.until(lambda: peer.streams)
    peer.lease(lease("waits", task_id="1"), lease("waits", task_id="2"))
    await peer.until(lambda: peer.events("1"))
    peer.order(follow_output=references("2"))
    peer.order(cancel=references("2"))
    assert (await peer.ended("2")).HasField("cancelled")

    assert small._connection is not None
    assert small._connection._followed._wanted == set()
    go.set()
    small.drain()
    await running


async def test_after_a_broken_stream_it_names_what_it_holds_and_sends_again_what_was_not_acknowledged(
    agent: Agent, peer: Peer, start: Start
) -> None:
    go = asyncio.Event()

    @agent.handler("waits")
    async def waits() -> None:
        await go.wait()

    await start()
    peer.acknowledges = False
    peer.lease(lease("waits"))
    await peer.until(peer.events)
    peer.cut()
    stream = await peer.connected(2)
    assert [each.task_id for each in stream.hello.held] == ["t"]
    go.set()
    await peer.ended()
    peer.acknowledges = True
    peer.cut()
    await peer.until(
        lambda: len(peer.streams) == 3 and peer.outcome() is not None and peer.events().count("succeeded") == 2
    )

    assert {(report.number, report.WhichOneof("event")) for report in peer.reports} == {
        (1, "started"),
        (2, "succeeded"),
    }


async def test_a_lease_that_the_coordinator_drops_is_stopped_without_a_report(
    agent: Agent, peer: Peer, start: Start
) -> None:
    stopped = asyncio.Event()

    @agent.handler("waits")
    async def waits() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()

    await start()
    peer.lease(lease("waits"))
    await peer.until(peer.events)
    peer.keeps = False
    peer.cut()
    async with asyncio.timeout(WAIT_SECONDS):
        await stopped.wait()
    await peer.until(lambda: len(peer.streams[-1].received) > 2)

    assert peer.outcome() is None


async def test_slots_of_work_that_does_not_stop_are_not_offered_until_it_has(
    agent: Agent, peer: Peer, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LINGERING_SECONDS", 0.1)
    let_go = threading.Event()

    @agent.handler("stubborn")
    def stubborn() -> None:
        let_go.wait(WAIT_SECONDS)

    @agent.handler("quick")
    async def quick() -> None: ...

    await start()
    peer.lease(lease("stubborn"))
    await peer.until(lambda: "started" in peer.events())
    peer.order(drop=references("t"))

    fewer = (await peer.connected(2)).hello
    peer.lease(lease("quick", task_id="other"))
    assert (await peer.ended("other")).HasField("succeeded")
    let_go.set()
    all_again = (await peer.connected(3)).hello

    assert (fewer.slots, list(fewer.held)) == (3, [])
    assert all_again.slots == 4


async def test_silence_of_the_coordinator_makes_it_connect_again(agent: Agent, peer: Peer, start: Start) -> None:
    peer.echo_seconds = 0.3
    await start()
    peer.echoes = False

    await peer.until(lambda: len(peer.streams) >= 2)


async def test_a_coordinator_that_does_not_read_blocks_neither_the_session_nor_a_core(
    agent: Agent, peer: Peer, start: Start
) -> None:
    began, stopped = asyncio.Event(), asyncio.Event()

    @agent.handler("large")
    async def large() -> bytes:
        return b"x" * 262_144

    @agent.handler("waits")
    async def waits() -> None:
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()

    peer.reads, peer.echo_seconds = False, 60.0
    await start()
    token = 0
    while not began.is_set():  # a lease that is this short may have to come again
        peer.lease(lease("waits", token=(token := token + 1), ttl_seconds=3.0))
        with suppress(TimeoutError):
            await asyncio.wait_for(began.wait(), 3.0)
    for number in range(0, 60, 3):
        peer.lease(*[lease("large", task_id=str(number + each)) for each in range(3)])
    used, asked = time.process_time(), time.monotonic()
    losing = asyncio.create_task(stolen(stopped))
    async with asyncio.timeout(WAIT_SECONDS):
        # By the agent itself: two thirds of the time to live after the last echo, which is Welcome.
        await stopped.wait()

    assert time.monotonic() - asked - await losing < 3.0
    assert time.process_time() - used < 1.0
    peer.reads = True
    peer.cut()


async def test_it_tries_the_next_address_when_one_is_dead(peer: Peer) -> None:
    agent = Agent("a", address=f"127.0.0.1:1,{peer.address}", slots=1)
    running = asyncio.create_task(agent.run())
    await peer.connected()
    agent.drain()
    await running

    assert peer.messages("goodbye")


async def test_it_waits_for_a_file_of_tls_that_is_being_replaced(
    agent: Agent,
    peer: Peer,
    start: Start,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    agent.handler("noop")(lambda: None)
    running = await start()
    monkeypatch.setenv(CA_FILE, str(tmp_path / "replaced.crt"))
    peer.cut()
    await peer.until(lambda: "replaced.crt" in caplog.text)

    monkeypatch.delenv(CA_FILE)

    await peer.connected(2)
    assert not running.done()


async def test_it_does_not_begin_without_the_files_of_tls_that_it_is_told_of(
    agent: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent.handler("noop")(lambda: None)
    monkeypatch.setenv(CA_FILE, str(tmp_path / "no.crt"))

    with pytest.raises(ValueError, match=r"no\.crt"):
        await agent.run()


async def test_draining_finishes_what_runs_and_returns_what_comes_then_says_goodbye(
    agent: Agent, peer: Peer, start: Start
) -> None:
    go = asyncio.Event()

    @agent.handler("waits")
    async def waits() -> str:
        await go.wait()
        return "done"

    running = await start()
    peer.lease(lease("waits", task_id="1"))
    await peer.until(lambda: peer.events("1"))
    agent.drain()
    await peer.until(lambda: peer.messages("drain_notice"))
    peer.lease(lease("waits", task_id="2"))
    assert (await peer.ended("2")).HasField("returned")
    go.set()
    async with asyncio.timeout(WAIT_SECONDS):
        await running

    assert peer.outcome("1").succeeded.output.data == b"done"  # type: ignore[union-attr]  # it is there, or the test fails as it should
    assert peer.messages("goodbye")


async def test_work_beyond_the_drain_limit_is_returned(agent: Agent, peer: Peer, start: Start) -> None:
    @agent.handler("waits")
    async def waits() -> None:
        await asyncio.sleep(60)

    running = await start()
    peer.lease(lease("waits"), lease("command", CommandInput(argv=["sleep", "600"]), task_id="c"))
    await peer.until(lambda: peer.events() and peer.events("c"))
    agent.drain(0.1)
    async with asyncio.timeout(WAIT_SECONDS):
        await running

    assert (peer.events(), peer.events("c")) == (["started", "returned"], ["started", "returned"])


async def test_a_run_that_is_cancelled_returns_what_runs(agent: Agent, peer: Peer, start: Start) -> None:
    @agent.handler("waits")
    async def waits() -> None:
        await asyncio.sleep(60)

    running = await start()
    peer.lease(lease("waits"))
    await peer.until(peer.events)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert peer.events() == ["started", "returned"]


async def test_a_second_cancel_does_not_break_the_agents_thread(
    agent: Agent, peer: Peer, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", broken.append)
    agent.handler("noop")(print_nothing)
    running = await start()
    (thread,) = [each for each in threading.enumerate() if each.name == "missioncontrol-a"]
    peer.acknowledges = False  # so that it takes its time to leave
    peer.lease(lease("noop"))
    await peer.ended()

    running.cancel()
    await peer.until(lambda: agent._drain_calls)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    peer.acknowledges = True
    peer.cut()
    await peer.until(lambda: not thread.is_alive())

    assert broken == []


@pytest.mark.parametrize(
    ("code", "reason", "error"),
    [
        (grpc.StatusCode.FAILED_PRECONDITION, "INCARNATION_SUPERSEDED", AgentSuperseded),
        (grpc.StatusCode.FAILED_PRECONDITION, "VERSION_MISMATCH", AgentRefused),
        (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT", AgentRefused),
    ],
)
async def test_an_agent_that_is_refused_for_good_ends_with_a_clear_error(
    agent: Agent, peer: Peer, code: grpc.StatusCode, reason: str, error: type[Exception]
) -> None:
    peer.refusal = (code, reason)

    with pytest.raises(error, match='"a"'):
        await agent.run()


async def test_an_agent_waits_for_a_coordinator_that_cannot_take_it_now(agent: Agent, peer: Peer) -> None:
    peer.refusal = (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")
    running = asyncio.create_task(agent.run())
    await asyncio.wait([running], timeout=0.3)
    peer.refusal = None
    await peer.connected()
    agent.drain()

    await running


async def test_an_ordered_drain_with_resume_takes_work_again(agent: Agent, peer: Peer, start: Start) -> None:
    @agent.handler("quick")
    async def quick() -> None: ...

    await start()
    peer.order(drain=pb.DrainOrder())
    peer.lease(lease("quick", task_id="1"))
    assert (await peer.ended("1")).HasField("returned")
    peer.order(resume=True)
    peer.lease(lease("quick", task_id="2"))

    assert (await peer.ended("2")).HasField("succeeded")


async def test_many_short_tasks_travel_in_few_messages(agent: Agent, peer: Peer) -> None:
    many = Agent("many", address=peer.address, slots=1000, commands=None)

    @many.handler("noop")
    async def noop() -> None: ...

    running = asyncio.create_task(many.run())
    await peer.until(lambda: peer.streams)
    for first in range(0, 1000, 100):
        peer.lease(*[lease("noop", task_id=f"t{first + number}") for number in range(100)])
    await peer.until(lambda: sum(report.HasField("succeeded") for report in peer.reports) == 1000)
    many.drain()
    await running

    assert len(peer.messages("reports")) < 300


def test_what_cannot_be_an_agent_is_refused_at_once(agent: Agent) -> None:
    agent.handler("once")(print_nothing)
    with pytest.raises(ValueError, match="has a handler already"):
        agent.handler("once")(print_nothing)
    with pytest.raises(ValueError, match="slots is 0"):
        Agent("a", slots=0)
    with pytest.raises(ValueError, match="no address"):
        Agent("a", address=",")


def print_nothing() -> None: ...
