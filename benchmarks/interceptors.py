"""What the wrapper of `services/transport/interceptors.py` costs a unary call, without the network.

    .venv/bin/python -m benchmarks.interceptors

Prints microseconds a call for: decoding and the handler alone, the same in the wrapper, and protovalidate alone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import protovalidate
from missioncontrol.v1 import task_pb2, task_service_pb2
from prometheus_client import CollectorRegistry

from services.transport.interceptors import wrap
from services.transport.rpc_metrics import RpcMetrics

ROUNDS = 20_000
RESPONSE = task_service_pb2.CreateTaskResponse()
REQUEST = task_service_pb2.CreateTaskRequest(
    spec=task_pb2.TaskSpec(queue="default", kind="noop", payload=task_pb2.Payload(data=b"x" * 200)), request_id="r" * 36
)


async def handle(_request: object, _context: object) -> task_service_pb2.CreateTaskResponse:
    """The cheapest handler there is."""
    return RESPONSE


async def microseconds(call: Callable[[], Awaitable[object]]) -> float:
    """The best of five rounds."""
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(ROUNDS // 5):
            await call()
        best = min(best, (time.perf_counter() - started) / (ROUNDS // 5) * 1e6)
    return best


async def main() -> None:
    """Measures and prints."""
    bare: Any = grpc.unary_unary_rpc_method_handler(
        handle, task_service_pb2.CreateTaskRequest.FromString, task_service_pb2.CreateTaskResponse.SerializeToString
    )
    metrics = RpcMetrics(CollectorRegistry())
    wrapped = wrap("missioncontrol.v1.TaskService", {"CreateTask": bare}, metrics)["CreateTask"]
    encoded = REQUEST.SerializeToString()

    def through(handler: Any) -> Callable[[], Awaitable[object]]:
        return lambda: handler.unary_unary(handler.request_deserializer(encoded), None)

    async def validate() -> None:
        protovalidate.collect_violations(REQUEST)

    alone, inside, rules = [await microseconds(call) for call in (through(bare), through(wrapped), validate)]
    print(f"handler alone  {alone:6.1f} µs")
    print(f"in the wrapper {inside:6.1f} µs")
    print(f"protovalidate  {rules:6.1f} µs")
    print(f"the wrapper's own cost {inside - alone - rules:.1f} µs")


if __name__ == "__main__":
    asyncio.run(main())
