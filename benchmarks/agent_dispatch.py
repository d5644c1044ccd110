"""What a no-op task costs in an agent: `python -m benchmarks.agent_dispatch`.

The session alone, fed by a loop (the pure state machine, with the messages made and parsed), and for each way of
running a handler a whole agent on a real stream, as CPU time of its process per task. The peer is another process.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections import deque
from collections.abc import AsyncIterator

import grpc
import grpc.aio
from missioncontrol.agent import Agent
from missioncontrol.session import AgentSession
from missioncontrol.session_effects import Offer
from missioncontrol.v1 import agent_service_pb2 as pb
from missioncontrol.v1 import task_pb2

SLOTS, BATCH, TASKS = 256, 64, 30_000
PAYLOAD = b'"' + b"x" * 198 + b'"'


def make_lease(number: int, kind: str) -> pb.Lease:
    """A lease as the coordinator would send it."""
    payload = task_pb2.Payload(data=PAYLOAD, content_type="application/json")
    lease = pb.Lease(task_id=f"0198c5b2-7b1e-7cc0-8000-{number:012d}", token=1)
    lease.spec.CopyFrom(task_pb2.TaskSpec(kind=kind, queue="bench", payload=payload))
    lease.ttl.FromSeconds(30)
    lease.create_time.GetCurrentTime()
    lease.grant_time.GetCurrentTime()
    return lease


def make_welcome() -> pb.CoordinatorMessage:
    """A Welcome with the usual intervals."""
    welcome = pb.Welcome(protocol_version=1, session=1)
    welcome.heartbeat_interval.FromSeconds(5)
    welcome.echo_timeout.FromSeconds(12)
    return pb.CoordinatorMessage(welcome=welcome)


def session_alone() -> float:
    """Microseconds per task of the session and its messages."""
    session = AgentSession(pb.Hello(agent_id="a", kinds=["noop"], slots=SLOTS))
    session.connect(0.0)
    session.receive(make_welcome(), 0.0)
    batches = [
        pb.CoordinatorMessage(
            leases=pb.LeaseBatch(number=first, leases=[make_lease(first + each, "noop") for each in range(BATCH)])
        ).SerializeToString()
        for first in range(0, TASKS, BATCH)
    ]
    done = pb.Succeeded()
    began = time.process_time()
    for batch in batches:
        session.receive(pb.CoordinatorMessage.FromString(batch), 1.0)
        for effect in session.take_effects(1.0):
            assert isinstance(effect, Offer)
            for lease in effect.leases:
                key = (lease.task_id, lease.token)
                session.claimed(key, 1.0)
                session.ended(key, done, 1.0)
        while (message := session.next_message(1.0)) is not None:
            message.SerializeToString()
        session.receive(pb.CoordinatorMessage(report_ack=pb.ReportAck(number=session.reports.last_number)), 1.0)
    return (time.process_time() - began) / TASKS * 1e6


class Peer:
    """Keeps an agent's slots full until it has run all tasks, then has the stream end and prints how long it took."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self.done = asyncio.Event()

    async def connect(
        self, request_iterator: AsyncIterator[pb.AgentMessage], _context: object
    ) -> AsyncIterator[pb.CoordinatorMessage]:
        """One agent's conversation."""
        assert (await anext(request_iterator)).HasField("hello")
        yield make_welcome()
        waiting = deque(make_lease(number, self._kind) for number in range(TASKS))
        free, ended, number = SLOTS, 0, 0
        began = time.perf_counter()
        while ended < TASKS:
            while free and waiting:
                count = min(free, len(waiting), 128)
                number, free = number + 1, free - count
                leases = [waiting.popleft() for _ in range(count)]
                yield pb.CoordinatorMessage(leases=pb.LeaseBatch(number=number, leases=leases))
            message = await anext(request_iterator)
            if message.HasField("reports"):
                over = sum(report.HasField("succeeded") for report in message.reports.reports)
                free, ended = free + over, ended + over
                yield pb.CoordinatorMessage(report_ack=pb.ReportAck(number=message.reports.reports[-1].number))
        print(f"{TASKS / (time.perf_counter() - began):.0f}", flush=True)
        yield pb.CoordinatorMessage(orders=pb.Orders(drain=pb.DrainOrder()))
        async for message in request_iterator:
            if message.HasField("goodbye"):
                break
        self.done.set()


async def serve(kind: str) -> None:
    """The peer's process."""
    server = grpc.aio.server()
    peer = Peer(kind)
    connect = grpc.stream_stream_rpc_method_handler(
        peer.connect,
        request_deserializer=pb.AgentMessage.FromString,
        response_serializer=pb.CoordinatorMessage.SerializeToString,
    )
    service = grpc.method_handlers_generic_handler("missioncontrol.v1.AgentService", {"Connect": connect})
    server.add_generic_rpc_handlers((service,))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await peer.done.wait()
    await server.stop(0)


async def whole_agent(kind: str) -> tuple[float, float]:
    """Tasks per second, and microseconds of this process's CPU time per task."""
    command = [sys.executable, "-m", "benchmarks.agent_dispatch", "peer", kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as peer:  # noqa: ASYNC220 -- nothing else runs yet
        assert peer.stdout is not None
        port = peer.stdout.readline().strip()
        agent = Agent(f"bench-{kind}", address=f"127.0.0.1:{port}", slots=SLOTS, commands=None)

        @agent.handler("async")
        async def run_async(payload: bytes) -> None: ...

        @agent.handler("inline", runs_in="loop")
        def run_inline(payload: bytes) -> None: ...

        @agent.handler("thread")
        def run_thread(payload: bytes) -> None: ...

        began = time.process_time()
        running = asyncio.create_task(agent.run())
        rate = float(await asyncio.to_thread(peer.stdout.readline))
        used = time.process_time() - began
        agent.drain(0.0)
        await running
        peer.wait()
    return rate, used / TASKS * 1e6


def main() -> None:
    """Prints the table."""
    print(f"session alone: {session_alone():.1f} µs a task")
    for kind in ("async", "inline", "thread"):
        rate, used = asyncio.run(whole_agent(kind))
        print(f"whole agent, {kind:6}: {used:5.1f} µs CPU a task, {rate:6.0f} tasks/s with its peer beside it")


if __name__ == "__main__":
    if sys.argv[1:2] == ["peer"]:
        asyncio.run(serve(sys.argv[2]))
    else:
        main()
